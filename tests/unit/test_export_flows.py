"""Arrows are between the right two slices, the same in both formats, as trace_processor reads them."""

from __future__ import annotations

import bisect
import itertools
import random
from pathlib import Path

import pytest

from pytest_timeline._codec import flow_rows
from pytest_timeline.timeline.model import Clock, Flow, Instant, Process, Span, Timeline, Track
from support.timelines import (
    CLOCK,
    CUT_END,
    CUT_START,
    DIED,
    TRACES,
    Place,
    Row,
    arrows,
    combine,
    drawn,
    lane_of_processes,
    lane_of_test,
    random_rows,
    slices,
    thread,
    timeline,
    write,
)
from support.trace_processor import missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(params=TRACES)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def with_flows(track: Track, *flows: tuple[int, int, bool]) -> Track:
    track.flows += [Flow(*flow) for flow in flows]
    return track


OUT, IN = False, True


def two_threads(*flows: tuple[int, int, int]) -> Timeline:
    """Return slices f0 > f1, f2 of one thread and f3 > f4, f5 of another; flows are (id, tick out, tick in)."""
    first = slices((2_000, 8_000, 10, 0), (3_000, 4_000, 11, 1), (4_000, 5_000, 12, 1))
    second = slices((2_500, 9_000, 13, 0), (5_500, 7_000, 14, 1), (7_000, 8_000, 15, 1))
    out = with_flows(thread(first, name="one"), *((id, tick, OUT) for id, tick, _ in flows))
    into = with_flows(thread(second, name="two", id=4712, serial=2), *((id, tick, IN) for id, _, tick in flows))
    return timeline(out, into)


def between(path: Path) -> list[tuple[str, str]]:
    return [(out[3], into[3]) for out, into in arrows(path)]


def test_an_arrow_is_on_the_innermost_slices(tmp_path: Path, format: str) -> None:
    flows = [
        (1, 3_500, 6_000),  # f1 to f4
        (2, 4_000, 7_000),  # f2 to f5: those that start there
        (3, 5_000, 5_500),  # f0 to f4: nothing starts where f2 ends
        (4, 2_000, 2_500),  # f0 to f3
        (5, 6_000, 8_500),  # f0 to f3: after a child
        (6, 1_999, 6_000),  # out of nothing
        (7, 8_000, 9_000),  # into nothing
        (8, 4_500, 8_500),  # f3 began before f2, so the arrow would point back
    ]
    path = write(format, tmp_path, two_threads(*flows))
    assert len(drawn(path)) == 6
    assert between(path) == [("f0", "f3"), ("f0", "f3"), ("f0", "f4"), ("f1", "f4"), ("f2", "f5")]


def test_several_flows_on_a_slice_and_the_largest_id(tmp_path: Path, format: str) -> None:
    flows = [(2**63 - 1, 3_100, 6_000), (2**63 - 2, 3_900, 6_900), (1 << 32, 3_200, 7_100), (5, 2_000, 6_500)]
    path = write(format, tmp_path, two_threads(*flows))
    assert between(path) == [("f0", "f4"), ("f1", "f4"), ("f1", "f4"), ("f1", "f5")]
    assert len(drawn(path)) == 6


def test_slices_that_begin_together_keep_their_arrows(tmp_path: Path, format: str) -> None:
    first = slices((2_000, 8_000, 10, 0), (2_000, 8_000, 11, 1), (2_000, 2_000, 12, 2), (2_000, 2_000, 13, 2))
    second = slices((3_000, 8_000, 14, 0), (3_000, 8_000, 15, 1), (3_000, 3_000, 16, 2))
    made = timeline(
        with_flows(thread(first), (1, 2_500, OUT), (2, 2_000, OUT)),
        with_flows(thread(second, name="two", id=4712, serial=2), (1, 3_500, IN), (2, 3_000, IN)),
    )
    path = write(format, tmp_path, made)
    assert between(path) == [("f1", "f5"), ("f3", "f6")]
    assert [row[1:5] for row in drawn(path) if row.track == "two"] == [
        (2_000, 5_000, 0, "f4"),
        (2_000, 5_000, 1, "f5"),
        (2_001, 1, 2, "f6"),
    ]


def test_deeper_than_is_drawn_and_open_at_the_end(tmp_path: Path, format: str) -> None:
    rows: list[Row] = [(2_000 + depth, 9_000, 10 if depth < 511 else 11, depth, DIED) for depth in range(600)]
    into: list[Row] = [(8_000, 9_000, 12, 0), (9_000, 10_000, 13, 0, CUT_END)]
    made = timeline(
        with_flows(thread(slices(*rows)), (1, 2_590, OUT), (2, 9_000, OUT)),
        with_flows(thread(slices(*into), name="two", id=4712, serial=2), (1, 8_000, IN), (2, 10_000, IN)),
    )
    path = write(format, tmp_path, made)
    assert arrows(path) == [
        (("MainThread", 1_511, 511, "f1"), ("two", 7_000, 0, "f2")),
        (("MainThread", 1_511, 511, "f1"), ("two", 8_000, 0, "f3")),
    ]


def test_a_lane_is_entered(tmp_path: Path, format: str) -> None:
    made = two_threads((3, 3_500, 6_000))
    made.processes[0].tracks[0].flows += [Flow(1, 3_600, OUT), Flow(2, 4_100, OUT), Flow(4, 4_100, OUT)]
    lane = lane_of_processes(
        1,
        Span("sh", "process", 4_200, 6_000, 0, {"argv": ["sh", "-c", "true"], "exit": 0}, flow=1),
        Span("inner", "process", 4_200, 6_000, 1, flow=2),
        Span("before", "process", 6_000, 7_000, 0, flow=4, cut="start"),  # the flow enters where it began
    )
    made.lanes += [lane_of_test(Span("test_it", "test", 1_000, 9_000, 0)), lane]
    path = write(format, tmp_path, made)
    assert arrows(path) == [
        (("one", 2_000, 1, "f1"), ("processes", 3_200, 0, "sh")),
        (("one", 2_000, 1, "f1"), ("two", 4_500, 1, "f4")),
        (("one", 3_000, 1, "f2"), ("processes", 3_201, 1, "inner")),
    ]
    drawn(path)


@pytest.mark.parametrize(("clock", "shortest"), [(CLOCK, 1), (Clock(7, 1 / 2.9), 0), (Clock(7, 100.0), 0)])
def test_random_flows_are_the_same(tmp_path: Path, clock: Clock, shortest: int) -> None:
    draw = random.Random(17)
    rows = [random_rows(seed, 1_000, first=5_000, shortest=shortest) for seed in (1, 2, 3)]
    tracks = [thread(slices(*each), name=f"t{i}", id=4711 + i, serial=i + 1) for i, each in enumerate(rows)]
    made = timeline(*tracks[:2])
    made.processes.append(Process(99, 4711, "child", 600, tracks[2:]))

    def innermost(i: int, tick: int) -> int | None:
        started = bisect.bisect_right(rows[i], tick, key=lambda row: row[0])
        backwards = ((at, rows[i][at]) for at in reversed(range(started)))
        return next((at for at, row in backwards if row[1] > tick or row[0] == tick), None)

    ends: list[tuple[tuple[int, int], tuple[int, int]]] = []
    last = max(row[1] for each in rows for row in each)
    for id in range(1, 1_500):
        (i, j), out = draw.sample(range(3), 2), draw.randint(5_000, last)
        into = draw.choice([draw.randint(out, last), draw.choice([*(row[0] for row in rows[j] if row[0] > out), out])])
        tracks[i].flows.append(Flow(id, out, OUT))
        tracks[j].flows.append(Flow(id, into, IN))
        a, b = innermost(i, out), innermost(j, into)
        if a is None or b is None or clock.ns(rows[i][a][0]) >= clock.ns(rows[j][b][0]):
            continue
        ends.append(((i, a), (j, b)))
    assert len(ends) > 100
    for track in tracks:
        draw.shuffle(track.flows)

    traces = []
    for format in TRACES:
        path = write(format, tmp_path, made, clock)
        shown = drawn(path)
        places: list[list[Place]] = [
            [(row.track, row.ts, row.depth, row.name) for row in shown if row.track == f"t{i}"] for i in range(3)
        ]
        assert [len(each) for each in places] == [1_000] * 3
        found = arrows(path)
        assert found == sorted((places[i][a], places[j][b]) for (i, a), (j, b) in ends)
        traces.append((shown, found))
    assert traces[0] == traces[1]


def test_a_combined_trace_joins_windows_and_processes(tmp_path: Path, format: str) -> None:
    windows = []
    for number, start in enumerate(range(10_000, 60_000, 10_000)):
        for pid in (10, 20):
            id = pid * 100 + number
            # What calls goes on from window to window; each call is answered in a child, and in the next window.
            flags = (CUT_START if number else 0) | (CUT_END if number < 4 else 0)
            rows = [(start, start + 10_000, 10, 0, flags), (start + 1_000, start + 2_000, 11, 1)]
            rows += [(start + 3_000, start + 4_000, 12, 1)]
            caller = with_flows(
                thread(slices(*rows), name=f"main {pid}", id=pid),
                (id, start + 1_500, OUT),
                (id + 50, start + 1_600, OUT),
                (id + 49, start + 3_000, IN),
                (id + 70, start + 5_000, OUT),
                (id + 80, start + 6_000, OUT),
            )
            child = with_flows(
                thread(slices((start + 2_000, start + 9_000, 13, 0)), name=f"child {pid}", id=pid + 1),
                (id, start + 2_000, IN),
                (id + 70, start + 2_000, IN),
            )
            processes = [Process(pid, 1, "gw", 1, [caller]), Process(pid + 1, pid, "child", 2, [child])]
            windows.append(Timeline("test", start, start + 10_000, processes))
    path = combine(format, tmp_path, *windows)
    drawn(path)
    expected: list[tuple[Place, Place]] = []
    for start, pid in itertools.product(range(9_000, 59_000, 10_000), (10, 20)):
        call = (f"main {pid}", start + 1_000, 1, "f1")
        expected.append((call, (f"child {pid}", start + 2_000, 0, "f3")))
        if start < 49_000:
            expected.append((call, (f"main {pid}", start + 13_000, 1, "f2")))
        if start == 9_000:  # where it began; later its beginning is in another window
            expected.append(((f"main {pid}", start, 0, "f0"), (f"child {pid}", start + 2_000, 0, "f3")))
    assert arrows(path) == sorted(expected)


def test_many_flows_on_one_slice_and_after_many_children() -> None:
    children = [(2_000 + 10 * i, 2_005 + 10 * i, 11, 1) for i in range(50_000)]
    made = slices((1_000, 10_000_000, 10, 0), *children)
    flows = [Flow(id, 9_000_000 - id, OUT) for id in range(1, 100_001)]
    assert flow_rows(made, flows) == [(0, id, False, 1_000) for id in range(100_000, 0, -1)]


def test_instants_are_on_their_tracks(tmp_path: Path, format: str) -> None:
    made = two_threads((1, 3_500, 6_000))
    one, two = made.processes[0].tracks
    one.instants.append(Instant("log", "log", 3_000, {"level": "INFO"}))
    two.instants += [Instant("late", "log", 7_500), Instant("outside", "log", 9_500)]
    combined = combine(format, tmp_path, made)
    for path in (combined, write(format, tmp_path, made)):
        assert [(row.track, *row[1:5]) for row in drawn(path) if row.category == "log"] == [
            ("one", 2_000, 0, 2, "log"),
            ("two", 6_500, 0, 2, "late"),
            ("two", 8_500, 0, 0, "outside"),
        ]
        assert between(path) == [("f1", "f4")]
