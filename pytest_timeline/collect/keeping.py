"""Which timelines are kept: what --timeline-keep and a test's marker ask for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from operator import itemgetter
from typing import Generic, TypeVar

from pytest_timeline.collect.family import Window
from pytest_timeline.collect.rate import Rate
from pytest_timeline.config import Keep

FAILURES = ("failed", "error", "crashed")

T = TypeVar("T")


class Keeping:
    """Judges a run's tests, one by one in the order of their ends."""

    def __init__(self, keep: Keep, rate: Rate) -> None:
        self._keep = keep
        self._rate = rate
        self._failed: set[str] = set()  # node ids

    def collection(self, window: Window) -> bool:
        """Whether the timeline of what came before the first test is kept: as a test's that passed."""
        return self._keep.all or self._is_slow(window)

    def surely(self, window: Window) -> bool:
        """Whether the timeline of the window's test is kept whatever comes later."""
        keep, timeline = self._keep, window.timeline
        if keep.failed:
            if timeline.args["outcome"] in FAILURES:
                self._failed.add(timeline.name)
            if timeline.name in self._failed:  # and run again: both are kept, to be compared
                return True
        return keep.all or self._is_slow(window) or bool(window.test and window.test.get("keep"))

    def _is_slow(self, window: Window) -> bool:
        slow_ns, timeline = self._keep.slow_ns, window.timeline
        return slow_ns is not None and self._rate.seconds(timeline.end - timeline.start) * 1e9 >= slow_ns


class Slowest(Generic[T]):
    """The slowest `count` so far; of two that took as long, the earlier one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._heap: list[tuple[int, int, T]] = []  # duration, -serial
        self._serial = itertools.count()

    def offer(self, duration: int, what: T) -> T | None:
        """Take `what` in; return what is none of the slowest any more, or never was."""
        entry = (duration, -next(self._serial), what)
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, entry)
            return None
        return heapq.heappushpop(self._heap, entry)[2]

    def __iter__(self) -> Iterator[T]:
        """From the slowest to the fastest."""
        return (what for _, _, what in sorted(self._heap, key=itemgetter(0, 1), reverse=True))
