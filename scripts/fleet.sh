#!/usr/bin/env bash
# A fleet on this machine: Redis, hosts that publish to it, relays, viewers of one host each, and a recorder of all
# hosts. Then one replay serves the same hosts to as many viewers, without Redis, for comparison. Prints what each costs,
# and fails if the recorder or a viewer lost anything or got anything twice.
#
#   scripts/fleet.sh [HOSTS] [RELAYS] [VIEWERS] [SECONDS] [BINARY] [RETAIN]
#
# The defaults are 20 2 400 30 target/release/metrics 1m.
#
# A host is a replay with --name, at one sample a second, and takes a few MB of memory; 200 2 4000 needs 2 GB, and
# `ulimit -n` above 4,000. Needs redis-server and Python. Everything is on loopback, and ends with the script.
set -euo pipefail
hosts=${1:-20} relays=${2:-2} viewers=${3:-400} seconds=${4:-30} binary=${5:-target/release/metrics} retain=${6:-1m}
[ -x "$binary" ] || { echo "error: $binary is missing: cargo build --release" >&2; exit 1; }
for tool in redis-server redis-cli python3; do
    command -v "$tool" > /dev/null && continue
    echo "error: $tool is missing: apt-get install redis-server python3" >&2
    exit 1
done
here=$(dirname "$0")
ulimit -n "$(ulimit -Hn)"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$work"' EXIT

# A recording of so many hosts, each a little later than the one before it.
write_recording() {
    python3 - "$1" "$((seconds + 60 + hosts / 2))" > "$2" << 'PYTHON'
import sys
from datetime import datetime, timedelta, timezone
hosts, samples = map(int, sys.argv[1:])
columns = ["cpu", "memory", "load1", "disk"] + [f"cpu:{core}" for core in range(16)]
print("timestamp,host,stream,seq,event," + ",".join(columns) + ",top")
start = datetime(2026, 11, 24, tzinfo=timezone.utc)
process = '{""pid"":%d,""name"":""worker-%d"",""cpu"":9.5,""memory"":1.25}'
top = '"[' + ",".join(process % (pid, pid) for pid in range(1, 11)) + ']"'
for seq in range(samples):
    values = ",".join(str((7 * seq + nth) % 100) for nth in range(len(columns)))
    for host in range(hosts):
        time = start + timedelta(seconds=seq, milliseconds=host * 1000 // hosts)
        print(f"{time.isoformat(timespec='milliseconds')[:23]}Z,web-{host + 1},k3v9q2,{seq + 1},,{values},{top}")
PYTHON
}

# The CPU time of processes in ms, with that of threads that have ended (clock_getcpuclockid(3)).
cpu() {
    python3 -c 'import sys, time; print(sum(time.clock_gettime_ns(~int(pid) << 3 | 2) for pid in sys.argv[1:]) // 10**6)' "$@"
}
rss() { awk '/VmRSS/ { print $2 }' /proc/"$1"/status; }
sum() { local total=0 pid; for pid in "${@:2}"; do total=$((total + $("$1" "$pid"))); done; echo "$total"; }

# Runs viewers at the given ports, and measures the processes in the arrays $watched meanwhile.
run_viewers() {
    local herd pids name
    rm -f "$work/viewers"
    python3 "$here/fleet/viewers.py" "$viewers" "$hosts" "$seconds" "$@" > "$work/viewers" & herd=$!
    until [ -s "$work/viewers" ]; do
        sleep 0.1
        kill -0 "$herd" 2> /dev/null || { echo "error: the viewers failed" >&2; exit 1; }
    done
    for name in "${watched[@]}"; do
        local -n measured=$name
        spent[$name]=$(cpu "${measured[@]}")
    done
    memory=()
    for ((look = 0; look <= 5; look++)); do
        for name in "${watched[@]}"; do
            local -n measured=$name
            memory[$name]="${memory[$name]:-}${memory[$name]:+ }$(sum rss "${measured[@]}")"
        done
        [ "$look" = 5 ] || sleep "$(awk -v s="$seconds" 'BEGIN { print s * 0.19 }')"
    done
    wait "$herd"
    for name in "${watched[@]}"; do
        local -n measured=$name
        spent[$name]=$(($(cpu "${measured[@]}") - spent[$name]))
    done
    messages=$(awk '/messages/ { print $1 }' "$work/viewers")
}

report() {
    printf '%-8s %6d ms of CPU time, %5.1f µs for each message to a viewer; memory in KiB: %s\n' \
        "$1" "${spent[$1]}" "$(awk -v ms="${spent[$1]}" -v n="$messages" 'BEGIN { print 1000 * ms / n }')" \
        "${memory[$1]}"
}

declare -A spent memory
write_recording 1 "$work/host.csv"
socket=$work/redis.sock
redis-server --port 0 --unixsocket "$socket" --save '' --maxmemory 1gb --maxmemory-policy noeviction --dir "$work" \
    > "$work/redis.log" &
Redis=($!)
until redis-cli -s "$socket" ping > "$work/ping" 2>&1; do sleep 0.05; done

publishers=()
for ((host = 1; host <= hosts; host++)); do
    "$binary" replay --quiet "$work/host.csv" --rebase --name "web-$host" -l 127.0.0.1:0 --retain "$retain" \
        --publish "redis+unix://$socket" > "$work/host-$host" 2>> "$work/hosts.log" & publishers+=($!)
done
ports=() urls=() relayers=()
for ((relay = 1; relay <= relays; relay++)); do
    "$binary" serve --quiet --from "redis+unix://$socket" -l 127.0.0.1:0 --retain "$retain" \
        --max-viewers "$((viewers + 10))" > "$work/relay-$relay" 2>> "$work/relays.log" & relayers+=($!)
    until [ -s "$work/relay-$relay" ]; do sleep 0.05; done
    url=$(cat "$work/relay-$relay") port=${url##*:}
    urls+=("127.0.0.1:${port%%/*}") ports+=("${port%%/*}")
done
# Every host is there before anybody asks for it.
until [ "$(cat "$work"/host-* | wc -l)" -ge "$hosts" ]; do sleep 0.1; done
sleep 3

"$binary" record --quiet "$(IFS=,; echo "${urls[*]}")" -o "$work/recorded/" 2> "$work/record.log" & record=$!
watched=(publishers Redis relayers)
run_viewers "${ports[@]}"
echo "$hosts hosts, $relays relays, $viewers viewers, $seconds s: $(tail -n 1 "$work/viewers")"
for name in "${watched[@]}"; do report "$name"; done
cost=$(awk -v ms="${spent[relayers]}" -v n="$messages" 'BEGIN { print ms / n }')
entries=$(redis-cli -s "$socket" info keyspace | tr -d '\r' | tail -n 1)
used=$(redis-cli -s "$socket" info memory | tr -d '\r' | awk -F: '/^used_memory:/ { print $2 }')
echo "Redis has $used bytes; $entries"
kill -INT "$record"
wait "$record"
python3 - "$work/recorded" "$hosts" << 'PYTHON'
import csv, pathlib, sys
files, hosts = sorted(pathlib.Path(sys.argv[1]).glob("*.csv")), int(sys.argv[2])
rows = gaps = holes = 0
for path in files:
    last = None
    for row in csv.DictReader(path.open(newline="")):
        if not row["seq"]:
            gaps += 1
            last = None
            continue
        holes += last is not None and int(row["seq"]) != last + 1
        last = int(row["seq"])
        rows += 1
print(f"recorder: {len(files)} hosts, {rows} rows, {gaps} gaps, {holes} holes or repetitions")
sys.exit(len(files) != hosts or gaps + holes > 0)
PYTHON
kill "${publishers[@]}" "${relayers[@]}" "${Redis[@]}"
wait "${publishers[@]}" "${relayers[@]}" "${Redis[@]}" 2> /dev/null || true

write_recording "$hosts" "$work/all.csv"
"$binary" replay --quiet "$work/all.csv" --rebase -l 127.0.0.1:0 --retain "$retain" --max-viewers "$((viewers + 10))" \
    > "$work/replay" 2>> "$work/replay.log" & replay=($!)
until [ -s "$work/replay" ]; do sleep 0.05; done
url=$(cat "$work/replay") port=${url##*:}
"$binary" record --quiet "127.0.0.1:${port%%/*}" -o "$work/direct/" 2> "$work/direct.log" & record=$!
watched=(replay)
run_viewers "${port%%/*}"
echo "without Redis: $(tail -n 1 "$work/viewers")"
report replay
awk -v relayed="$cost" -v ms="${spent[replay]}" -v n="$messages" \
    'BEGIN { printf "A message costs %.2f times as much at the relays as at that replay.\n", relayed * n / ms }'
kill -INT "$record"
wait "$record"
