#!/usr/bin/env bash
# A long run with viewers over WebSocket and event streams that are cut and frozen at random, and a recorder that is frozen
# as well. The server's memory must not grow after the warm-up, and the recording must be complete.
#
#   scripts/soak.sh [SECONDS] [VIEWERS] [BINARY] [tls]        600 2000 target/release/metrics; tls: everything under TLS
set -euo pipefail
seconds=${1:-600} viewers=${2:-2000} binary=${3:-target/release/metrics} tls=${4:-}
[ "$seconds" -ge 120 ] || { echo "error: SECONDS must be at least 120, or the server doesn't warm up" >&2; exit 2; }
[ -x "$binary" ] || { echo "error: $binary is missing: cargo build --release" >&2; exit 1; }
ulimit -n "$(ulimit -Hn)"
cargo bench --quiet --bench herd --no-run
work=$(mktemp -d)
# A stopped process does not react to SIGTERM.
trap 'kill -CONT $(jobs -p) 2> /dev/null || true; kill $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT

serve_tls=() ca=() herd_ca=()
if [ "$tls" = tls ]; then
    # Self-signed, but not a CA: a server's certificate must not be one.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=web-1 -config <(printf '[req]\ndistinguished_name=d\n[d]\n') \
        -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout "$work/key.pem" -out "$work/cert.pem" 2> /dev/null
    serve_tls=(--tls-cert "$work/cert.pem" --tls-key "$work/key.pem") ca=(--ca-cert "$work/cert.pem") herd_ca=("$work/cert.pem")
fi

# The log holds a minute: longer than any freeze, and full before half of the time is over.
"$binary" serve --listen 127.0.0.1:0 --name web-1 --interval 1s --retain 1m --heartbeat 5s "${serve_tls[@]}" > "$work/url" 2> "$work/serve.log" & serve=$!
until [ -s "$work/url" ]; do sleep 0.05; done
url=$(cat "$work/url")
port=${url##*:} port=${port%%/*}
"$binary" record "$url" "${ca[@]}" --output "$work/out.csv" 2> "$work/record.log" & record=$!
cargo bench --quiet --bench herd -- "$port" "$viewers" "$seconds" "${herd_ca[@]}" > "$work/herd" & herd=$!

rss() { awk '/VmRSS/ { print $2 }' /proc/"$serve"/status; }
cpu() { awk '{ sum += $1 } END { print int(sum / 1e6) }' /proc/"$serve"/task/*/schedstat; }
half=0 last=0 freeze=0 before=$(cpu)
for ((at = 10; at <= seconds - 5; at += 10)); do
    # The recorder freezes for 20 s every minute: the server drops it, and it reconnects.
    case $((freeze++ % 6)) in 2) kill -STOP "$record" ;; 4) kill -CONT "$record" ;; esac
    sleep 10
    now=$(rss) spent=$(cpu)
    printf '%4d s  %6d KiB  %4.1f %% of a core\n' "$at" "$now" "$((spent - before))e-2"
    before=$spent
    # Compares the last third with the second, in which the server is warm.
    if ((at > seconds * 2 / 3)); then last=$((now > last ? now : last)); elif ((at > seconds / 3)); then half=$((now > half ? now : half)); fi
done
kill -CONT "$record"
status=0
wait "$herd" || status=$?
cat "$work/herd"
kill -INT "$record" && wait "$record"
kill -TERM "$serve" && wait "$serve"
awk -F, -v status="$status" -v half="$half" -v last="$last" '
    NR > 1 && $4 == "" { gaps++ }
    NR > 1 && $4 != "" { if (seq != "" && $4 != seq + 1) holes++; seq = $4; rows++ }
    END {
        printf "recording: %d rows, %d gaps, %d holes\nmemory: at most %d KiB when warm, %d KiB at the end\n", rows, gaps, holes, half, last
        exit status != 0 || gaps + holes > 0 || rows == 0 || last > half * 1.1 + 1024
    }' "$work/out.csv" || { echo "error: the soak failed" >&2; cat "$work/record.log" >&2; exit 1; }
