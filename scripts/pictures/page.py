"""Saves a server's page as a PNG, once its charts are full: page.py ws://HOST:PORT/ws FILE"""

import sys

from chromium import Chromium

SHOWN_MS = 5 * 60 * 1000
FULL = f"""(() => {{
    const history = window.metrics?.state.host?.history;
    return Boolean(history?.length) && history.last() - history.time(0) >= {SHOWN_MS - 2000};
}})()"""

url, path = sys.argv[1:]
with Chromium() as tab:
    tab.look(1280, 800, "light")
    tab.go(url.replace("ws:", "http:").removesuffix("ws"))
    tab.wait_until(FULL)
    tab.screenshot(path)
