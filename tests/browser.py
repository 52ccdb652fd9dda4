"""A headless Chromium for tests, driven by plain WebDriver requests: nothing to install but Debian's two packages."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

# Nothing of the browser's own traffic leaves the machine.
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-extensions", "--metrics-recording-only", "--no-pings", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--force-device-scale-factor=1", "--disable-features=Translate,OptimizationHints,MediaRouter",
)  # fmt: skip
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """A session of chromedriver.

    Args:
        folder: for the browser's profile.
        width, height: of the window, in pixels.
        flags: more command-line flags.
    """

    def __init__(self, folder, width=1280, height=900, flags=()):
        driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("chromium-browser")
        if driver is None or chromium is None:
            pytest.skip("no Chromium here; apt-get install chromium chromium-driver")
        self.process = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
        )
        try:
            self.address = f"http://127.0.0.1:{self._port()}"
            options = {
                "binary": chromium,
                "args": [*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={folder}/profile", *flags],
            }
            capabilities = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
            self.session = ""
            self.session = "/session/" + self.post("/session", {"capabilities": capabilities})["sessionId"]
        except BaseException:
            self.close()
            raise

    def _port(self):
        for line in self.process.stdout:
            if "started successfully on port" in line:
                return int(line.rstrip(".\n").split()[-1])
        raise RuntimeError("chromedriver did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if getattr(self, "session", ""):
                self.request("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait(20)
            self.process.stdout.close()

    def request(self, method, path, data=None):
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.address + self.session + path, body, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()[:600]) from None

    def post(self, path, data):
        return self.request("POST", path, data)

    def open(self, address):
        self.post("/url", {"url": address})

    def run(self, script, *arguments):
        return self.post("/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.post("/element", {"using": "css selector", "value": selector})

    def click(self, selector):
        self.post(f"/element/{self.find(selector)[ELEMENT]}/click", {})

    def press(self, selector, keys):
        r"""Types keys into an element; `\ue012` and `\ue014` are the arrows left and right."""
        self.post(f"/element/{self.find(selector)[ELEMENT]}/value", {"text": keys})

    def keys(self, text):
        """Types keys without choosing an element."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.post("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def drag(self, selector, dx, dy=0, pointer="mouse"):
        """Presses in the middle of an element, moves by (dx, dy) pixels and lets go; pointer: mouse or touch."""
        start = {"type": "pointerMove", "origin": self.find(selector), "x": 0, "y": 0, "duration": 0}
        moves = [{"type": "pointerMove", "origin": "pointer", "x": dx // 2, "y": dy // 2, "duration": 40}] * 2
        steps = [start, {"type": "pointerDown", "button": 0}, *moves, {"type": "pointerUp", "button": 0}]
        source = {"type": "pointer", "id": pointer, "parameters": {"pointerType": pointer}, "actions": steps}
        self.post("/actions", {"actions": [source]})
        self.request("DELETE", "/actions")

    def pinch(self, selector, before, after):
        """Two fingers on an element, `before` and then `after` pixels apart."""
        fingers = []
        for number, sign in enumerate((-1, 1)):
            target = self.find(selector)
            start = {"type": "pointerMove", "origin": target, "x": sign * before // 2, "y": 0, "duration": 0}
            stop = {"type": "pointerMove", "origin": target, "x": sign * after // 2, "y": 0, "duration": 60}
            steps = [start, {"type": "pointerDown", "button": 0}, stop, {"type": "pointerUp", "button": 0}]
            fingers.append(
                {"type": "pointer", "id": f"finger{number}", "parameters": {"pointerType": "touch"}, "actions": steps}
            )
        self.post("/actions", {"actions": fingers})
        self.request("DELETE", "/actions")

    def wheel(self, selector, dy):
        scroll = {"type": "scroll", "origin": self.find(selector), "x": 30, "y": 20, "deltaX": 0, "deltaY": dy}
        self.post("/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [scroll]}]})

    def resize(self, width, height):
        self.post("/window/rect", {"width": width, "height": height})

    def wait(self, script, seconds=20):
        """Until the script's value is true."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.05)
        return value

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.request("GET", "/screenshot")))

    def errors(self):
        """What the page logged as severe since the last call."""
        return [line["message"] for line in self.post("/se/log", {"type": "browser"}) if line["level"] == "SEVERE"]
