#!/bin/sh
# An incident as a test. It fails if the rule fires too early, too late or never, or if the dashboard does not survive a
# cut. It needs no port and leaves nothing behind. METRICS names another binary than the one in PATH.
set -eu
cd "$(dirname "$0")"
metrics=${METRICS:-metrics}

failed() {
    echo "FAILED: $1" >&2
    exit 1
}

echo '1. The rule is silent for the first 23 seconds of the incident,'
"$metrics" replay -q incident.csv --alerts rules.txt --speed max --end 23s -- \
    "$metrics" watch -q --plain --fail-on-alert=overload > seen.txt || case $? in
    4) failed 'the rule fires too early' ;;
    *) failed 'the rule cannot be tested' ;;
esac

echo '2. fires at the next sample and is resolved two samples after the load is gone,'
"$metrics" replay -q incident.csv --alerts rules.txt --print-alerts > seen.jsonl
diff alerts.jsonl seen.jsonl || failed 'the alerts are others than those in alerts.jsonl'

echo '3. and the dashboard survives a cut.'
"$metrics" replay -q incident.csv --alerts rules.txt --speed 6 -- python3 dashboard.py dashboard.html 60
