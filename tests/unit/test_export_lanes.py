"""Lanes of processes: rows, spans that are cut, and what is said of a process, as trace_processor reads them."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import orjson
import pytest

from pytest_timeline.export.flows import Flows
from pytest_timeline.export.lane_seams import LaneSeams
from pytest_timeline.timeline.model import Flow, Lane, Process, Span, Timeline, Track
from support.timelines import (
    CLOCK,
    TRACES,
    arguments,
    arrows,
    combine,
    drawn,
    lane_of_processes,
    lane_of_test,
    names,
    slices,
    thread,
    timeline,
    write,
)
from support.trace_processor import missing, query

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(params=TRACES)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def window(start: int, end: int, *lanes: Lane, pid: int = 10) -> Timeline:
    main = thread(slices((start, end, 10, 0)), name=f"main {pid}", id=pid)
    return Timeline("test", start, end, [Process(pid, 1, "gw", 1, [main])], list(lanes))


def ran(pid: int, start: int, end: int, cut: str = "", flow: int = 0, **args: object) -> Span:
    """Return the span of a process that began at `pid`, seen from `start` to `end`."""
    return Span(f"p{pid}", "process", start, end, 0, dict(args), flow, cut=cut, key=(pid, pid))


def processes(path: Path) -> list[tuple[int, int, str]]:
    return sorted((row.ts, row.dur, row.name) for row in drawn(path) if row.category == "process")


def test_rows_lie_below_each_other_between_the_test_and_the_threads(tmp_path: Path) -> None:
    gil = Track("gil", "GIL", 0, 0, slices((2_000, 3_000, 10, 0)), names())
    made = timeline(thread(slices((1_000, 9_000, 10, 0))), gil)
    made.lanes += [
        lane_of_test(Span("test_it", "test", 1_000, 9_000, 0)),
        lane_of_processes(0, ran(1, 2_000, 5_000, "start", argv=["sh", "-c"], exit=0), ran(2, 5_000, 6_000)),
        lane_of_processes(1, ran(3, 3_000, 6_000, "end", signal="SIGKILL"), ran(4, 6_000, 6_000)),
    ]
    for format in TRACES:
        path = write(format, tmp_path, made)
        assert processes(path) == [(1_000, 3_000, "p1"), (2_000, 3_000, "p3"), (4_000, 1_000, "p2"), (5_000, 1, "p4")]
        assert [each for each in arguments(path) if each[0][0] == "p"] == [
            ("p1", "argv[0]", "sh"),
            ("p1", "argv[1]", "-c"),
            ("p1", "cut", "start"),
            ("p1", "exit", "0"),
            ("p3", "cut", "end"),
            ("p3", "signal", "SIGKILL"),
        ]
    (ranks,) = query(
        tmp_path / "t.pftrace.gz",
        """select coalesce(thread.name, track.name) from track join args on args.arg_set_id = track.source_arg_set_id
        left join thread_track on thread_track.id = track.id left join thread using (utid)
        where key = 'sibling_order_rank' order by int_value""",
    )
    assert [name for (name,) in ranks] == ["test", "processes", "processes", "GIL"]  # threads come last
    objects = orjson.loads(gzip.decompress((tmp_path / "t.json.gz").read_bytes()))["traceEvents"]
    named = {each["tid"]: each["args"]["name"] for each in objects if each["name"] == "thread_name"}
    sorts = {each["tid"]: each["args"]["sort_index"] for each in objects if each["name"] == "thread_sort_index"}
    assert [named[tid] for tid in sorted(sorts, key=sorts.__getitem__)] == [
        "test",
        "processes",
        "processes",
        "GIL",
        "MainThread",
    ]


def test_what_is_said_of_a_process(tmp_path: Path) -> None:
    made = timeline(thread(slices((1_000, 9_000, 10, 0))))
    made.processes[0].args = {"leaked_from": "test_a.py::test[é]", "clock_error_us": 12.5, "not known": None}
    said = ["leaked_from: test_a.py::test[é]", "clock_error_us: 12.5"]
    (found,) = query(
        write("perfetto", tmp_path, made),
        "select display_value from process join args using (arg_set_id) where pid = 4711 order by key",
    )
    assert [value for (value,) in found] == said
    path = write("chrome", tmp_path, made)
    assert len(drawn(path)) == 1
    objects = orjson.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    assert [each["args"] for each in objects if each["name"] == "process_labels"] == [{"labels": ",".join(said)}]


def test_a_span_that_is_cut_is_written_whole(tmp_path: Path, format: str) -> None:
    first = window(
        1_000, 10_000, lane_of_processes(0, ran(1, 2_000, 10_000, "end", 7, argv=["a"]), ran(2, 3_000, 4_000))
    )
    first.processes[0].tracks[0].flows.append(Flow(7, 1_500, False))
    path = combine(
        format,
        tmp_path,
        first,
        window(10_000, 20_000, lane_of_processes(0, ran(1, 10_000, 20_000, "both", 7, argv=["a"]))),
        # Here it has another row, and one that was not cut has its.
        window(
            20_000,
            30_000,
            lane_of_processes(0, ran(3, 20_000, 29_000)),
            lane_of_processes(1, ran(1, 20_000, 25_000, "start", argv=["a"], exit=3), ran(4, 25_000, 30_000, "end")),
        ),
        window(30_000, 40_000, lane_of_processes(0, ran(5, 30_000, 31_000, "start"))),
    )
    assert processes(path) == [
        (1_000, 23_000, "p1"),
        (2_000, 1_000, "p2"),
        (19_000, 9_000, "p3"),
        (24_000, 5_000, "p4"),
        (29_000, 1_000, "p5"),
    ]
    assert [each for each in arguments(path) if each[0][0] == "p"] == [
        ("p1", "argv[0]", "a"),
        ("p1", "exit", "3"),
        ("p4", "cut", "end"),
        ("p5", "cut", "start"),
    ]
    assert [(out[3], into[3]) for out, into in arrows(path)] == [("f0", "p1")]


def test_what_lies_within_a_span_that_is_cut(tmp_path: Path, format: str) -> None:
    path = combine(
        format,
        tmp_path,
        window(
            1_000, 10_000, lane_of_processes(0, ran(1, 2_000, 10_000, "end"), Span("in", "process", 2_000, 10_000, 1))
        ),
        window(
            10_000,
            20_000,
            lane_of_processes(0, ran(1, 10_000, 11_000, "start"), Span("in", "process", 10_000, 12_000, 1)),
        ),
    )
    assert [row[1:5] for row in drawn(path) if row.category == "process"] == [
        (1_000, 10_000, 0, "p1"),
        (1_001, 7_999, 1, "in"),
        (9_000, 2_000, 1, "in"),
    ]


def test_random_processes_cut_into_windows_are_those_that_were_not(tmp_path: Path) -> None:
    draw = random.Random(3)
    lives = [(start := draw.randint(1_000, 90_000), start + draw.choice([0, 1, 50, 5_000, 40_000])) for _ in range(200)]
    windows = []
    for start in range(0, 140_000, 10_000):
        for worker in (10, 20):  # two take turns
            seen = [(pid, *life) for pid, life in enumerate(lives, 1) if life[0] < start + 10_000 and life[1] >= start]
            rows = [
                ran(
                    pid * 1_000 + worker,
                    max(begin, start),
                    min(end, start + 10_000),
                    {(0, 0): "", (1, 0): "start", (0, 1): "end", (1, 1): "both"}[begin < start, end >= start + 10_000],
                )
                for pid, begin, end in sorted(seen, key=lambda each: each[1])
            ]
            lanes = [lane_of_processes(row, each) for row, each in enumerate(rows)]
            windows.append(window(start, start + 10_000, *lanes, pid=worker))
    for format in TRACES:
        assert processes(combine(format, tmp_path, *windows)) == sorted(
            (begin - 1_000, max(end - begin, 1), f"p{pid * 1_000 + worker}")
            for pid, (begin, end) in enumerate(lives, 1)
            for worker in (10, 20)
        )


def test_nothing_is_kept_of_spans_that_are_over() -> None:
    seams = LaneSeams(CLOCK)
    for start in range(2_000, 500_000, 1_000):
        made = window(
            start,
            start + 1_000,
            lane_of_test(Span("test", "test", start, start + 1_000, 0)),
            lane_of_processes(0, ran(start, start + 500, start + 1_000, "end")),
            lane_of_processes(
                1, ran(start - 1_000, start, start + 700, "start"), ran(start + 1, start + 800, start + 900)
            ),
        )
        seams.arrive(made, Flows(made, CLOCK))
    assert len(seams._open) == 1
    assert sorted(len(rows) for rows in seams._taken.values()) == [1, 2]
    assert [lane.spans[0].args for lane in seams.rest()] == [{"cut": "end"}]
