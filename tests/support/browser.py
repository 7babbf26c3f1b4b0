"""A page in a real browser, as a person has it; chromium.py and firefox.py have the browsers."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

LEFT = ("navigated", "context", "collected")  # what browsers say of a page that is no longer there


class BrowserError(Exception):
    """The browser, or a script in a page, says that something went wrong."""


class Page(ABC):
    """A mouse, a keyboard, a screen."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        """What scripts threw, what the console's errors say, and what the policy refused."""

    @abstractmethod
    def go(self, address: str) -> None:
        """Go there, without waiting for it."""

    def open(self, path: Path, fragment: str = "", *, ready: str = "document.documentElement?.dataset.ready") -> None:
        """Go to the file and wait until `ready` holds and is drawn."""
        self.go("about:blank")
        self.until("location.protocol === 'about:'")
        self.go(path.resolve().as_uri() + (f"#{fragment}" if fragment else ""))
        self.until(f"location.protocol === 'file:' && {ready}")
        self.frame()

    @abstractmethod
    def evaluate(self, expression: str) -> Any:
        """Return the value of the JavaScript expression, awaited. Raises BrowserError with what it throws."""

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
            self._wait(script)
        except BrowserError as error:
            raise BrowserError(f"{condition}: {error}; {self.troubles}") from None

    def frame(self) -> None:
        """Wait until what was asked for is drawn."""
        self._wait("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def _wait(self, promise: str) -> None:
        """Wait for the promise, also in the page that follows if a click has left the one that was asked."""
        while True:
            try:
                self.evaluate(promise)
                return
            except BrowserError as error:
                if not any(word in str(error) for word in LEFT):
                    raise

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

    @abstractmethod
    def hover_at(self, x: float, y: float) -> None: ...

    @abstractmethod
    def click_at(self, x: float, y: float, *, count: int = 1) -> None: ...

    @abstractmethod
    def drag(self, start: tuple[float, float], end: tuple[float, float], *, shift: bool = False) -> None: ...

    @abstractmethod
    def wheel(self, x: float, y: float, delta: float, *, control: bool = False) -> None: ...

    @abstractmethod
    def press(self, *keys: str) -> None:
        """Press and release each key, by the name that JavaScript has for it."""

    @abstractmethod
    def press_with(self, modifier: str, key: str) -> None:
        """Press a key while another one is held: Alt, Control or Shift."""

    @abstractmethod
    def write(self, text: str) -> None:
        """Type the text into what has the focus."""

    @abstractmethod
    def screenshot(self, path: Path) -> None:
        """Write a PNG of what is in view."""

    @abstractmethod
    def close(self) -> None: ...
