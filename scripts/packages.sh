#!/usr/bin/env bash
# Builds the packages of a release, and tries each of them where nothing else is installed. Not part of ./test.sh: it
# builds twice in release mode, and compiles cargo-deb and cargo-generate-rpm once, which takes ten minutes or more.
#
#   scripts/packages.sh [STEP…]    as root on Debian; all steps if none is named, in this order:
#
#   release   the binary, its man pages and completions
#   deb       a Debian package; installed into a root made by debootstrap, used there, and purged
#   service   the package on a system that systemd-nspawn boots: the service starts, requires a token, and is started
#             again after it has been frozen
#   rpm       an RPM package; its list of files
#   static    a static binary (musl), as an archive with its checksum; tried in an empty root
#   image     a Docker image of it, as an archive for `docker load`; built and run by Debian's Docker
#
# Everything is left in target/package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=$PWD/target/package
musl=x86_64-unknown-linux-musl
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
bin=${CARGO_TARGET_DIR:-target}/release/metrics
static=${CARGO_TARGET_DIR:-target}/$musl/release/metrics

mounted=''
cleanup() {
    [ -z "$mounted" ] || umount "$mounted" || true
    mounted=''
    [ ! -e "$out/docker/pid" ] || kill "$(cat "$out/docker/pid")" || true
    [ -z "${policy:-}" ] || rm -f "$policy"
}
trap cleanup EXIT

step() {
    printf '\n== %s (after %d s)\n' "$*" "$SECONDS"
}

fail() {
    echo "packages.sh: $*" >&2
    exit 1
}

# Installs the Debian packages of missing commands, given as `command:package`, and starts no service of theirs.
need() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
    fi
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "${missing[@]}" > /dev/null
}

# Installs a cargo subcommand in the version that was tried.
need_cargo() {
    command -v "$1" > /dev/null || cargo install --quiet --locked "$1@$2"
}

release() {
    step "release build"
    local start=$SECONDS
    cargo build --release --locked
    echo "$((SECONDS - start)) s, $(stat -c %s "$bin") bytes"
    "$bin" --version
    # Sources without a repository name no commit.
    if git rev-parse --quiet --verify HEAD > /dev/null 2>&1; then
        "$bin" --version | grep -q "$(git rev-parse --short=12 HEAD)" || fail "--version does not name the commit"
    fi
    rm -rf "$out/man" "$out/completions"
    mkdir -p "$out/completions"
    "$bin" man "$out/man"
    "$bin" completions bash > "$out/completions/metrics"
    "$bin" completions zsh > "$out/completions/_metrics"
    "$bin" completions fish > "$out/completions/metrics.fish"
}

deb() {
    step "Debian package"
    need debootstrap:debootstrap dpkg-shlibdeps:dpkg-dev
    need_cargo cargo-deb 3.8.0
    local package=$out/metrics-toolkit_${version}_amd64.deb root=$out/root
    cargo deb --no-build --output "$package"
    dpkg-deb --info "$package"
    dpkg-deb --contents "$package"
    step "a clean root"
    rm -rf "$root"
    debootstrap --variant=minbase bookworm "$root" > "$out/debootstrap.log"
    inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
    inside sh -c 'dpkg -l | sort; find /etc /usr /var -xdev | sort' > "$out/before"
    cp "$package" "$root/tmp/"
    step "install"
    inside dpkg -i "/tmp/${package##*/}"
    local file
    for file in usr/bin/metrics usr/lib/systemd/system/metrics.service etc/default/metrics \
        usr/share/man/man1/metrics.1.gz usr/share/man/man1/metrics-serve.1.gz \
        usr/share/bash-completion/completions/metrics usr/share/zsh/vendor-completions/_metrics \
        usr/share/fish/vendor_completions.d/metrics.fish usr/share/doc/metrics-toolkit/copyright \
        usr/share/doc/metrics-toolkit/docs/OPERATING.md usr/share/doc/metrics-toolkit/packaging/examples/network.conf; do
        # minbase excludes nothing, but an image for containers may leave out documentation.
        [ -s "$root/$file" ] || fail "not installed: $file"
    done
    ! find "$root/etc/systemd" -name 'metrics.service' | grep . || fail "the service is enabled"
    inside metrics --version
    step "use"
    use "$root" metrics
    step "purge"
    mkdir -p "$root/var/lib/private/metrics/web-1"
    inside dpkg --purge metrics-toolkit
    rm "$root/tmp/${package##*/}"
    inside sh -c 'dpkg -l | sort; find /etc /usr /var -xdev | sort' > "$out/after"
    # dpkg's own records differ.
    diff <(grep -v '^/var/lib/dpkg\|^/var/log\|^/var/cache' "$out/before") \
        <(grep -v '^/var/lib/dpkg\|^/var/log\|^/var/cache' "$out/after") || fail "the purge left something"
    rm -rf "$root"
}

# Serves in the root $1 with the program $2, watches that, and says how long the URL took.
use() {
    local begin url pid
    mounted=$1/proc
    mkdir -p "$mounted"
    mount -t proc proc "$mounted"
    begin=$(date +%s%N)
    coproc SERVE { exec chroot "$1" "$2" serve --listen 127.0.0.1:0 --interval 200ms 2> "$out/serve.log"; }
    pid=$SERVE_PID
    read -r url <&"${SERVE[0]}" || fail "no URL: $(cat "$out/serve.log")"
    echo "URL after $((($(date +%s%N) - begin) / 1000000)) ms: $url"
    chroot "$1" "$2" watch --once --plain "$url"
    kill "$pid"
    wait "$pid" || fail "serve failed: $(cat "$out/serve.log")"
    umount "$mounted"
    mounted=''
}

service() {
    step "the service under systemd"
    need systemd-nspawn:systemd-container debootstrap:debootstrap
    local package=$out/metrics-toolkit_${version}_amd64.deb host=$out/host
    [ -f "$package" ] || fail "first: scripts/packages.sh deb"
    rm -rf "$host"
    debootstrap --variant=minbase --include=systemd,systemd-sysv bookworm "$host" > "$out/debootstrap.log"
    cp "$package" "$host/metrics.deb"
    cp packaging/try-service.sh "$host/try"
    cat > "$host/etc/systemd/system/try.service" << 'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/bash /try
StandardOutput=file:/try.log
StandardError=file:/try.log
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
UNIT
    ln -s ../try.service "$host/etc/systemd/system/multi-user.target.wants/try.service"
    timeout 300 systemd-nspawn --quiet --directory "$host" --boot --register=no --keep-unit --private-network \
        --machine=metrics-try < /dev/null > "$out/boot.log" 2>&1 || fail "it does not boot: $(tail -3 "$out/boot.log")"
    cat "$host/try.log"
    [ "$(tail -1 "$host/try.log")" = passed ] || fail "the service failed"
    rm -rf "$host"
}

rpm_() {
    step "RPM package"
    need rpm:rpm
    need_cargo cargo-generate-rpm 0.21.1
    local package=$out/metrics-toolkit-$version.x86_64.rpm list=$out/rpm-files
    cargo generate-rpm --output "$package"
    rpm -qip "$package" 2> /dev/null
    rpm -qlp "$package" 2> /dev/null | tee "$list"
    local file
    for file in /usr/bin/metrics /usr/lib/systemd/system/metrics.service /etc/default/metrics \
        /usr/share/man/man1/metrics-replay.1 /usr/share/zsh/site-functions/_metrics \
        /usr/share/licenses/metrics-toolkit/LICENSE-MIT /usr/share/doc/metrics-toolkit/docs/OPERATING.md; do
        grep -qx "$file" "$list" || fail "not in the package: $file"
    done
    rpm -qcp "$package" 2> /dev/null | grep -qx /etc/default/metrics || fail "no configuration file"
}

static_() {
    step "static build"
    need musl-gcc:musl-tools
    rustup --quiet target add "$musl"
    local start=$SECONDS
    cargo build --release --locked --target "$musl"
    echo "$((SECONDS - start)) s, $(stat -c %s "$static") bytes"
    ! ldd "$static" 2>&1 | grep -q '=>' || fail "it is not static"
    local name=metrics-$version-$musl
    rm -rf "${out:?}/$name" "$out/bare"
    mkdir -p "$out/$name" "$out/bare/proc"
    cp "$static" README.md CHANGELOG.md LICENSE-* "$out/$name/"
    tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner -czf "$out/$name.tar.gz" "$name"
    (cd "$out" && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256" && sha256sum --check "$name.tar.gz.sha256")
    step "an empty root"
    cp "$static" "$out/bare/metrics"
    use "$out/bare" /metrics
    rm -rf "$out/bare" "${out:?}/$name"
}

image() {
    step "Docker image"
    need dockerd:docker.io docker:docker.io
    [ -x "$static" ] || fail "first: scripts/packages.sh static"
    local run=$out/docker context=$out/image id
    rm -rf "$run" "$context"
    mkdir -p "$run" "$context"
    cp "$static" "$context/"
    # A daemon of our own, which touches no network and no other daemon.
    dockerd --host "unix://$run/docker.sock" --data-root "$run/data" --exec-root "$run/exec" --pidfile "$run/pid" \
        --bridge=none --iptables=false > "$out/dockerd.log" 2>&1 &
    local try
    for try in $(seq 60); do
        docker --host "unix://$run/docker.sock" info > /dev/null 2>&1 && break
        [ "$try" -lt 60 ] || fail "dockerd does not start: $(tail -3 "$out/dockerd.log")"
        sleep 0.5
    done
    docker() { command docker --host "unix://$run/docker.sock" "$@"; }
    DOCKER_BUILDKIT=0 docker build --quiet --tag metrics --file packaging/Dockerfile "$context"
    docker image inspect metrics --format '{{.Size}} bytes, user {{.Config.User}}'
    id=$(docker run --detach --read-only --cap-drop=ALL --network=host --pid=host --volume /:/host:ro metrics \
        serve --listen 127.0.0.1:18080 --name from-docker)
    docker run --rm --read-only --cap-drop=ALL --network=host metrics watch 127.0.0.1:18080 --once --plain
    docker stop --time 5 "$id" > /dev/null
    docker inspect "$id" --format 'exit status {{.State.ExitCode}}' | grep -x 'exit status 0'
    docker rm "$id" > /dev/null
    docker save --output "$out/metrics-image.tar" metrics
    kill "$(cat "$run/pid")"
    wait
    umount "$run"/exec/netns/* 2> /dev/null || true
    rm -rf "$run" "$context"
}

mkdir -p "$out"
steps=("$@")
[ "${#steps[@]}" -gt 0 ] || steps=(release deb service rpm static image)
for name in "${steps[@]}"; do
    case "$name" in
        rpm | static) "${name}_" ;;
        release | deb | service | image) "$name" ;;
        *) fail "there is no step '$name'" ;;
    esac
done
step "done"
