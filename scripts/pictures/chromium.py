"""A tab of a headless Chromium, driven over its DevTools protocol through two pipes."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"]


class Chromium:
    def __init__(self):
        if not shutil.which("chromium"):
            sys.exit("chromium is needed: apt-get install chromium")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs, ours = os.pipe()
        mine, their_answers = os.pipe()

        def as_three_and_four():
            # High numbers first: one pipe may already have the number that the other needs.
            low, high = os.dup(theirs), os.dup(their_answers)
            while low in (3, 4):
                low = os.dup(low)
            while high in (3, 4):
                high = os.dup(high)
            os.dup2(low, 3)
            os.dup2(high, 4)

        self.child = subprocess.Popen(
            ["chromium", *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            close_fds=False, preexec_fn=as_three_and_four)
        os.close(theirs)
        os.close(their_answers)
        self.requests = os.fdopen(ours, "wb", buffering=0)
        self.answers = os.fdopen(mine, "rb")
        self.last_id = 0
        self.session = None
        tab = next(target for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=tab["targetId"], flatten=True)["sessionId"]
        self.call("Page.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.requests.close()
        self.answers.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def call(self, method, **params):
        self.last_id += 1
        request = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        self.requests.write(json.dumps(request).encode() + b"\0")
        while True:
            message = json.loads(self.message())
            if message.get("id") == self.last_id:
                if "error" in message:
                    sys.exit(f"chromium: {method}: {message['error']['message']}")
                return message["result"]

    def message(self):
        text = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            if not byte:
                sys.exit("chromium ended")
            text += byte
        return text

    def eval(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            sys.exit(f"chromium: {expression}: {answer['result'].get('description')}")
        return answer["result"].get("value")

    def wait_until(self, expression, patience=60):
        deadline = time.monotonic() + patience
        while self.eval(expression) is not True:
            if time.monotonic() > deadline:
                sys.exit(f"chromium: never {expression}")
            time.sleep(0.02)

    def look(self, width, height, scheme, scale=1):
        """Sets the size of the window, in CSS pixels, and the preferred colour scheme, `light` or `dark`."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def go(self, url):
        self.call("Page.navigate", url=url)

    def screenshot(self, path, whole=True):
        """Writes a PNG of the whole page, or of its visible part."""
        # Waits for a frame, so that a resized chart is drawn.
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")
        clip = {}
        if whole:
            width, height = self.eval("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
            clip = {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
