"""A timeline: the tracks of every process in one window of time, in columns, with the test's own story beside them.

All times are ticks of one clock per host; `Clock` turns them into nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_timeline._codec import Names, Slices


@dataclass(frozen=True, slots=True)
class Clock:
    """One linear map from ticks to nanoseconds."""

    origin: int  # the tick at 0 ns
    ns_per_tick: float

    def ns(self, tick: int) -> int:
        """Return nanoseconds from the origin; 0 for a tick before it."""
        return int((tick - self.origin) * self.ns_per_tick) if tick > self.origin else 0


@dataclass(slots=True)
class Span:
    """A slice that the test run itself told: the test, a phase, a fixture. Few, so they are objects."""

    name: str
    category: str
    start: int  # tick
    end: int  # tick
    depth: int  # 0 = the test
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Instant:
    """A moment that the test run told: the failure."""

    name: str
    category: str
    tick: int
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Track:
    """What one thread did, or a lane derived from several (which thread held the GIL)."""

    kind: Literal["thread", "gil"]
    name: str
    native_id: int  # 0 for a lane
    serial: int  # of the thread, unique in its process
    slices: Slices
    names: Names


@dataclass(slots=True)
class Process:
    pid: int
    parent_pid: int
    name: str  # its command, worker and pid, for people
    start: int  # tick; with the pid it identifies the process
    tracks: list[Track] = field(default_factory=list)
    args: dict[str, Any] = field(default_factory=dict)  # clock_error_us: on another host, times may be off by so much


@dataclass(slots=True)
class Timeline:
    """One window of time: a test, or (in a combined trace only) what lay between two tests."""

    name: str  # node id; "" between tests
    start: int  # tick
    end: int  # tick
    processes: list[Process]  # the pytest process first
    spans: list[Span] = field(default_factory=list)  # in order of start
    instants: list[Instant] = field(default_factory=list)
    args: dict[str, Any] = field(default_factory=dict)  # of the test: outcome, worker, rerun, folded, dropped
