"""What a file says, as plain data: processes with their tracks, slices in columns, times in ns of the file's clock."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

COLLECTION = "collection"  # its slice


class Name(NamedTuple):
    """What a slice is called, and where that is defined."""

    text: str
    category: str  # as traces have it: "python", "c", "await", "test", "fixture", "process", ...
    file: str = ""  # as recorded; "" where there is none
    line: int = 0


class Names:
    """Each name once, by number."""

    def __init__(self) -> None:
        self.all: list[Name] = []
        self._numbers: dict[Name, int] = {}

    def number(self, name: Name) -> int:
        found = self._numbers.setdefault(name, len(self.all))
        if found == len(self.all):
            self.all.append(name)
        return found


@dataclass(slots=True)
class Instant:
    ns: int
    name: str
    category: str
    args: dict[str, Any]


@dataclass(slots=True, eq=False)
class Track:
    """A thread, a task, or a lane; its slices are in order of begin, a parent before its children.

    `kind` is as docs/report-format.md has it; "lane" is any other.
    """

    kind: str
    name: str
    id: int  # native thread id; 0 for a lane of a process
    under: Track | None = None  # the track that it hangs below
    starts: array[int] = field(default_factory=lambda: array("Q"))  # ns
    ends: array[int] = field(default_factory=lambda: array("Q"))
    depths: array[int] = field(default_factory=lambda: array("I"))
    names: array[int] = field(default_factory=lambda: array("I"))  # numbers in the trace's names
    args: dict[int, dict[str, Any]] = field(default_factory=dict)  # of the slices that have any, by row
    instants: list[Instant] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many slices it has."""
        return len(self.starts)


@dataclass(slots=True, eq=False)
class Process:
    pid: int
    name: str  # its command, worker and pid, for people
    tracks: list[Track] = field(default_factory=list)


@dataclass(slots=True)
class Trace:
    names: list[Name]
    processes: list[Process]  # the pytest process first
    root: str = ""  # pytest's root directory; "" when the file does not say


class Tested(NamedTuple):
    """A test in a file, or the collection: a slice of the track `test` of its pytest process."""

    process: Process
    track: Track
    row: int

    @property
    def ns(self) -> int:
        """How long it took, where it is alone; the collection with the start-up before it."""
        return self.track.ends[self.row] - self.track.starts[0]


def all_tests(trace: Trace) -> Iterator[Tested]:
    """Yield all that are there."""
    for process in trace.processes:
        for track in process.tracks:
            if track.kind == "test":
                for row, depth in enumerate(track.depths):
                    if not depth and "outcome" in track.args.get(row, {}):
                        yield Tested(process, track, row)


def collections(trace: Trace) -> Iterator[Tested]:
    """Yield the collection of each pytest process."""
    for process in trace.processes:
        for track in process.tracks:
            if track.kind == "test":
                for row, depth in enumerate(track.depths):
                    if not depth and trace.names[track.names[row]].text == COLLECTION:
                        yield Tested(process, track, row)


def window(trace: Trace, test: Tested) -> Trace:
    """Return what the test's pytest process and the processes that came of it did during the test, from 0 ns on.

    What began before, or went on after it, is cut there.
    """
    start, end = test.track.starts[test.row], test.track.ends[test.row]
    pids = {args.get("pid") for each in test.process.tracks if each.kind == "process" for args in each.args.values()}
    family = [test.process, *(each for each in trace.processes if each.pid in pids and each is not test.process)]
    processes = []
    for process in family:
        kept: dict[Track, Track] = {}
        for track in process.tracks:
            part = _cut(track, start, end)
            if part.count or part.instants:
                kept[track] = part
        for track, part in kept.items():
            part.under = kept.get(track.under) if track.under else None
        if kept:
            processes.append(Process(process.pid, process.name, list(kept.values())))
    return Trace(trace.names, processes, trace.root)


def _cut(track: Track, start: int, end: int) -> Track:
    part = Track(track.kind, track.name, track.id)
    for row, (first, last) in enumerate(zip(track.starts, track.ends, strict=True)):
        if first < end and last > start:
            if first < start or last > end:
                sides = "both" if first < start and last >= end else "start" if first < start else "end"
                part.args[part.count] = {**track.args.get(row, {}), "cut": sides}
            elif row in track.args:
                part.args[part.count] = track.args[row]
            part.starts.append(max(first, start) - start)
            part.ends.append(min(last, end) - start)
            part.depths.append(track.depths[row])
            part.names.append(track.names[row])
    part.instants = [
        Instant(each.ns - start, each.name, each.category, each.args)
        for each in track.instants
        if start <= each.ns <= end
    ]
    return part


class Unplaced:
    """Slices of a track whose depths are not known, in any order."""

    __slots__ = ("args", "ends", "names", "starts")

    def __init__(self) -> None:
        self.starts = array("Q")
        self.ends = array("Q")
        self.names = array("I")
        self.args: dict[int, dict[str, Any]] = {}  # by row

    def add(self, start: int, end: int, name: int, args: dict[str, Any] | None = None) -> None:
        if args:
            self.args[len(self.starts)] = args
        self.starts.append(start)
        self.ends.append(end)
        self.names.append(name)

    def fill(self, track: Track) -> None:
        """Give them to the track; where they are out of order, the longest of those that begin together is first."""
        starts, ends = self.starts, self.ends
        if any(before > after for before, after in pairwise(starts)):
            order = sorted(range(len(starts)), key=lambda row: (starts[row], -ends[row]))  # stable
            starts = array("Q", map(starts.__getitem__, order))
            ends = array("Q", map(ends.__getitem__, order))
            self.names = array("I", map(self.names.__getitem__, order))
            self.args = {at: self.args[row] for at, row in enumerate(order) if row in self.args}
        track.starts, track.ends, track.names, track.args = starts, ends, self.names, self.args
        opened: list[int] = []  # their ends
        for start, end in zip(starts, ends, strict=True):
            while opened and opened[-1] <= start:
                opened.pop()
            track.depths.append(len(opened))
            opened.append(end)
