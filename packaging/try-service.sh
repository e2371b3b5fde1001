#!/usr/bin/env bash
# Tries the package on a freshly booted system; scripts/packages.sh runs this there. The last line of its output is `passed`.
set -euo pipefail

property() {
    systemctl show metrics --property "$1" --value
}

fail() {
    echo "failed: $*"
    journalctl --unit metrics --no-pager --output cat || true
    exit 1
}

dpkg -i /metrics.deb
[ "$(systemctl is-enabled metrics || true)" = disabled ] || fail "it is enabled"
systemctl enable --now metrics
[ "$(property ActiveState)" = active ] || fail "it does not start"
metrics watch --once --plain

echo '== a token'
mkdir -p /etc/credstore
(umask 077 && echo 0123456789abcdef > /etc/credstore/metrics.token)
systemctl restart metrics
! metrics watch --once --retries 0 || fail "the token is not required"
metrics watch --once --plain --token-file /etc/credstore/metrics.token
systemctl reload metrics

echo '== what it may do'
systemd-analyze security --no-pager metrics | tail -1
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$(property MainPID)/status"
ls -l /var/lib/private/metrics

echo '== frozen'
kill -STOP "$(property MainPID)"
begin=$SECONDS
until [ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ]; do
    [ $((SECONDS - begin)) -lt 100 ] || fail "it is not started again"
    sleep 0.5
done
echo "started again after $((SECONDS - begin)) s: $(journalctl --unit metrics --output cat | grep 'Watchdog timeout')"

echo '== purged'
dpkg --purge metrics-toolkit
[ "$(systemctl is-active metrics || true)" = inactive ] || fail "it still runs"
[ ! -e /var/lib/private/metrics ] && [ ! -e /etc/systemd/system/multi-user.target.wants/metrics.service ] ||
    fail "the purge left something"
echo passed
