"""The lanes of what programs say they do, below the thread that said so: in each row spans nest or lie side by side.

In a trace of many windows a span that is cut is written in one piece, when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pytest_timeline.export.lanes import PlacedLane, PlacedSpan, clean, plain
from pytest_timeline.timeline.model import Clock, Process, Span, Timeline, Track

KIND, COLLECTOR = "span", "gc"  # of a lane; the latter has the garbage collector's runs
TAKEN = 1 << 64  # ns: until nobody knows when
LEVELS = 500  # readers of traces have their limit at 512


@dataclass(slots=True)
class _Placed:
    """A span in its row, from the moment it begins until something begins there after its end."""

    row: int
    span: PlacedSpan
    end: int  # ns
    reached: int  # ns: it ends no earlier


@dataclass(slots=True)
class _Lanes:
    """The rows of one thread."""

    empty: PlacedLane  # with nothing in it
    rows: list[list[_Placed]] = field(default_factory=list)  # what is open in each, outermost first
    going_on: dict[tuple[int, int], _Placed] = field(default_factory=dict)  # by the span's key

    def take(self, span: PlacedSpan, end: int) -> _Placed:
        """Give the span the first row where it has room from its start to `end`."""
        for row, opened in enumerate(self.rows):  # noqa: B007 - the last one is used below
            while opened and opened[-1].end <= span.start:
                opened.pop()
            if not opened:
                break
            outer = opened[-1]
            start = max(span.start, outer.span.start + 1)
            if max(end, start + 1) <= outer.end and end < TAKEN and len(opened) < LEVELS:
                span.start = start
                outer.reached = max(outer.reached, end, start + 1)
                break
        else:
            row, opened = len(self.rows), []
            self.rows.append(opened)
        span.depth = len(opened)
        opened.append(_Placed(row, span, max(end, span.start + 1), span.start + 1))
        return opened[-1]


class SpanLanes:
    """Places the spans of a timeline, or of the windows of one trace where they are `joined`."""

    def __init__(self, clock: Clock, *, joined: bool = False) -> None:
        self._clock = clock
        self._joined = joined
        self._lanes: dict[tuple[int, int, int, str], _Lanes] = {}  # by process, its start, the thread's serial, kind
        self._numbers: dict[tuple[int, int], int] = {}  # by process and its start: lanes so far
        self._places: dict[tuple[int, int, int, str, int], int] = {}  # by the same, serial, kind, row

    def arrive(self, timeline: Timeline) -> list[PlacedLane]:
        """Return what can be written of a window, in order of its tracks."""
        return [
            lane
            for process in timeline.processes
            for track in process.tracks
            if track.spans
            for kind in (COLLECTOR, KIND)
            for lane in self._arrive(process, track, kind)
        ]

    def rest(self) -> Iterator[PlacedLane]:
        """Yield what is still open at the end of the run, cut off there."""
        for lanes in self._lanes.values():
            for placed in lanes.going_on.values():
                placed.span.end = placed.reached
                placed.span.args["cut"] = "both" if "cut" in placed.span.args else "end"
                yield self._lane(lanes, placed.row, [placed.span])

    def _arrive(self, process: Process, track: Track, kind: str) -> list[PlacedLane]:
        spans = [span for span in track.spans if (span.category == COLLECTOR) == (kind == COLLECTOR)]
        if not spans:
            return []
        key = process.pid, process.start, track.serial, kind
        lanes = self._lanes.get(key)
        name = f"{'GC in' if kind == COLLECTOR else 'spans of'} {clean(track.name)}"
        if lanes is None:
            empty = PlacedLane(process.pid, process.start, kind, name, 0, thread=track.serial)
            lanes = self._lanes[key] = _Lanes(empty)
        lanes.empty.name = name
        written: dict[int, list[PlacedSpan]] = {}
        for span in sorted(spans, key=lambda span: (span.start, -span.end)):
            if (placed := self._place(lanes, span)) is not None:
                written.setdefault(placed.row, []).append(placed.span)
        return [self._lane(lanes, row, written[row]) for row in sorted(written)]

    def _place(self, lanes: _Lanes, span: Span) -> _Placed | None:
        """Return the span with its row; None while it goes on."""
        start, end = self._clock.ns(span.start), self._clock.ns(span.end)
        goes_on = self._joined and span.cut in ("end", "both") and span.key is not None
        placed = lanes.going_on.pop(span.key, None) if span.key is not None else None
        args = plain(span.args)
        if placed is None:
            cut = span.cut if not self._joined else "start" if span.cut in ("start", "both") else ""
            args |= {"cut": cut} if cut else {}
            made = PlacedSpan(clean(span.name), clean(span.category), 0, start, end, 0, args)
            placed = lanes.take(made, TAKEN if goes_on else end)
        else:
            placed.span.args |= args
        if goes_on:
            assert span.key is not None
            placed.reached = max(placed.reached, end)
            lanes.going_on[span.key] = placed
            return None
        placed.span.end = placed.end = max(end, placed.reached)
        return placed

    def _lane(self, lanes: _Lanes, row: int, spans: list[PlacedSpan]) -> PlacedLane:
        empty = lanes.empty
        process = empty.pid, empty.process_start
        place = (*process, empty.thread, empty.kind, row)
        if place not in self._places:
            self._places[place] = self._numbers[process] = self._numbers.get(process, -1) + 1
        return replace(empty, row=row, number=self._places[place], spans=spans, instants=[])
