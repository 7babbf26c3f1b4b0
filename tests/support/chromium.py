"""Chromium without a window, driven over the DevTools protocol on two pipes: it needs no port and no driver."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from support.browser import BrowserError, Page

VARIABLE = "BROWSER_BINARY"
BINARIES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
KEYS = {"Escape": 27, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, " ": 32}
KEYS |= {"Home": 36, "End": 35}
TEXT_KEYS = {"Enter": "\r"}
MODIFIERS = {"Alt": 1, "Control": 2, "Shift": 8}
SHIFT = MODIFIERS["Shift"]


def find() -> str | None:
    """Return the path of a Chromium, or None: `BROWSER_BINARY` names one, else it is looked for in PATH."""
    if sys.platform == "win32":
        return None  # no pipes by number there
    given = os.environ.get(VARIABLE)
    return given or next(filter(None, map(shutil.which, BINARIES)), None)


class Chromium:
    """One process of Chromium with an empty profile."""

    def __init__(self, binary: str, profile: str) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        high_in, high_out = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out))
        flags = [*FLAGS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        with open(os.devnull, "r+b") as null:
            self._pid = os.posix_spawn(
                binary,
                [binary, *flags],
                dict(os.environ),
                file_actions=[
                    *((os.POSIX_SPAWN_DUP2, null.fileno(), fd) for fd in (0, 1, 2)),
                    (os.POSIX_SPAWN_DUP2, high_in, 3),
                    (os.POSIX_SPAWN_DUP2, high_out, 4),
                ],
                setpgroup=0,
            )
        for fd in (theirs_in, theirs_out, high_in, high_out):
            os.close(fd)
        self._out = open(ours_out, "wb", buffering=0)  # noqa: SIM115
        self._in = open(ours_in, "rb", buffering=0)  # noqa: SIM115
        self._buffer = b""
        self._last = 0
        self.pages: dict[str, ChromiumPage] = {}

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Return the protocol's answer. Raises BrowserError."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params, **({"sessionId": session} if session else {})}
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            page = self.pages.get(answer.get("sessionId", ""))
            if page is not None:
                page.hear(answer["method"], answer["params"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            got = self._in.read(1 << 20)
            if not got:
                raise BrowserError("the browser went away")
            self._buffer += got
        message, self._buffer = self._buffer.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def page(self, width: int = 1600, height: int = 1000, *, dark: bool = False, touch: bool = False) -> ChromiumPage:
        """Return a new page of that size in CSS pixels."""
        page = self.attach(self.call("Target.createTarget", url="about:blank")["targetId"])
        page.resize(width, height, touch=touch)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        page.call(
            "Emulation.setEmulatedMedia", features=[*features, {"name": "prefers-reduced-motion", "value": "reduce"}]
        )
        return page

    def attach(self, target: str) -> ChromiumPage:
        """Return the page that is there already."""
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = ChromiumPage(self, target, session)
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        return page

    def close(self) -> None:
        with suppress(OSError, BrowserError):
            self.call("Browser.close")
        for pipe in (self._in, self._out):
            pipe.close()
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


class ChromiumPage(Page):
    def __init__(self, browser: Chromium, target: str, session: str) -> None:
        super().__init__()
        self._browser = browser
        self._target = target
        self._session = session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def hear(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.troubles.append(params["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.troubles.append(f"a dialog: {params['message']}")

    def resize(self, width: int, height: int, *, touch: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=5 if touch else 1)

    def go(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def opened(self, *, seconds: float = 30) -> ChromiumPage:
        """Return the window that a script of this page opened, once it is loaded. Raises BrowserError in vain."""
        end = time.monotonic() + seconds
        page = None
        while time.monotonic() < end:
            targets = self._browser.call("Target.getTargets")["targetInfos"]
            if page is None:
                opened = (about["targetId"] for about in targets if about.get("openerId") == self._target)
                page = next(map(self._browser.attach, opened), None)
            if page is not None:
                with suppress(BrowserError):  # what waits in an empty page ends when that becomes another one
                    page.until("location.href !== 'about:blank' && document.readyState === 'complete'", seconds=5)
                    return page
        raise BrowserError("no window was opened")

    def activate(self, selector: str) -> None:
        """Click on what may open a window, behind which this page would draw no more."""
        script = f"document.querySelector({json.dumps(selector)}).click()"
        self.call("Runtime.evaluate", expression=script, userGesture=True)

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def hover_at(self, x: float, y: float) -> None:
        self._mouse("mouseMoved", x, y)
        self.frame()

    def click_at(self, x: float, y: float, *, count: int = 1) -> None:
        self._mouse("mouseMoved", x, y)
        for click in range(1, count + 1):
            self._mouse("mousePressed", x, y, button="left", buttons=1, clickCount=click)
            self._mouse("mouseReleased", x, y, button="left", clickCount=click)
        self.frame()

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, shift: bool = False) -> None:
        modifiers = SHIFT if shift else 0
        self._mouse("mouseMoved", *start)
        self._mouse("mousePressed", *start, button="left", buttons=1, clickCount=1, modifiers=modifiers)
        for step in range(1, 5):
            x, y = (a + (b - a) * step / 4 for a, b in zip(start, end, strict=True))
            self._mouse("mouseMoved", x, y, button="left", buttons=1, modifiers=modifiers)
        self._mouse("mouseReleased", *end, button="left", clickCount=1, modifiers=modifiers)
        self.frame()

    def wheel(self, x: float, y: float, delta: float, *, control: bool = False) -> None:
        self._mouse("mouseWheel", x, y, deltaX=0, deltaY=delta, modifiers=2 if control else 0)
        self.frame()

    def _mouse(self, type: str, x: float, y: float, **more: Any) -> None:
        self.call("Input.dispatchMouseEvent", type=type, x=x, y=y, **more)

    def press(self, *keys: str) -> None:
        for key in keys:
            text = key if len(key) == 1 else TEXT_KEYS.get(key, "")
            modifiers = SHIFT if len(key) == 1 and key.isupper() else 0
            code = KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
            self.call(
                "Input.dispatchKeyEvent",
                type="keyDown",
                key=key,
                text=text,
                modifiers=modifiers,
                windowsVirtualKeyCode=code,
            )
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=modifiers, windowsVirtualKeyCode=code)
        self.frame()

    def press_with(self, modifier: str, key: str) -> None:
        about = {"key": key, "modifiers": MODIFIERS[modifier], "windowsVirtualKeyCode": KEYS[key]}
        self.call("Input.dispatchKeyEvent", type="rawKeyDown", **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)
        self.frame()

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)
        self.frame()

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)
        del self._browser.pages[self._session]


@contextmanager
def running(binary: str) -> Iterator[Chromium]:
    """Run a Chromium with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(binary, profile)
        try:
            yield browser
        finally:
            browser.close()
