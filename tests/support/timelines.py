"""Makes timelines without a recording, and reads back what trace_processor finds in their traces."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pytest_timeline._codec import Names, Slices
from pytest_timeline.export import make
from pytest_timeline.timeline.model import Clock, Instant, Lane, Process, Span, Timeline, Track
from support.trace_processor import ERRORS, query

RESUMED, YIELDED, THROWN, CUT_START, CUT_END, HEALED, DIED = (1 << bit for bit in range(7))
STRING, CODE, CALLABLE, WAIT = 16, 17, 18, 256
SLEEP, RUNNING, READY, WAITING = ((1 << 31) + i for i in range(4))  # names that the reader makes
TRACES = ("perfetto", "chrome")  # the formats that trace_processor reads
CLOCK = Clock(1_000, 1.0)  # ticks are nanoseconds

Row = tuple[int, ...]
"""start, end, name, depth, and optionally flags, raised, folded, folded_ticks."""


def slices(*rows: Row) -> Slices:
    made = Slices()
    for row in rows:
        made.add(*row)
    return made


def names(**extra: str) -> Names:
    """Return names: 1 the file, 10 to 19 functions f0 to f9, 20 to 29 C callables c0 to c9, 30 ValueError; waits."""
    made = Names()
    made.add(1, "src/a.py")
    for i in range(10):
        made.add(10 + i, f"f{i}", CODE, 1, 100 + i)
        made.add(20 + i, f"c{i}", CALLABLE)
    made.add(30, "ValueError")
    made.add(SLEEP, "await asyncio.sleep", WAIT, 1, 7)
    made.add(RUNNING, "running")
    made.add(READY, "ready", WAIT)
    made.add(WAITING, "waiting", WAIT)
    return made


def thread(
    made: Slices, known: Names | None = None, *, name: str = "MainThread", id: int = 4711, serial: int = 1
) -> Track:
    return Track("thread", name, id, serial, made, known or names())


def task(under: Track, serial: int, name: str, frames: Slices, states: Slices) -> tuple[Track, Track]:
    """Return a task of the thread, and its state."""
    made = Track("task", f"Task-{serial} ({name})", under.native_id, serial, frames, names(), under=under)
    return made, Track("state", "state", under.native_id, serial, states, names(), under=made)


def timeline(*tracks: Track, start: int = 1_000, end: int = 1_000_000, **fields: Any) -> Timeline:
    """Return a timeline of one process; `tracks` are its."""
    return Timeline("test_it", start, end, [Process(4711, 1, "pytest", 500, list(tracks))], **fields)


def lane_of_test(*spans: Span, instants: Sequence[Instant] = ()) -> Lane:
    return Lane("test", "test", 0, list(spans), list(instants))


def lane_of_processes(row: int, *spans: Span) -> Lane:
    return Lane("process", "processes", row, list(spans))


def write(format: str, directory: Path, made: Timeline, clock: Clock = CLOCK) -> Path:
    """Write the timeline in the format, alone in the directory or beside others; return the file."""
    exporter = make(format)
    path = directory / f"t{exporter.suffix}"
    exporter.write(made, clock, path)
    return path


def combine(format: str, directory: Path, *windows: Timeline) -> Path:
    """Write a combined trace of the windows, whose file appears when it is whole; return it."""
    exporter = make(format)
    path = directory / f"combined{exporter.suffix}"
    trace = exporter.combined(path, CLOCK)
    for window in windows:
        trace.add(window)
    assert not path.exists()
    trace.close()
    return path


def random_rows(seed: int, count: int, *, first: int, shortest: int) -> list[Row]:
    """Return a random tree of slices; `shortest` 0 has many of no duration and many that touch."""
    draw = random.Random(seed)
    rows: list[Row] = []

    def fill(start: int, end: int, depth: int) -> None:
        now = start
        while len(rows) < count:
            now += draw.choice([0, 0, 1, draw.randint(0, 50)])
            if now + shortest > end:
                return
            last = draw.choice([now + shortest, now + shortest, end, draw.randint(now + shortest, end)])
            flags = draw.choice([0, 0, 0, RESUMED, YIELDED, THROWN, HEALED])
            rows.append(
                (now, last, draw.randint(10, 29), depth, flags, 30 * draw.randint(0, 1), draw.choice([0, 0, 3]), 7)
            )
            if depth < 40:
                fill(now, last, depth + 1)
            now = last
            if draw.random() < 0.2:
                return

    while len(rows) < count:
        fill(first, first + draw.randint(1, 3_000), 0)
        first += 3_000 + draw.randint(0, 2)
    return rows


class Drawn(NamedTuple):
    """A slice as trace_processor has it; in order of track, time and depth."""

    track: str
    ts: int
    dur: int
    depth: int
    name: str
    category: str


SLICES = """
    select coalesce(thread.name, track.name), slice.ts, slice.dur, slice.depth, slice.name, slice.category
    from slice join track on slice.track_id = track.id
    left join thread_track on thread_track.id = track.id left join thread using (utid)
    order by 1, slice.ts, slice.depth, slice.id"""
ARGUMENTS = """
    select slice.name, replace(replace(replace(replace(key, 'debug.', ''), 'args.', ''), 'source.file_name', 'file'),
        'source.line_number', 'line'), display_value
    from slice join args using (arg_set_id) where key not in ('source.function_name', 'source_location_iid')
    order by slice.ts, slice.depth, slice.name, 2"""

ARROWS = """
    with drawn as (
        select slice.id, coalesce(thread.name, track.name) as track, slice.ts, slice.depth, slice.name
        from slice join track on slice.track_id = track.id
        left join thread_track on thread_track.id = track.id left join thread using (utid))
    select a.track, a.ts, a.depth, a.name, b.track, b.ts, b.depth, b.name
    from flow join drawn as a on a.id = slice_out join drawn as b on b.id = slice_in"""


def drawn(path: Path) -> list[Drawn]:
    """Return every slice of the trace, in which trace_processor must find nothing wrong."""
    errors, rows = query(path, ERRORS, SLICES)
    assert errors == []
    return [Drawn(*row) for row in rows]


def arguments(path: Path) -> list[tuple[str, str, str]]:
    """Return (slice, key, value) of every argument; where formats keep the place differently, as Chrome has it."""
    (rows,) = query(path, ARGUMENTS)
    return [(name, key, value) for name, key, value in rows]


Place = tuple[str, int, int, str]
"""track, ns at which the slice starts, its depth and its name"""


def arrows(path: Path) -> list[tuple[Place, Place]]:
    """Return every arrow of the trace: the slice that it leaves and the one that it enters, in order."""
    (rows,) = query(path, ARROWS)
    return sorted((row[:4], row[4:]) for row in rows)  # type: ignore[misc]
