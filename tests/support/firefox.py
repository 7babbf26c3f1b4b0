"""Firefox without a window, driven over WebDriver BiDi on a WebSocket of the loopback interface: it needs no driver."""

from __future__ import annotations

import base64
import itertools
import json
import operator
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from support.browser import LEFT, BrowserError, Page

VARIABLE = "FIREFOX_BINARY"
BINARIES = ("firefox-esr", "firefox")
PREFERENCES = {"ui.prefersReducedMotion": 1, "ui.useOverlayScrollbars": 1, "layout.css.devPixelsPerPx": "1.0"}
KEYS = {
    "Escape": "\ue00c", "Enter": "\ue007", "Tab": "\ue004", "Shift": "\ue008", "Control": "\ue009", "Alt": "\ue00a",
    "Home": "\ue011", "End": "\ue010", "PageUp": "\ue00e", "PageDown": "\ue00f",
    "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015",
}  # fmt: skip
PATIENCE = 60  # seconds for the browser to start, and for it to answer
COARSE, FINE, HOVER = 1, 2, 4  # what a pointer can do
TEXT, PING, PONG, CLOSE = 1, 9, 10, 8  # kinds of a WebSocket's frames


def find() -> str | None:
    """Return the path of a Firefox, or None: `FIREFOX_BINARY` names one, else it is looked for in PATH."""
    if sys.platform == "win32":
        return None  # no groups of processes to end there
    return os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, BINARIES)), None)


class Socket:
    """The client's side of a WebSocket, as far as a browser on this machine needs it. Raises OSError."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        self._socket.sendall("\r\n".join(lines).encode())
        answer = list(iter(self._file.readline, b"\r\n"))
        if b" 101 " not in answer[0]:
            raise ConnectionError(answer[0].decode())

    def send(self, data: bytes, kind: int = TEXT) -> None:
        size = len(data)
        short = size if size < 126 else 126 if size < 1 << 16 else 127
        length = b"" if size < 126 else size.to_bytes(2 if size < 1 << 16 else 8)
        mask = b"mask" * (size // 4 + 1)  # a client must: against proxies that would take data for something else
        masked = bytes(map(operator.xor, data, mask))
        self._socket.sendall(bytes([0x80 | kind, 0x80 | short]) + length + mask[:4] + masked)

    def receive(self) -> bytes:
        """Return the next message."""
        message = b""
        while True:
            first, size = self._read(2)
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8))
            data = self._read(size)
            kind = first & 15
            if kind == PING:
                self.send(data, PONG)
            elif kind == CLOSE:
                raise ConnectionError(f"closed: {data[2:].decode()}")
            elif kind != PONG:
                message += data
                if first & 0x80:  # the last frame of the message
                    return message

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ConnectionError("closed")
        return data

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Firefox:
    """One process of Firefox with an empty profile."""

    def __init__(self, binary: str, profile: Path) -> None:
        """Raises BrowserError."""
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
        (profile / "user.js").write_text("".join(lines), encoding="utf-8")
        self._process = subprocess.Popen(
            [
                binary,
                "--headless",
                "--no-remote",
                "--profile",
                str(profile),
                "--remote-debugging-port=0",
                "--remote-allow-system-access",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._ids = itertools.count(1)
        self._front: FirefoxPage | None = None  # a page behind another draws nothing
        self.pages: dict[str, FirefoxPage] = {}
        try:
            self._socket = Socket(self._port(profile / "WebDriverBiDiServer.json"), "/session")
            self.call("session.new", capabilities={})
            events = ["log.entryAdded", "browsingContext.userPromptOpened"]
            self.call("session.subscribe", events=events)
            # What the policy refuses is no entry of the log.
            told = "() => addEventListener('securitypolicyviolation', e => console.error(`refused: ${e.blockedURI}`))"
            self.call("script.addPreloadScript", functionDeclaration=told)
            self._wait_for_its_window()
        except BaseException:
            self._kill()
            raise

    def _port(self, told: Path) -> int:
        """Return the port that the browser listens on, once it says so."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError, ValueError):  # not there yet, or half written
                return int(json.loads(told.read_bytes())["ws_port"])
            time.sleep(0.02)
        raise BrowserError("Firefox did not start")

    def _wait_for_its_window(self) -> None:
        """The protocol is there before the first window, and a tab that is asked for by then may never come."""
        end = time.monotonic() + PATIENCE
        while not self.call("browsingContext.getTree")["contexts"]:
            if time.monotonic() > end:
                raise BrowserError("Firefox opened no window")
            time.sleep(0.02)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the protocol's answer. Raises BrowserError."""
        id = next(self._ids)
        try:
            self._socket.send(json.dumps({"id": id, "method": method, "params": params}).encode())
            while True:
                answer = json.loads(self._socket.receive())
                if answer.get("id") == id:
                    break
                if answer["type"] == "event":
                    self._hear(answer["method"], answer["params"])
        except OSError as error:
            raise BrowserError(f"{method}: {error}") from None
        if answer["type"] == "error":
            raise BrowserError(f"{method}: {answer['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _hear(self, method: str, params: dict[str, Any]) -> None:
        context = params["context"] if "context" in params else params["source"].get("context")
        page = self.pages.get(context or "")
        if page is None:
            return
        if method == "browsingContext.userPromptOpened":
            page.troubles.append(f"a dialog: {params['message']}")
        elif params["level"] == "error":
            page.troubles.append(params["text"] or "an error")

    def page(self, width: int = 1600, height: int = 1000, *, dark: bool = False, touch: bool = False) -> FirefoxPage:
        """Return a new page of that size in CSS pixels."""
        context = self.call("browsingContext.create", type="tab")["context"]
        page = self._front = self.pages[context] = FirefoxPage(self, context, dark=dark, touch=touch)
        page.call("browsingContext.setViewport", viewport={"width": width, "height": height})
        self._look(page)
        return page

    def show(self, page: FirefoxPage) -> None:
        """Bring the page to the front."""
        if self._front is not page:
            self._front = page
            page.call("browsingContext.activate")
            self._look(page)

    def _look(self, page: FirefoxPage) -> None:
        """Let the browser be what that page is for: no command of the protocol does it for one page."""
        capabilities = COARSE if page.touch else FINE | HOVER
        values = {
            "layout.css.prefers-color-scheme.content-override": 0 if page.dark else 1,
            "ui.primaryPointerCapabilities": capabilities,
            "ui.allPointerCapabilities": capabilities,
        }
        window = self.call("browsingContext.getTree", **{"moz:scope": "chrome"})["contexts"][0]["context"]
        script = "".join(f"Services.prefs.setIntPref('{name}', {value});" for name, value in values.items())
        self.call("script.evaluate", expression=script, target={"context": window}, awaitPromise=False)

    def close(self) -> None:
        with suppress(BrowserError):
            self.call("browser.close")
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class FirefoxPage(Page):
    def __init__(self, browser: Firefox, context: str, *, dark: bool, touch: bool) -> None:
        super().__init__()
        self.dark = dark
        self.touch = touch
        self._browser = browser
        self._context = context
        self._waits = itertools.count()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._browser.show(self)
        return self._browser.call(method, context=self._context, **params)

    def go(self, address: str) -> None:
        self.call("browsingContext.navigate", url=address, wait="none")

    def evaluate(self, expression: str) -> Any:
        self._browser.show(self)
        answer = self._browser.call(
            "script.evaluate",
            expression=f"(async () => JSON.stringify([await ({expression})]))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise BrowserError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])[0]

    def _wait(self, promise: str) -> None:
        """Look again and again: of a promise whose page is left meanwhile Firefox may never say anything."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with self._left():
                name = f"wait{next(self._waits)}"
                self.evaluate(
                    f"void (window.{name} = 'goes on', ({promise}).then(() => {{ window.{name} = '' }}, "
                    f"error => {{ window.{name} = String(error) }}))"
                )
                while (told := self.evaluate(f"window.{name} ?? null")) == "goes on" and time.monotonic() < end:
                    time.sleep(0.005)
                if told == "":
                    return
                if told is not None:  # else it is another page by now
                    raise BrowserError(told)
        raise BrowserError("in vain")

    @contextmanager
    def _left(self) -> Iterator[None]:
        """Pass over that the page was left before it answered."""
        try:
            yield
        except BrowserError as error:
            if not any(word in str(error) for word in LEFT):
                raise

    def hover_at(self, x: float, y: float) -> None:
        self._mouse(_to(x, y))

    def click_at(self, x: float, y: float, *, count: int = 1) -> None:
        click = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._mouse(_to(x, y), *click * count)

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, shift: bool = False) -> None:
        steps = [_to(*(a + (b - a) * step / 4 for a, b in zip(start, end, strict=True))) for step in range(1, 5)]
        with self._held("Shift" if shift else None):
            self._mouse(_to(*start), {"type": "pointerDown", "button": 0}, *steps, {"type": "pointerUp", "button": 0})

    def wheel(self, x: float, y: float, delta: float, *, control: bool = False) -> None:
        scroll = {"type": "scroll", "x": round(x), "y": round(y), "deltaX": 0, "deltaY": round(delta)}
        with self._held("Control" if control else None):
            self._act({"type": "wheel", "id": "wheel", "actions": [scroll]})
        self.frame()

    def press(self, *keys: str) -> None:
        for key in keys:
            with self._held("Shift" if len(key) == 1 and key.isupper() else None):
                self._keys(("keyDown", key), ("keyUp", key))
        self.frame()

    def press_with(self, modifier: str, key: str) -> None:
        with self._held(modifier):
            self._keys(("keyDown", key), ("keyUp", key))
        self.frame()

    def write(self, text: str) -> None:
        self._keys(*((type, key) for key in text for type in ("keyDown", "keyUp")))
        self.frame()

    def _mouse(self, *actions: dict[str, Any]) -> None:
        self._act({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions})
        self.frame()

    @contextmanager
    def _held(self, key: str | None) -> Iterator[None]:
        if key:
            self._keys(("keyDown", key))
        yield
        if key:
            self._keys(("keyUp", key))

    def _keys(self, *strokes: tuple[str, str]) -> None:
        actions = [{"type": type, "value": KEYS.get(key, key)} for type, key in strokes]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def _act(self, source: dict[str, Any]) -> None:
        self.call("input.performActions", actions=[source])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("browsingContext.captureScreenshot")["data"]))

    def close(self) -> None:
        self.call("browsingContext.close")
        del self._browser.pages[self._context]


def _to(x: float, y: float) -> dict[str, Any]:
    return {"type": "pointerMove", "x": x, "y": y}


@contextmanager
def running(binary: str) -> Iterator[Firefox]:
    """Run a Firefox with a profile of its own. Raises BrowserError."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Firefox(binary, Path(profile))
        try:
            yield browser
        finally:
            browser.close()
