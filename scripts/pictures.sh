#!/usr/bin/env bash
# Creates the pictures in the README from the demo: docs/page.png and docs/terminal.svg.
#
#   scripts/pictures.sh [BINARY]        takes half a minute: the shop has to swap first
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=$(realpath "${1:-target/release/metrics}")

missing=()
for pair in chromium:chromium tmux:tmux python3:python3 pngquant:pngquant; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
    echo "needed: apt-get install ${missing[*]}" >&2
    exit 1
fi

work=$(mktemp -d)
screen=(tmux -u -f /dev/null -S "$work/tmux")
trap '"${screen[@]}" kill-server 2> /dev/null || true; kill $(jobs -p) 2> /dev/null || true; rm -rf "$work"' EXIT

export PYTHONDONTWRITEBYTECODE=1
"$binary" replay --demo --quiet --listen 127.0.0.1:0 > "$work/url" &
until [ -s "$work/url" ]; do sleep 0.1; done
url=$(cat "$work/url")

env -u TMUX LANG=C.UTF-8 COLORTERM= "${screen[@]}" new-session -d -x 120 -y 40 \
    "exec '$binary' watch '$url' --color always"
"$binary" watch "$url" --plain --until 'swap > 40% for 20s' > /dev/null
"${screen[@]}" capture-pane -e -p > "$work/screen"
python3 scripts/pictures/page.py "$url" "$work/page.png"

pngquant --quality 70-95 --speed 1 --strip --force --output docs/page.png "$work/page.png"
python3 scripts/pictures/screen.py 120 < "$work/screen" > docs/terminal.svg
ls -l docs/page.png docs/terminal.svg >&2
