"""The test run's own story: marks become tests, spans and instants."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from pytest_timeline.collect import leaks
from pytest_timeline.timeline.model import Instant, Span

SESSION_BEGIN, SESSION_END, TEST_BEGIN, TEST_END, SPAN_BEGIN, SPAN_END, INSTANT = range(1, 8)
CRASHED = "crashed"
START_UP = "start-up"
COLLECTION = "collection"
NOT_COLLECTED = "not collected"
RUNNING = "running"
_chain_ids = itertools.count(1 << 48)  # unique in a run, apart from those of processes and tasks


@dataclass(slots=True)
class Told:
    """What was told in one window."""

    test: dict[str, Any] | None = None  # TEST_BEGIN's object
    result: dict[str, Any] | None = None  # TEST_END's
    spans: list[Span] = field(default_factory=list)
    instants: list[Instant] = field(default_factory=list)
    collection: bool = False  # it is what came before the first test, in a process that looked for tests


class Story:
    """Listens to one pytest process."""

    def __init__(self) -> None:
        self.session: dict[str, Any] = {}
        self.end: dict[str, Any] | None = None
        self.ended = 0  # tick of the session's end, 0 = not told
        self.start_up: Span | None = None  # of pytest, as far as it is recorded
        self.collection: Span | None = None  # of the tests, before the first of them
        self.not_collected: list[tuple[str, str]] = []  # what, and why
        self.tests = 0  # begun
        self.damaged = 0  # marks that could not be read
        self._told = Told()
        self._chains: dict[int, int] = defaultdict(lambda: next(_chain_ids))  # by their ids in the process
        self._cut = False  # the first window is over
        self.open: list[Span] = []  # outermost first

    @property
    def test(self) -> dict[str, Any] | None:
        """TEST_BEGIN's object of the test that is going on."""
        return self._told.test

    def hear(self, code: int, tick: int, payload: bytes) -> Told | None:
        """Take a mark; return what was told in the window that ends with it, if it ends one."""
        try:
            what = orjson.loads(payload)
        except ValueError:
            what = None
        if not isinstance(what, dict):
            self.damaged += 1
            return None
        if code == SESSION_BEGIN:
            self.session = what
        elif code == SESSION_END:
            self.end, self.ended = what, tick
        elif code == TEST_BEGIN:
            told = self.close(tick)
            self._told.test = what
            self.tests += 1
            args = {key: what[key] for key in ("file", "line") if key in what}
            self._begin(tick, {"name": what.get("nodeid"), "cat": "test", "args": args})
            return told
        elif code == TEST_END and self._told.test is not None:
            self._told.result = what
            self._told.instants += leaks.instants(what, tick)
            return self.close(tick)
        elif code == SPAN_BEGIN:
            self._begin(tick, what)
        elif code == SPAN_END:
            if len(self.open) > (self._told.test is not None):
                span = self.open.pop()
                span.end = tick
                span.args.update(what.get("args") or {})
        elif code == INSTANT:
            instant = Instant(str(what.get("name")), str(what.get("cat", "user")), tick, what.get("args") or {})
            self._told.instants.append(instant)
            if instant.name == NOT_COLLECTED and self._told.test is None:
                self.not_collected.append((str(instant.args.get("nodeid")), str(instant.args.get("message", ""))))
        return None

    def close(self, tick: int) -> Told:
        """End the window; a span that is open ends there."""
        for span in self.open:
            span.end = tick
        told, self._told = self._told, Told()
        first = told.test is None and not self._cut
        told.collection = first and (self.collection is not None or self.start_up in self.open)
        self.open = []
        self._cut = True
        return told

    def snapshot(self, tick: int) -> Told:
        """Return what was told so far, as if the window ended at `tick`; it goes on."""
        open = {id(span) for span in self.open}
        spans = [replace(span, end=tick, cut="end") if id(span) in open else span for span in self._told.spans]
        result = {"outcome": RUNNING} if self._told.test is not None else None
        return Told(self._told.test, result, spans, list(self._told.instants))

    def _begin(self, tick: int, what: dict[str, Any]) -> None:
        name, category = str(what.get("name")), str(what.get("cat", "user"))
        span = Span(name, category, tick, tick, len(self.open), what.get("args") or {})
        if "chain" in what:
            span.chain = self._chains[what["chain"]]
        if self._told.test is None and span.category == "test":
            if span.name == START_UP:
                self.start_up = span
            elif span.name == COLLECTION:
                self.collection = span
        self._told.spans.append(span)
        self.open.append(span)
