"""Writes what the sources say, no more of each kind in a test than is wanted, and never to a test's harm."""

from __future__ import annotations

import itertools
import os
from threading import get_ident  # tests replace it there
from typing import Any

from pytest_timeline.session.failure import plain
from pytest_timeline.session.recording import Recording

NAME_CHARACTERS = 1000
_newest: list[Teller] = []  # sessions nest; only the newest one's recording goes on


class Teller:
    """Tells `recording`; `most` of each kind in a test, 0 = no limit."""

    def __init__(self, recording: Recording, most: int) -> None:
        self.recording = recording
        self._most = most
        self._numbers: dict[str, itertools.count[int]] = {}  # the next number of each kind; atomic, unlike an addition
        self._spans: list[_Open] = []  # the innermost last
        self._thread = get_ident()
        self._broken: set[str] = set()

    def start(self) -> None:
        _newest.append(self)

    def stop(self) -> None:
        if self in _newest:
            _newest.remove(self)

    @property
    def listens(self) -> bool:
        """Whether what this thread says is to be told: not what pytest says between a test's phases."""
        recording = self.recording
        if not recording.on or recording.suspended or _newest[-1:] != [self]:
            return False
        return not recording.paused or get_ident() != self._thread

    def begin_test(self) -> None:
        self._numbers = {}

    def end_test(self) -> dict[str, int]:
        """Return how many of each kind there were beyond the limit."""
        numbers, self._numbers = self._numbers, {}
        beyond = {kind: next(number) - self._most for kind, number in numbers.items()} if self._most else {}
        return {kind: count for kind, count in beyond.items() if count > 0}

    def room(self, kind: str) -> bool:
        """Count one more; return whether it is to be told."""
        number = next(self._numbers.setdefault(kind, itertools.count()))
        if number == self._most and self._most:  # a forked child has no other way to say it
            self.instant(kind, f"{kind}: from here on only counted", {})
        return number < self._most or not self._most

    def instant(self, kind: str, name: str, args: dict[str, Any]) -> None:
        """Tell of a moment, of which `room` was asked."""
        args = args if len(name) <= NAME_CHARACTERS else args | {"cut": len(name) - NAME_CHARACTERS}
        self.recording.mark("INSTANT", {"name": plain(name, NAME_CHARACTERS), "cat": kind, "args": args})

    def has_place(self, kind: str) -> bool:
        """Whether a span may begin on the test's own lane: none of another thread or process, or beyond the limit."""
        here = get_ident() == self._thread and os.getpid() == self.recording.pid
        return here and self.listens and self.room(kind)

    def begin(self, name: str, args: dict[str, Any]) -> _Open:
        """Begin a span that has a place."""
        self.recording.mark("SPAN_BEGIN", {"name": plain(name, NAME_CHARACTERS), "cat": "test", "args": args})
        self._spans.append(_Open())
        return self._spans[-1]

    def end(self, span: _Open | None, args: dict[str, Any]) -> None:
        """End it. Spans nest: one that overlaps another, in two tasks, ends with the other."""
        if span is None or span not in self._spans:
            return
        span.args = args
        while self._spans and self._spans[-1].args is not None:
            self.recording.mark("SPAN_END", {"args": self._spans.pop().args})

    def end_phase(self) -> None:
        """End what is open, so that the phase can end."""
        while self._spans:
            self.recording.mark("SPAN_END", {"args": self._spans.pop().args or {}})

    def broken(self, source: str, error: Exception) -> None:
        """A source failed by itself: it is silent from here on, and the summary says why."""
        if source not in self._broken:
            self._broken.add(source)
            self.recording.warnings.append(
                f"{source} are no longer recorded, by an error of pytest-timeline's: {error!r}"
            )

    def works(self, source: str) -> bool:
        return source not in self._broken


class _Open:
    """A span that is open; `args` are what its end says, None until then."""

    args: dict[str, Any] | None = None
