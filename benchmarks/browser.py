"""Chromium without a window, driven through a pipe: what a test or a measurement needs of it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""Path of the browser; ``None`` where there is none."""
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--remote-debugging-pipe", "--disable-background-networking",
)  # fmt: skip
_HIGH = 20  # descriptors from here on are copied to 3 and 4, where the browser looks for its pipe


class Browser:
    """One page of a running browser.

    Parameters
    ----------
    commands, answers
        Descriptors of the pipes.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.told: list[str] = []
        """What the page has written to its console, and its errors."""

    def call(self, method: str, *, timeout: float = 60, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout
        while True:
            answer = self._next(end)
            if answer.get("id") == self._number:
                if "error" in answer:
                    msg = f"{method}: {answer['error']}"
                    raise RuntimeError(msg)
                result: dict[str, Any] = answer["result"]
                return result
            self._listen(answer)

    def attach(self) -> None:
        """Open a page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def size(self, width: int, height: int, *, dark: bool = False, touch: bool = False) -> None:
        """Set the size of the page in CSS pixels, and what the reader prefers.

        Motion is always reduced: while a page scrolls smoothly, places read from it are no longer
        where a click lands.
        """
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        preferred = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce",
        }
        features = [{"name": name, "value": value} for name, value in preferred.items()]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a file; the page may still be at work when this returns."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=path.absolute().as_uri() + fragment)
        self.until("document.readyState === 'complete'")

    def js(self, expression: str) -> Any:
        """Evaluate an expression on the page; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"].get("description"))
        return found["result"].get("value")

    def until(self, condition: str, timeout: float = 30) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + timeout
        while not self.js(condition):
            if time.monotonic() > end:
                msg = f"{condition}; {self.told}"
                raise TimeoutError(msg)
            time.sleep(0.02)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Press, move or release the mouse; ``kind`` as "Pressed"."""
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        more = (held if kind in {"Pressed", "Released"} else {}) | more
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def drag(self, path: list[tuple[float, float]]) -> None:
        """Go along a path with the button held."""
        self.mouse("Moved", *path[0])
        self.mouse("Pressed", *path[0])
        for place in path[1:]:
            self.mouse("Moved", *place, button="left", buttons=1)
        self.mouse("Released", *path[-1])

    def key(self, key: str) -> None:
        """Press a key."""
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    def screenshot(self, path: Path, *, full: bool = False) -> None:
        """Save what is seen, or the whole page, as PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(found["data"]))

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(end - time.monotonic(), 0))
            part = os.read(self._answers, 1 << 20) if ready else b""
            if not part:
                msg = "the browser does not answer"
                raise TimeoutError(msg)
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _listen(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.told.append(str(parameters["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded":
            self.told.append(parameters["entry"]["text"])
        elif event.get("method") == "Runtime.consoleAPICalled":
            self.told.append(
                str([arg.get("description", arg.get("value")) for arg in parameters["args"]])
            )


@contextmanager
def chromium(downloads: Path | None = None) -> Iterator[Browser]:
    """Start a browser of its own, with a new profile, and open a page in it.

    Parameters
    ----------
    downloads
        Folder for what the page hands over.
    """
    assert CHROMIUM is not None
    (out, commands), (answers, back) = os.pipe(), os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _HIGH) for end in (out, back)]
    # The profile may still be written to for a moment after the browser has gone.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        silent = [(os.POSIX_SPAWN_OPEN, end, os.devnull, os.O_WRONLY, 0) for end in (1, 2)]
        pipes = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(high, start=3)]
        process = os.posix_spawn(
            CHROMIUM,
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"],
            os.environ,
            file_actions=[*silent, *pipes],
            setsid=True,
        )
        for end in (out, back, *high):
            os.close(end)
        try:
            browser = Browser(commands, answers)
            if downloads is not None:
                browser.call(
                    "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads)
                )
            browser.attach()
            yield browser
        finally:
            os.close(commands)
            os.close(answers)
            os.killpg(process, signal.SIGTERM)
            os.waitpid(process, 0)
