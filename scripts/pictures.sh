#!/usr/bin/env bash
# Creates the pictures in the README from a run of the binary: docs/page.png and docs/terminal.svg.
#
#   scripts/pictures.sh [BINARY]        takes slightly more than five minutes, to fill the charts
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=$(realpath "${1:-target/release/metrics}")
seconds=300

missing=()
for pair in chromium:chromium tmux:tmux python3:python3 pngquant:pngquant xz:xz-utils; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
    echo "needed: apt-get install ${missing[*]}" >&2
    exit 1
fi

# The load writes to this disk; /tmp may not be on a physical one.
mkdir -p target
work=$(mktemp -d -p target)
screen=(tmux -u -f /dev/null -S "$work/tmux")
trap '"${screen[@]}" kill-server 2> /dev/null || true; kill $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT

export PYTHONDONTWRITEBYTECODE=1
python3 scripts/pictures/load.py "$work" &
"$binary" serve --quiet --listen 127.0.0.1:0 --name web-1 --interval 1s --top 3 > "$work/url" &
until [ -s "$work/url" ]; do sleep 0.1; done
url=$(cat "$work/url")

echo "collecting $seconds samples" >&2
"$binary" record --quiet "$url" --samples "$seconds" > /dev/null

env -u TMUX LANG=C.UTF-8 COLORTERM= "${screen[@]}" new-session -d -x 100 -y 32 \
    "exec '$binary' watch '$url' --color always"
until "${screen[@]}" capture-pane -p | grep -q '● live'; do sleep 0.1; done
"${screen[@]}" capture-pane -e -p > "$work/screen"
# Last, because a browser adds load of its own.
python3 scripts/pictures/page.py "$url" "$work/page.png"

pngquant --quality 70-95 --speed 1 --strip --force --output docs/page.png "$work/page.png"
python3 scripts/pictures/screen.py 100 < "$work/screen" > docs/terminal.svg
ls -l docs/page.png docs/terminal.svg >&2
