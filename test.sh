#!/usr/bin/env bash
# Everything that must hold before a change is accepted. Runs on a fresh Debian with a Rust toolchain, as root or with
# sudo; what the tests need beside it is installed first.
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

# Installs the Debian packages of the commands that are missing: `command:package`.
install_missing() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
    done
    if [ "${#missing[@]}" -gt 0 ]; then
        step "install ${missing[*]}"
        as_root apt-get -qq update
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install --no-install-recommends -y "${missing[@]}" > /dev/null
    fi
}

# What must not be committed, each with its reason:
#   dbg!, todo!      left over from work in progress (clippy sees them only in code that is compiled)
#   FIXME, XXX       a known fault belongs in the tracker, not in the source
#   #[ignore]        a test that does not run tells nothing
#   /home/, /root/   paths of one person's machine
forbidden() {
    local words='dbg!|todo!|\bFIXME\b|\bXXX\b|#\[ignore|(^|[^[:alnum:]])/(home|root|work)/'
    if git grep -nIE "$words" -- . ':!test.sh' ':!Cargo.lock'; then
        echo 'error: the lines above hold words that must not be committed' >&2
        return 1
    fi
}

install_missing cc:build-essential python3:python3 chromium:chromium prometheus:prometheus promtool:prometheus tsc:node-typescript \
    /usr/sbin/nginx:nginx-light ssh:openssh-client /usr/sbin/sshd:openssh-server npm:npm clang:clang pip3:python3-pip

step 'forbidden words'
forbidden

step 'format'
cargo fmt --check

step 'lints'
cargo clippy --all-targets --locked -- -D warnings

# Elsewhere than on Linux the program has never run; it must at least compile, on a system with and one without cfg(unix).
# ring compiles C along the way. A check links nothing, so clang and this machine's headers will do.
for target in x86_64-unknown-freebsd x86_64-pc-windows-gnu; do
    step "check for $target"
    rustup --quiet target add "$target"
    suffix=${target//-/_}
    env "CC_$suffix=clang" "AR_$suffix=ar" "CFLAGS_$suffix=-idirafter /usr/include/$(uname -m)-linux-gnu" \
        RUSTFLAGS='-D warnings' cargo check --locked --target "$target"
done

step 'documentation'
# The library is for those who work on it, so its private items are documented as well.
RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --no-deps --locked --document-private-items

step 'axe-core'
# It judges whether the page can be used by everybody. Where it is already, nothing is downloaded.
npm install --silent --no-audit --no-fund --prefix target/tmp/axe axe-core@4.14.1

step 'duckdb'
# It judges what the documents say of reading a recording with it. Where it is already, nothing is downloaded.
[ -d target/tmp/duckdb ] || pip3 install --quiet --root-user-action ignore --target target/tmp/duckdb duckdb==2.0.1

step 'tests'
# Most of them wait for a server, a clock or a browser, so there are more at a time than cores.
RUST_TEST_THREADS=$((2 * $(nproc))) cargo test --locked
