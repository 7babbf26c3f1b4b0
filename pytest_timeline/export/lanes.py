"""What was told, ready to write: the spans and instants of lanes in nanoseconds, with plain arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_timeline.export.flows import Flows
from pytest_timeline.timeline.model import Clock, Instant, Lane, Process, Span, Timeline


@dataclass(slots=True)
class PlacedSpan:
    """A span in time; it lasts at least 1 ns and lies within its parent, and siblings do not overlap."""

    name: str
    category: str
    depth: int
    start: int  # ns
    end: int
    flow: int  # id of a flow that enters it, 0 = none
    args: dict[str, Any]
    chain: int = 0  # id of a flow that goes through it, 0 = none


@dataclass(slots=True)
class PlacedInstant:
    name: str
    category: str
    ns: int
    args: dict[str, Any]


@dataclass(slots=True)
class PlacedLane:
    """A row below a process, or below one of its threads."""

    pid: int
    process_start: int  # tick
    kind: str
    name: str
    row: int
    spans: list[PlacedSpan] = field(default_factory=list)  # in order of start
    instants: list[PlacedInstant] = field(default_factory=list)
    thread: int = 0  # serial of the one that it is below
    number: int = 0  # of all that are below threads of its process


@dataclass(slots=True)
class PlacedCounter:
    name: str
    unit: str
    ns: list[int]
    values: list[float]


def place_lanes(timeline: Timeline, flows: Flows, clock: Clock) -> list[PlacedLane]:
    """Return the lanes of a timeline that is a whole trace; none if there is no process to draw them below.

    Every format wants the same, so the timeline keeps them.
    """
    known = timeline.placed
    if known is not None and known[0] == clock:
        lanes: list[PlacedLane] = known[1]
        return lanes
    placed: list[PlacedLane] = []
    for lane in timeline.lanes if timeline.processes else []:
        placed.append(below(timeline.processes[0], lane, lane.row))
        placed[-1].spans = place_lane(timeline, lane, flows, clock)
        placed[-1].instants = place_instants(lane.instants, clock)
    length = Counter(span.chain for lane in placed for span in lane.spans)
    for span in (span for lane in placed for span in lane.spans):
        span.chain *= length[span.chain] > 1  # the others are in other traces
    timeline.placed = clock, placed
    return placed


def below(process: Process, lane: Lane, row: int) -> PlacedLane:
    """Return an empty row for the lane, below the process."""
    return PlacedLane(process.pid, process.start, lane.kind, clean(lane.name), row)


def place_lane(timeline: Timeline, lane: Lane, flows: Flows, clock: Clock, now: int = 0) -> list[PlacedSpan]:
    """Return the lane's spans; the test's own says what is known of the test."""
    placed = place(lane.spans, flows, clock, now)
    for span in placed:
        if lane.kind == "test" and span.depth == 0:
            span.args = plain(timeline.args) | span.args
    return placed


def place(spans: Sequence[Span], flows: Flows, clock: Clock, now: int = 0) -> list[PlacedSpan]:
    """Return the spans in order of start, by the rules by which the codec places slices; none begins before `now`."""
    placed: list[PlacedSpan] = []
    opened: list[PlacedSpan] = []

    def end_last() -> None:
        nonlocal now
        last = opened.pop()
        last.end = now = max(now, last.end, last.start + 1)

    for span in spans:
        while opened and opened[-1].depth >= span.depth:
            end_last()
        now = max(now, clock.ns(span.start))
        flow = 0 if span.cut in ("start", "both") or flows.points_back(span.flow) else span.flow
        args = plain(span.args) | ({"cut": span.cut} if span.cut else {})
        name, category = clean(span.name), clean(span.category)
        opened.append(PlacedSpan(name, category, span.depth, now, clock.ns(span.end), flow, args, span.chain))
        placed.append(opened[-1])
        now += bool(flow or span.chain)  # what is in it begins later, as with the codec's slices
    while opened:
        end_last()
    return placed


def place_instants(instants: Sequence[Instant], clock: Clock) -> list[PlacedInstant]:
    return [
        PlacedInstant(clean(each.name), clean(each.category), clock.ns(each.tick), plain(each.args))
        for each in instants
    ]


def place_counters(process: Process, clock: Clock) -> list[PlacedCounter]:
    return [
        PlacedCounter(clean(each.name), clean(each.unit), [clock.ns(tick) for tick in each.ticks], each.values)
        for each in process.counters
    ]


def tell(lane: PlacedLane) -> Iterator[tuple[str, int, PlacedSpan | PlacedInstant]]:
    """Yield each span's begin ("B") and end ("E") and each instant ("i") with its time, in order of time.

    What happens at the moment of an instant happens before it, as readers of JSON see it too.
    """
    steps: list[tuple[str, int, PlacedSpan | PlacedInstant]] = []
    opened: list[PlacedSpan] = []
    for span in lane.spans:
        while opened and opened[-1].depth >= span.depth:
            steps.append(("E", opened[-1].end, opened.pop()))
        steps.append(("B", span.start, span))
        opened.append(span)
    while opened:
        steps.append(("E", opened[-1].end, opened.pop()))
    steps += [("i", instant.ns, instant) for instant in lane.instants]
    yield from sorted(steps, key=lambda step: step[1])  # stable


def labels(process: Process) -> list[str]:
    """Return what the process's arguments say, one text for each."""
    return [f"{key}: {value}" for key, value in plain(process.args).items()]


def plain(args: dict[str, Any]) -> dict[str, Any]:
    """Return arguments in types that every format has, without those that are None."""
    return {clean(str(key)): _plain(value) for key, value in args.items() if value is not None}


def clean(text: str) -> str:
    """Return the text as a trace can hold it: valid Unicode without NUL."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _plain(value: Any) -> Any:
    """Return the value as str, bool, float, 64-bit int, and lists and dicts of these."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool | float) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 63):
        return value
    if isinstance(value, dict):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value if item is not None]
    return clean(str(value))
