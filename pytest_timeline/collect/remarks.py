"""What programs and plugins say beside the test run's own story: spans, instants and counters, of any thread."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from pytest_timeline._codec import Slices, Spool
from pytest_timeline.timeline.model import Counter, Instant, Process, Span, Track

INSTANT, USER_BEGIN, USER_END, COUNTER, COLLECTED = range(7, 12)
TEST = "test"  # the category of instants that are the story's
MOST = 10_000  # spans of a window, and instants of one; values of a counter in one
MOST_COUNTERS = 200  # of a process in a window
EXACT = 1 << 63  # larger integers have no place in a trace


@dataclass(slots=True)
class _Gauge:
    """A counter, thinned so that it covers the whole window however often it is told."""

    counter: Counter
    step: int = 1  # one of so many values is kept
    turn: int = 0

    def add(self, tick: int, value: float) -> int:
        """Return how many values are left out for it."""
        self.turn += 1
        if self.turn % self.step:
            return 1
        self.counter.ticks.append(tick)
        self.counter.values.append(value)
        if (before := len(self.counter.ticks)) <= MOST:
            return 0
        self.step *= 2
        del self.counter.ticks[1::2], self.counter.values[1::2]
        return before - len(self.counter.ticks)


@dataclass(slots=True)
class _Speaker:
    """What one process said in the window."""

    threads: dict[int, tuple[int, str]] = field(default_factory=dict)  # by serial: native id, name
    open: dict[int, Span] = field(default_factory=dict)  # by id
    spans: list[tuple[int, Span]] = field(default_factory=list)  # with the thread that began it; 0 as end = open
    instants: list[tuple[int, Instant]] = field(default_factory=list)  # with the thread
    gauges: dict[str, _Gauge] = field(default_factory=dict)


class Remarks:
    """Hears the processes of one family. What goes beyond the bounds of a window is counted by kind."""

    def __init__(self) -> None:
        self.ns_per_tick = 1.0
        self.damaged = 0  # marks that could not be read
        self.left_out: Tally[str] = Tally()  # of this window: "spans", "instants", "values" of counters
        self._speakers: dict[str, _Speaker] = {}  # by the spool's path
        self._spans = self._instants = 0  # in this window

    def hear(self, spool: Spool, mark: tuple[int, int, int, bytes]) -> bool:
        """Take a mark at which the spool's newest drain stopped; return False if it is of the test run's own story."""
        thread, tick, code, payload = mark
        if code < INSTANT:
            return False
        try:
            what = orjson.loads(payload)
            if code == INSTANT and what.get("cat") == TEST:
                return False
            self._take(spool, thread, tick, code, what)
        except (ValueError, TypeError, KeyError, AttributeError):
            self.damaged += 1
        return True

    def _take(self, spool: Spool, thread: int, tick: int, code: int, what: dict[str, Any]) -> None:
        speaker = self._speakers.setdefault(spool.path, _Speaker())
        args = dict(what.get("args") or {})
        if code == USER_END:
            span = speaker.open.pop(int(what["id"]), None)  # begun before a fork, or left out: not known
            if span is not None:
                span.end = max(tick, span.start)
                span.args |= args
            return
        name = f"GC generation {what['generation']}" if code == COLLECTED else str(what["name"])
        if code == COUNTER:
            self._count(speaker, tick, name, what["value"], str(what.get("unit") or ""))
            return
        native_id, thread_name, task = spool.speaker(thread)
        category = str(what.get("cat") or "user")
        args = ({"task": task} if task else {}) | args
        if code == INSTANT:
            if self._instants == MOST:
                self.left_out["instants"] += 1
                return
            self._instants += 1
            speaker.instants.append((thread, Instant(name, category, tick, args)))
        elif code in (USER_BEGIN, COLLECTED):
            if self._spans == MOST:
                self.left_out["spans"] += 1
                return
            self._spans += 1
            if code == COLLECTED:  # told when it was over
                args |= {key: what[key] for key in ("generation", "collected", "uncollectable")}
                span = Span(name, "gc", tick - round(what["ns"] / self.ns_per_tick), tick, 0, args)
            else:
                span = speaker.open[int(what["id"])] = Span(
                    name, category, tick, 0, 0, args, key=(int(what["id"]), tick)
                )
            speaker.spans.append((thread, span))
        else:
            raise ValueError(code)
        speaker.threads[thread] = (native_id, thread_name)

    def _count(self, speaker: _Speaker, tick: int, name: str, value: object, unit: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(value)
        gauge = speaker.gauges.get(name)
        if gauge is None:
            if len(speaker.gauges) == MOST_COUNTERS:
                self.left_out["values"] += 1
                return
            gauge = speaker.gauges[name] = _Gauge(Counter(name, unit))
        gauge.counter.unit = unit
        left_out = gauge.add(tick, value if abs(value) < EXACT else float(value))
        if left_out:
            self.left_out["values"] += left_out

    def die(self, spool: Spool, tick: int) -> None:
        """The process is gone since the tick, and all that it said is heard: what is open ends there."""
        if (speaker := self._speakers.get(spool.path)) is not None:
            for span in speaker.open.values():
                span.end = max(tick, span.start)
                span.args["died"] = True
            speaker.open.clear()

    def speaks(self, spool: Spool) -> bool:
        """Whether the process has anything to be drawn in this window."""
        speaker = self._speakers.get(spool.path)
        return speaker is not None and bool(speaker.spans or speaker.instants or speaker.gauges)

    def draw(self, process: Process, spool: Spool, start: int, end: int) -> None:
        """Add what the process said between the ticks to its tracks; a thread that did nothing else gets one."""
        speaker = self._speakers.get(spool.path)
        if speaker is None:
            return
        threads = {track.serial: track for track in process.tracks if track.kind == "thread"}
        others = [track for track in process.tracks if track.kind != "thread"]

        def track(serial: int) -> Track:
            if serial not in threads:
                native_id, name = speaker.threads[serial]
                threads[serial] = Track("thread", name, native_id, serial, Slices(), spool.names)
            return threads[serial]

        for serial, span in speaker.spans:
            track(serial).spans.append(_within(span, start, end))
        for serial, instant in speaker.instants:
            track(serial).instants.append(instant)
        process.tracks = [*(threads[serial] for serial in sorted(threads)), *others]
        process.counters += [
            Counter(name, gauge.counter.unit, list(gauge.counter.ticks), list(gauge.counter.values))
            for name, gauge in speaker.gauges.items()
        ]

    def next_window(self) -> None:
        """Forget all but what goes on."""
        going_on: dict[str, _Speaker] = {}
        self._spans = self._instants = 0
        for path, speaker in self._speakers.items():
            if speaker.open:
                spans = [(thread, span) for thread, span in speaker.spans if not span.end]
                threads = {thread: speaker.threads[thread] for thread, _ in spans}
                going_on[path] = _Speaker(threads, speaker.open, spans)
                self._spans += len(spans)
        self._speakers = going_on
        self.left_out = Tally()


def _within(span: Span, start: int, end: int) -> Span:
    """Return the part of the span in a window."""
    before, after = span.start < start, not span.end or span.end > end
    cut = {(True, True): "both", (True, False): "start", (False, True): "end"}.get((before, after), "")
    return replace(
        span, start=max(start, span.start), end=end if after else max(start, span.end), args=dict(span.args), cut=cut
    )
