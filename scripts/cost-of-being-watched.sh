#!/usr/bin/env bash
# What being watched costs a host: CPU time and memory of `metrics serve` at one sample a second, and those of
# `sadc -S XALL 1` (Debian package sysstat) in the same run.
#
#   scripts/cost-of-being-watched.sh [SECONDS] [BINARY]
set -euo pipefail
seconds=${1:-60} binary=${2:-target/release/metrics}
sadc=$(command -v sadc || echo /usr/lib/sysstat/sadc)
[ -x "$sadc" ] || { echo "error: sadc is missing: apt-get install sysstat" >&2; exit 1; }
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT

declare -A pids
"$binary" serve --quiet --listen 127.0.0.1:0 --interval 1s --top 0 > "$work/top0" & pids[top0]=$!
"$binary" serve --quiet --listen 127.0.0.1:0 --interval 1s --top 5 > "$work/top5" & pids[top5]=$!
"$sadc" -S XALL 1 "$work/sadc.data" & pids[sadc]=$!
for server in top0 top5; do
    until [ -s "$work/$server" ]; do sleep 0.05; done
    "$binary" watch --plain "$(cat "$work/$server")" > /dev/null 2>&1 &
done
sleep 2 # leaves out the start

# The CPU time of all threads, in nanoseconds.
cpu() { awk '{ sum += $1 } END { print sum }' /proc/"$1"/task/*/schedstat; }
declare -A before
for name in "${!pids[@]}"; do before[$name]=$(cpu "${pids[$name]}"); done
sleep "$seconds"
printf '%d processes, %d s\n' "$(find /proc -maxdepth 1 -name '[0-9]*' | wc -l)" "$seconds"
for name in top0 top5 sadc; do
    spent=$(($(cpu "${pids[$name]}") - before[$name]))
    rss=$(awk '/VmRSS/ { print $2 }' /proc/"${pids[$name]}"/status)
    awk -v name="$name" -v ns="$spent" -v s="$seconds" -v kib="$rss" \
        'BEGIN { printf "%-5s %.3f %% of a core, %.2f ms a sample, %.1f MiB resident\n", name, ns / s / 1e7, ns / s / 1e6, kib / 1024 }'
done
