#!/usr/bin/env bash
# A recording through `replay --speed max` and `record`, and a bare Python pass over the same file.
#
#   scripts/throughput.sh [ROWS] [BINARY]        43200 rows are a day at 2 s
set -euo pipefail
rows=${1:-43200} binary=${2:-target/release/metrics}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT

python3 - "$rows" > "$work/day.csv" << 'PYTHON'
import random, sys
from datetime import datetime, timedelta, timezone
columns = ["cpu", "memory", "activeUsers", "requestsPerSecond"] + [f"cpu:{core}" for core in range(36)]
print("timestamp,host,stream,seq,event," + ",".join(columns) + ",top,extra")
start = datetime(2026, 11, 24, tzinfo=timezone.utc)
for seq in range(int(sys.argv[1])):
    time = (start + timedelta(seconds=2 * seq)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    values = ",".join(f"{random.randrange(1, 10000) / 100:g}" for _ in columns)
    print(f'{time},web-1,k3v9q2,{seq + 1},,{values},"[{{""pid"":812,""name"":""nginx"",""cpu"":9.5,""memory"":1.25}}]",')
PYTHON

# Runs a command and notes its CPU time, wall time and peak memory.
timed() { local name=$1; shift; /usr/bin/time -f "$name: %U + %S s of CPU, %e s, %M KiB" -o "$work/$name.time" "$@"; }
timed replay "$binary" replay --quiet "$work/day.csv" --listen 127.0.0.1:0 --wait 1 --speed max > "$work/url" &
until [ -s "$work/url" ]; do sleep 0.01; done
timed record "$binary" record --quiet "$(cat "$work/url")" -o "$work/again.csv"
wait
cmp "$work/day.csv" "$work/again.csv"
timed python python3 -c 'import csv, json, sys
for row in csv.DictReader(open(sys.argv[1], newline="")): json.dumps(row)' "$work/day.csv"
cat "$work"/{replay,record,python}.time
