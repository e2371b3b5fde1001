#!/usr/bin/env bash
# Kills a server with a spool again and again, while a recorder is attached and every core is busy: each message that was
# sent is in the spool and in the recording once, and the spool can be read after each kill.
#
#   scripts/spool-kills.sh [KILLS]                 20
set -euo pipefail
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
for _ in $(seq "$(nproc)"); do
    while :; do :; done &
done
METRICS_TEST_KILLS=${1:-20} cargo test --test it -- --exact spool::a_killed_server_loses_nothing_that_was_sent
