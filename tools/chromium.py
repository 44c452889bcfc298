"""A headless Chromium that pages are opened in, by its DevTools protocol."""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --hide-scrollbars --remote-debugging-port=0 "
    "--remote-allow-origins=* --no-first-run --disable-background-networking"
).split()


@contextlib.contextmanager
def open_browser(program=None):
    """Starts a browser and yields a `Tab`; ends the browser afterwards.

    Args:
        program: Path of a Chromium or Chrome. The first of `NAMES` on the path when None.

    Raises:
        FileNotFoundError: There is no such program.
    """
    program = program or next((path for path in map(shutil.which, NAMES) if path), None)
    if program is None:
        raise FileNotFoundError(
            f"`program` must be a Chromium. Received: None, and none of {NAMES}"
        )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            address = next(
                found.group(1)
                for line in process.stderr
                if (found := re.search(r"DevTools listening on (ws://\S+)", line))
            )
            with contextlib.closing(websocket.create_connection(address, timeout=60)) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(30)


class Tab:
    """One page of the browser.

    Args:
        socket: The connection to the browser.
    """

    def __init__(self, socket):
        self._socket, self._last, self._session = socket, 0, None
        self.events = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        """Sends a command and returns its result; events that come in between are kept."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def look_like(self, width, height, dark):
        """Sets the size of the window in CSS pixels, and what the system prefers."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address, settled=0.3):
        """Opens a page, waits until it is loaded, and returns what happened meanwhile.

        Args:
            address: URL.
            settled: Seconds to wait after the load, in which scripts of the page do their part.
        """
        self.events = []
        self.send("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")
        time.sleep(settled)
        self.evaluate("1")  # takes in what came during the wait
        return self.events

    def wait_for(self, expression, seconds=20):
        """Waits until a JavaScript expression is true.

        Raises:
            TimeoutError: It did not become true.
        """
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"`expression` must become true. Received: {expression}")
            time.sleep(0.05)

    def evaluate(self, expression):
        """Returns the JSON value of a JavaScript expression, or of the promise that it is."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self, whole=True):
        """Returns the page as a base64 text of a PNG file: all of it, or what the window shows."""
        return self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
