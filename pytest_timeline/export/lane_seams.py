"""Where the windows of a combined trace meet, for lanes: a span that is cut is written in one piece, when it ends.

The rows of processes are laid out anew, for a window does not know which rows are taken in others. A lane is known
by the process that it is drawn below, since the windows of several workers take turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_timeline.export.flows import Flows
from pytest_timeline.export.lanes import PlacedLane, PlacedSpan, below, place, place_instants, place_lane
from pytest_timeline.timeline.model import Clock, Lane, Span, Timeline

TAKEN = 1 << 64  # ns: until nobody knows when


@dataclass(slots=True)
class _Open:
    """A span that goes on after the newest window, with its row."""

    lane: PlacedLane  # with nothing in it
    span: PlacedSpan  # its parts so far, as one
    reached: int  # ns; what comes within it begins no earlier


class LaneSeams:
    """What is open in every lane, and how far each row is taken. It never holds spans that are over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[tuple[int, int], _Open] = {}  # by the span's key
        self._taken: dict[tuple[int, int, str], list[int]] = {}  # process, its start, kind: ns for each row

    def arrive(self, timeline: Timeline, flows: Flows) -> list[PlacedLane]:
        """Return what can be written of a window's lanes; nothing if there is no process to draw them below."""
        lanes: dict[tuple[int, int, str, int], PlacedLane] = {}
        cut: list[tuple[PlacedLane, list[Span]]] = []

        def written(lane: PlacedLane) -> PlacedLane:
            """Return the row of this window that `lane` is."""
            key = (lane.pid, lane.process_start, lane.kind, lane.row)
            return lanes.setdefault(key, replace(lane, spans=[], instants=[]))

        for lane in timeline.lanes if timeline.processes else []:
            empty = below(timeline.processes[0], lane, lane.row)
            written(empty).instants += place_instants(lane.instants, self._clock)
            if lane.kind == "test":
                taken = self._rows(empty)
                taken += [0] * (lane.row + 1 - len(taken))
                written(empty).spans = place_lane(timeline, lane, flows, self._clock, taken[lane.row])
                taken[lane.row] = max([taken[lane.row], *(span.end for span in written(empty).spans)])
            else:
                cut += [(empty, group) for group in _groups(lane)]
        for empty, group in sorted(cut, key=lambda each: each[1][0].start):
            at, spans = self._join(empty, group, flows)
            written(at).spans += spans
        return [lane for lane in lanes.values() if lane.spans or lane.instants]

    def rest(self) -> Iterator[PlacedLane]:
        """Yield what is still open at the end of the run, cut off there."""
        for opened in self._open.values():
            opened.span.end = max(opened.span.end, opened.reached)
            opened.span.args["cut"] = "both" if "cut" in opened.span.args else "end"
            yield replace(opened.lane, spans=[opened.span])

    def _rows(self, lane: PlacedLane) -> list[int]:
        return self._taken.setdefault((lane.pid, lane.process_start, lane.kind), [])

    def _join(self, lane: PlacedLane, group: list[Span], flows: Flows) -> tuple[PlacedLane, list[PlacedSpan]]:
        """Return what can be written of a span and those within it, and in which row."""
        outer, *inner = group
        goes_on = outer.key is not None and outer.cut in ("end", "both")
        opened = self._open.pop(outer.key, None) if outer.key is not None else None
        if opened is None and not goes_on:
            spans = place(group, flows, self._clock)
            lane = replace(lane, row=self._take(lane, spans[0].start, spans[0].end))
            return lane, spans
        [span] = place([outer], flows, self._clock)
        began_before = span.args.pop("cut", "end") != "end"
        if opened is None:
            opened = _Open(replace(lane, row=self._take(lane, span.start, TAKEN)), span, span.start + 1)
            if began_before:
                span.args["cut"] = "start"
        else:
            opened.span.end = span.end
            opened.span.args |= span.args
        spans = place(inner, flows, self._clock, opened.reached)
        opened.reached = max([opened.reached, *(each.end for each in spans)])
        if goes_on:
            assert outer.key is not None
            self._open[outer.key] = opened
            return opened.lane, spans
        opened.span.end = max(opened.span.end, opened.reached)
        self._rows(opened.lane)[opened.lane.row] = opened.span.end
        return opened.lane, [opened.span, *spans]

    def _take(self, lane: PlacedLane, start: int, end: int) -> int:
        """Return the first row that is free from `start` on, which is taken until `end` from now on."""
        rows = self._rows(lane)
        for row, until in enumerate(rows):
            if until <= start:
                rows[row] = end
                return row
        rows.append(end)
        return len(rows) - 1


def _groups(lane: Lane) -> Iterator[list[Span]]:
    """Yield each outermost span with those within it."""
    group: list[Span] = []
    for span in lane.spans:
        if span.depth == 0 and group:
            yield group
            group = []
        group.append(span)
    if group:
        yield group
