#!/usr/bin/env bash
# Records the incident of `metrics replay --demo`: a release of a small web shop leaks memory, the shop starts to swap, and
# the kernel kills it; the release before takes its place. Nothing in it is made up: a web server in a container of
# 768 MiB, with 1 GiB of swap space, answers visitors over a network, and `metrics serve` watches it from inside.
#
#   scripts/demo/record.sh METRICS OUTPUT.csv       as root, on a quiet Linux machine with cgroup v1; takes 10 minutes
set -euo pipefail
metrics=$(realpath "$1") output=$(realpath -m "$2") here=$(dirname "$(realpath "$0")")
work=$(mktemp -d -p /var/tmp) group=/sys/fs/cgroup/memory/shop
clean() {
    trap '' TERM
    jobs -p | xargs -r kill 2> /dev/null || true
    xargs -r kill -9 < "$group/cgroup.procs" 2> /dev/null || true
    sleep 1
    swapoff "$work/swap" 2> /dev/null || true
    ip netns del shop 2> /dev/null || true
    rmdir "$group" 2> /dev/null || true
    rm -rf "$work"
}

ip netns add shop
trap clean EXIT
trap 'exit 1' INT TERM
ip link add shop0 type veth peer name eth0 netns shop
ip address add 10.99.0.1/24 dev shop0 && ip link set shop0 up
ip -n shop address add 10.99.0.2/24 dev eth0 && ip -n shop link set eth0 up && ip -n shop link set lo up
mkdir "$group" && echo $((768 << 20)) > "$group/memory.limit_in_bytes"
fallocate -l 1G "$work/swap" && chmod 600 "$work/swap" && mkswap -q "$work/swap" && swapon "$work/swap"

# A process has the name of the file it was started from.
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
for name in orders-api supervisor; do ln -s "$python" "$work/$name"; done
ln -s "$metrics" "$work/metrics"

# shellcheck disable=SC2016 # the inner shells expand these
PATH="$work:$PATH" sh -c 'echo $$ > "$0/cgroup.procs" && exec ip netns exec shop unshare --pid --cgroup --fork --mount-proc "$@"' \
    "$group" sh "$here/shop.sh" "$here" "$work/whole.csv" "540s" &
shop=$!
# The supervisor's shop needs a moment to start, and the visitors are there before the recording begins.
sleep 10
python3 "$here/visitors.py" http://10.99.0.2:8000/ &
wait "$shop"
python3 "$here/without_load.py" < "$work/whole.csv" > "$output"
