"""Drive headless Chromium by the WebDriver protocol, over its chromedriver and nothing else."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

DRIVERS = ("chromedriver", "chromium-driver", "chromium.chromedriver")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Shift": "\ue008",
    "Space": " ",
    "Left": "\ue012",
    "Up": "\ue013",
    "Right": "\ue014",
    "Down": "\ue015",
    "Home": "\ue011",
    "End": "\ue010",
}


def found(names):
    """Return the path of the first of these programs, or None."""
    return next((path for name in names if (path := shutil.which(name))), None)


def missing():
    """Return why there is no browser here, or ""."""
    for what, names in (("browser", BROWSERS), ("driver", DRIVERS)):
        if found(names) is None:
            return f"no {what}: none of {', '.join(names)} is installed"
    return ""


class Failure(Exception):
    """An error that the driver reports."""


class Chromium:
    """A browser with a new, empty profile in `folder`."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [found(DRIVERS), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.root = f"http://127.0.0.1:{port}"
        # no proxy for the machine's own address
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            self._start(folder)
        except BaseException:
            self.process.terminate()
            self.process.wait(10)
            raise

    def _start(self, folder):
        for _ in range(100):
            try:
                if self._send("GET", "/status")["ready"]:
                    break
            except OSError:
                time.sleep(0.1)
        options = {
            "binary": found(BROWSERS),
            "args": [*FLAGS, f"--user-data-dir={folder}", "--window-size=1280,1000"],
        }
        asked = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self._send("POST", "/session", {"capabilities": {"alwaysMatch": asked}})
        self.root += f"/session/{made['sessionId']}"

    def _send(self, method, path, body=None):
        request = urllib.request.Request(
            self.root + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with self.opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Failure(json.load(error)["value"]["message"]) from None

    def close(self):
        try:
            self._send("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait(10)

    def open(self, path):
        self._send("POST", "/url", {"url": path.as_uri()})

    def run(self, script, *values):
        """Return what a script returns, which has its values as `arguments`."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(values)})

    def wait(self, script, seconds=10):
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"after {seconds} s, still not: {script}"
            time.sleep(0.02)
        return value

    def find(self, selector):
        found_ = self._send("POST", "/element", {"using": "css selector", "value": selector})
        return found_[ELEMENT]

    def text(self, selector):
        return self._send("GET", f"/element/{self.find(selector)}/text")

    def click(self, selector):
        self._send("POST", f"/element/{self.find(selector)}/click", {})

    def press(self, *keys):
        """Press keys one after another where the focus is; "Shift+Tab" holds one."""
        actions = []
        for key in keys:
            held = [KEYS.get(name, name) for name in key.split("+")]
            actions += [{"type": "keyDown", "value": value} for value in held]
            actions += [{"type": "keyUp", "value": value} for value in reversed(held)]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self._send("POST", "/actions", {"actions": [source]})

    def enter(self, selector):
        """Look inside a frame from now on; None: the whole page again."""
        frame = None if selector is None else {ELEMENT: self.find(selector)}
        self._send("POST", "/frame", {"id": frame})

    def size(self, width, height):
        self._send("POST", "/window/rect", {"width": width, "height": height})

    def emulate(self, **features):
        """Set media features, such as prefers_color_scheme="dark"."""
        named = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.command("Emulation.setEmulatedMedia", {"features": named})

    def command(self, name, values):
        return self._send("POST", "/goog/cdp/execute", {"cmd": name, "params": values})

    def screenshot(self, path, whole=False):
        """Write a picture of the window, or of the whole page."""
        if whole:
            taken = self.command(
                "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
            )["data"]
        else:
            taken = self._send("GET", "/screenshot")
        path.write_bytes(base64.b64decode(taken))

    def log(self):
        """Return what the page wrote to the console since the last call."""
        return self._send("POST", "/se/log", {"type": "browser"})
