"""A real browser without a window, driven over the DevTools protocol on two pipes: no server, no port, no driver."""

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
TEXT_KEYS = {"Enter": "\r"}
SHIFT = 8


def find() -> str | None:
    """Return the path of a Chromium, or None: `BROWSER_BINARY` names one, else it is looked for in PATH."""
    if sys.platform == "win32":
        return None  # no pipes by number there
    given = os.environ.get("BROWSER_BINARY")
    return given or next(filter(None, map(shutil.which, BINARIES)), None)


class BrowserError(Exception):
    """The browser, or a script in a page, says that something went wrong."""


class Browser:
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
        self.pages: dict[str, Page] = {}

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

    def page(self, width: int = 1600, height: int = 1000, *, dark: bool = False, touch: bool = False) -> Page:
        """Return a new page of that size in CSS pixels."""
        page = self.attach(self.call("Target.createTarget", url="about:blank")["targetId"])
        page.resize(width, height, touch=touch)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        page.call(
            "Emulation.setEmulatedMedia", features=[*features, {"name": "prefers-reduced-motion", "value": "reduce"}]
        )
        return page

    def attach(self, target: str) -> Page:
        """Return the page that is there already."""
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, target, session)
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


class Page:
    """A page, as a person has it: a mouse, a keyboard, a screen."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session
        self.troubles: list[str] = []
        """What scripts threw, what the console's errors say, and what the policy refused."""

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

    def open(self, path: Path, fragment: str = "", *, ready: str = "document.documentElement?.dataset.ready") -> None:
        """Go to the file and wait until `ready` holds."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=path.resolve().as_uri() + (f"#{fragment}" if fragment else ""))
        self.until(ready)

    def opened(self, *, seconds: float = 30) -> Page:
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

    def evaluate(self, expression: str) -> Any:
        """Return the value of the JavaScript expression, awaited. Raises BrowserError with what it throws."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def until(self, condition: str, *, seconds: float = 30) -> None:
        """Wait until the JavaScript condition holds. Raises BrowserError when it does not come true."""
        script = f"""new Promise((resolve, reject) => {{
            const end = performance.now() + {seconds * 1000};
            const look = () => {{
                if ({condition}) resolve();
                else if (performance.now() > end) reject(new Error("in vain"));
                else setTimeout(look, 5);
            }};
            look(); }})"""
        try:
            self.evaluate(script)
        except BrowserError as error:
            raise BrowserError(f"{condition}: {error}; {self.troubles}") from None

    def frame(self) -> None:
        """Wait until what was asked for is drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def text(self, selector: str) -> str:
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)"
        )
        return found

    def box(self, selector: str) -> dict[str, float]:
        """Return the element's place: x, y, width, height."""
        script = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()"
        found: dict[str, float] = self.evaluate(script)
        return found

    def click(self, selector: str) -> None:
        box = self.box(selector)
        self.click_at(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def click_at(self, x: float, y: float, *, count: int = 1) -> None:
        self._mouse("mouseMoved", x, y)
        for click in range(1, count + 1):
            self._mouse("mousePressed", x, y, button="left", buttons=1, clickCount=click)
            self._mouse("mouseReleased", x, y, button="left", clickCount=click)
        self.frame()

    def activate(self, selector: str) -> None:
        """Click on what may open a window, behind which this page would draw no more."""
        script = f"document.querySelector({json.dumps(selector)}).click()"
        self.call("Runtime.evaluate", expression=script, userGesture=True)

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
        """Press and release each key, by the name that JavaScript has for it."""
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

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)
        self.frame()

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)
        del self._browser.pages[self._session]


@contextmanager
def running(binary: str) -> Iterator[Browser]:
    """Run a browser with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(binary, profile)
        try:
            yield browser
        finally:
            browser.close()
