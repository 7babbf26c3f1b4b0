"""A timeline: the tracks of every process in one window of time, in columns, with lanes of what was told beside them.

All times are ticks of one clock per host; `Clock` turns them into nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

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
    """A slice that was told: the test, a phase, a fixture, a process from start to exit, what a program says it does.

    Few, so they are objects.
    """

    name: str
    category: str
    start: int  # tick
    end: int  # tick
    depth: int  # 0 = the test, a process, or a span of a program
    args: dict[str, Any] = field(default_factory=dict)
    flow: int = 0  # id of a flow that enters it where it starts, 0 = none
    chain: int = 0  # id of a flow that goes through all spans that have it, unique in a run; 0 = none
    cut: str = ""  # "start": it began before the window; "end": it goes on after it; or "both"
    key: tuple[int, int] | None = None  # of a span that may be cut: the same in every window, (pid or id, start tick)


@dataclass(slots=True)
class Instant:
    """A moment that was told: the failure, what a program says."""

    name: str
    category: str
    tick: int
    args: dict[str, Any] = field(default_factory=dict)


class Flow(NamedTuple):
    """One end of an arrow, on the innermost slice of its track that is open at `tick`; both ends have one id."""

    id: int  # 1 .. 2**63-1, unique in a run
    tick: int
    enters: bool  # False: the arrow starts here


@dataclass(slots=True)
class Lane:
    """A row of spans: the test's own story, or processes from start to exit."""

    kind: Literal["test", "process"]
    name: str  # "test", "processes"
    row: int  # lanes of one kind lie below each other
    spans: list[Span] = field(default_factory=list)  # in order of start
    instants: list[Instant] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Track:
    """What one thread or one task did, or a lane derived from others.

    "task" has a task's coroutine frames as they await each other, or a greenlet's stack; "state" what a task was:
    slices `running`, `ready` and `waiting`; "loop" what blocked a thread's event loop; "gil" which thread held the GIL.
    """

    kind: Literal["thread", "gil", "task", "state", "loop"]
    name: str
    native_id: int  # of the thread: a task's is that which ran its first step; 0 for the GIL
    serial: int  # unique among the tracks of its kind in its process; a state's is its task's, a loop's its thread's
    slices: Slices
    names: Names
    flows: list[Flow] = field(default_factory=list)  # in any order
    instants: list[Instant] = field(default_factory=list)
    under: Track | None = None  # what it is drawn below: a task's and a loop's thread, a state's task
    args: dict[str, Any] = field(default_factory=dict)  # {"leaked_from": nodeid, "folded_steps": 12}
    spans: list[Span] = field(default_factory=list)  # that a thread began, in order of start; they lie as they like


@dataclass(slots=True)
class Counter:
    """A value over time; it holds until the next one."""

    name: str  # unique in its process
    unit: str = ""
    ticks: list[int] = field(default_factory=list)  # in order
    values: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Process:
    pid: int
    parent_pid: int
    name: str  # its command, worker and pid, for people
    start: int  # tick; with the pid it identifies the process
    tracks: list[Track] = field(default_factory=list)
    args: dict[str, Any] = field(default_factory=dict)  # {"leaked_from": nodeid, "clock_error_us": 12.5}
    counters: list[Counter] = field(default_factory=list)


@dataclass(slots=True)
class Timeline:
    """One window of time: a test, the collection, or (in a combined trace only) what lay between two tests."""

    name: str  # node id; "collection"; "" between tests
    start: int  # tick
    end: int  # tick
    processes: list[Process]  # the pytest process first
    lanes: list[Lane] = field(default_factory=list)  # all below the first process; the test's first, if it is there
    args: dict[str, Any] = field(default_factory=dict)  # of the test: outcome, worker, rerun, folded, dropped
    placed: tuple[Clock, Any] | None = field(default=None, init=False, repr=False, compare=False)  # see export/lanes.py

    @property
    def failed_by(self) -> str | None:
        """The exception that failed the test, or what pytest says of a strict xpass; None where nothing did."""
        said = self.args.get("reason") if self.args.get("outcome") in ("failed", "error") else None
        return self.args.get("exception") or said

    @property
    def story(self) -> Lane | None:
        """The test's own lane."""
        return self.lanes[0] if self.lanes and self.lanes[0].kind == "test" else None
