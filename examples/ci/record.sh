#!/bin/sh
# Makes an incident on this machine and records it into incident.csv: every core is busy for LOAD seconds (default 30). The
# arguments are those of `metrics record`: the server, --token-file, …
set -eu
metrics=${METRICS:-metrics}
"$metrics" record "$@" -o incident.csv --last 10 -- sh -c '
    for core in $(seq "$(nproc)"); do
        timeout "${LOAD:-30}" sh -c "while :; do :; done" &
    done
    wait'
