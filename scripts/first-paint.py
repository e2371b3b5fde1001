#!/usr/bin/env python3
"""Measures how long a browser takes to show the data of a server on loopback.

    scripts/first-paint.py [LOADS] [BINARY]        20 loads, each with an empty cache; needs Chromium

Prints the median, minimum and maximum time, in milliseconds since the start of the navigation, until the first frame in
which the cards have numbers, and until the one in which the charts have their history.
"""

import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "pictures"))
sys.dont_write_bytecode = True
from chromium import Chromium  # noqa: E402

loads = int(sys.argv[1]) if len(sys.argv) > 1 else 20
binary = sys.argv[2] if len(sys.argv) > 2 else "target/release/metrics"

# The task after a frame begins when that frame has been painted.
WATCH = """
    window.painted = {};
    const look = () => {
        const note = (name) => setTimeout(() => (painted[name] ??= performance.now()));
        if (document.querySelector('#cards b')?.textContent) note('cards');
        const { host } = window.metrics?.state ?? {};
        if (host?.history && !host.waiting && host.history.length > 1) note('charts');
        if (!painted.charts) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
"""

serve = subprocess.Popen(
    [binary, "serve", "--quiet", "--listen", "127.0.0.1:0", "--interval", "200ms", "--name", "web-1"],
    stdout=subprocess.PIPE, text=True)
try:
    url = serve.stdout.readline().strip()
    # Collects some history for the charts.
    subprocess.run([binary, "record", "--quiet", url, "--samples", "100"], stdout=subprocess.DEVNULL, check=True)
    page = url.replace("ws:", "http:").removesuffix("ws")
    times = {"cards": [], "charts": []}
    with Chromium() as tab:
        tab.look(1280, 800, "light")
        tab.call("Network.enable")
        tab.call("Network.setCacheDisabled", cacheDisabled=True)
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        # The first load includes the start of the browser, so it doesn't count.
        for load in range(loads + 1):
            tab.go("about:blank")
            tab.go(page)
            tab.wait_until("Boolean(window.painted?.cards && window.painted.charts)")
            for name, ms in tab.eval("painted").items():
                if load:
                    times[name].append(ms)
finally:
    serve.terminate()
    serve.wait()
for name, ms in times.items():
    print(f"{name}: {statistics.median(ms):.0f} ms ({min(ms):.0f} to {max(ms):.0f}, {len(ms)} loads)")
