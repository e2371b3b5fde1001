#!/usr/bin/env python3
"""Opens dashboard.html in headless Chromium on the stream at METRICS_SERVER, cuts its connection in the middle, and checks
that it survives: it says that it reconnects, is live again, and has missed nothing. Usage: dashboard.py PAGE SAMPLES"""

import functools
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

# In the page, before its own scripts: keeps its sockets, so that we can cut them, and each state that it shows.
SPY = """
window.sockets = [];
window.states = [];
window.alerts = [];
window.WebSocket = class extends WebSocket {
  constructor(...args) { super(...args); sockets.push(this); }
};
addEventListener("DOMContentLoaded", () => {
  for (const [id, seen] of [["state", states], ["alert", alerts]]) {
    const element = document.getElementById(id);
    new MutationObserver(() => seen.push(element.textContent)).observe(element, { childList: true });
  }
});
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Browser:
    """A tab of headless Chromium, over the pipes of its DevTools protocol: JSON messages that end with a NUL."""

    def __init__(self, profile):
        (their_in, self.out), (self.into, their_out) = os.pipe(), os.pipe()
        # Chromium reads from 3 and writes to 4, whatever their numbers are here.
        script = f'exec "$0" "$@" 3<&{their_in} 4>&{their_out}'
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(["sh", "-c", script, *command], pass_fds=(their_in, their_out),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(their_in), os.close(their_out)
        self.rest, self.last_id, self.session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method, **params):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    sys.exit(f"FAILED: {method}: {answer['error']}")
                return answer["result"]

    def read(self):
        while b"\0" not in self.rest:
            read = os.read(self.into, 65536)
            if not read:
                sys.exit("FAILED: Chromium ended")
            self.rest += read
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def value(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_until(self, what, expression, patience):
        end = time.monotonic() + patience
        while self.value(expression) is not True:
            if time.monotonic() > end:
                sys.exit(f"FAILED: the dashboard was never {what}; its states: {self.value('states')}")
            time.sleep(0.02)


def text(element):
    return f"document.getElementById('{element}').textContent"


def check(browser, url, samples):
    browser.call("Page.enable")
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=SPY)
    browser.call("Page.navigate", url=url)
    browser.wait_until("live with 5 samples", f"{text('samples')} >= 5", 60)
    browser.value("sockets.forEach((socket) => socket.close(4000))")
    browser.wait_until("reconnecting after the cut", "states.some((state) => state.startsWith('reconnecting'))", 20)
    is_back = "states.lastIndexOf('live') > states.indexOf('reconnecting, attempt 1')"
    browser.wait_until("live again after the cut", is_back, 20)
    browser.wait_until("at the end of the stream", f"{text('state')} === 'over'", 60)
    seen = [browser.value(text("samples")), browser.value(text("missing"))]
    if seen != [samples, "0"]:
        sys.exit(f"FAILED: the dashboard shows {seen[0]} of {samples} samples, and {seen[1]} missing messages")
    alerts = browser.value("alerts")
    if [alert.split(":")[0] for alert in alerts] != ["overload", ""]:
        sys.exit(f"FAILED: the dashboard showed these alerts: {alerts}")
    print(f"the dashboard survived a cut: {', '.join(browser.value('states'))}")


def main(page, samples):
    page = pathlib.Path(page).resolve()
    handler = functools.partial(Quiet, directory=page.parent)
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    query = urllib.parse.urlencode({"server": os.environ["METRICS_SERVER"]})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            check(browser, f"http://127.0.0.1:{pages.server_port}/{page.name}?{query}", samples)
        finally:
            browser.session = None
            browser.call("Browser.close")
            browser.process.wait()


main(*sys.argv[1:])
