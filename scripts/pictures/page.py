"""Saves a server's page as a PNG, once it says what is wrong: page.py ws://HOST:PORT/ws FILE"""

import sys

from chromium import Chromium

url, path = sys.argv[1:]
with Chromium() as tab:
    tab.look(1280, 900, "light")
    tab.go(url.replace("ws:", "http:").removesuffix("ws"))
    tab.wait_until("document.title.startsWith('▲')")
    tab.screenshot(path)
