"""Spans and counters that programs tell of: rows, windows, and both trace formats as trace_processor reads them."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from pytest_timeline.export.span_lanes import SpanLanes
from pytest_timeline.timeline.model import Counter, Instant, Process, Span, Timeline, Track
from support import report
from support.timelines import CLOCK, TRACES, arguments, combine, drawn, slices, thread, timeline, write
from support.trace_processor import errors, missing, query

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

COUNTERS = """
    select t.name, process.pid, coalesce(t.unit, ''), c.ts, c.value from counter c
    join counter_track t on c.track_id = t.id left join process_counter_track p on p.id = t.id
    left join process using (upid) order by t.name, c.ts"""


@pytest.fixture(params=TRACES)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def said(start: int, end: int, name: str = "", cut: str = "", began: int = 0, **args: object) -> Span:
    """Return a span known by the tick at which it began, or by its start."""
    name = name or f"s{began or start}"
    return Span(name, "user", start, end, 0, dict(args), cut=cut, key=(began or start, began or start))


def saying(*spans: Span, name: str = "MainThread", id: int = 10, serial: int = 0) -> Track:
    track = thread(slices(), name=name, id=id, serial=serial)
    track.spans += spans
    return track


def window(start: int, end: int, *spans: Span, pid: int = 10) -> Timeline:
    return Timeline("test", start, end, [Process(pid, 1, "gw", 1, [saying(*spans, id=pid)])])


def spans(path: Path) -> list[tuple[int, int, str]]:
    return sorted((row.ts, row.dur, row.name) for row in drawn(path) if row.category == "user")


def test_overlapping_spans_have_rows_and_nested_ones_share_one(tmp_path: Path) -> None:
    main = saying(
        said(1_000, 9_000, "outer"),
        said(2_000, 4_000, "inner"),
        said(3_000, 5_000, "other"),
        said(5_000, 6_000, "next"),
        said(8_000, 9_500, "late", rows=3),
    )
    for format in TRACES:
        path = write(format, tmp_path, timeline(main))
        found = [(row.name, row.ts, row.dur, row.depth) for row in drawn(path)]
        assert sorted(found) == [
            ("inner", 1_000, 2_000, 1),
            ("late", 7_000, 1_500, 0),
            ("next", 4_000, 1_000, 1),
            ("other", 2_000, 2_000, 0),
            ("outer", 0, 8_000, 0),
        ]
        assert {row.track for row in drawn(path)} == {"spans of MainThread"}
        assert arguments(path) == [("late", "rows", "3")]


def test_any_spans_can_be_placed(tmp_path: Path) -> None:
    draw = random.Random(7)
    made = []
    for _ in range(600):
        start = draw.randint(1_000, 3_000)
        made.append(said(start, start + draw.choice([0, 1, 5, 50, 500])))
    track = saying(*sorted(made, key=lambda span: span.start))
    perfetto, chrome = (write(format, tmp_path, timeline(track)) for format in TRACES)
    assert spans(perfetto) == spans(chrome)
    expected = sorted(CLOCK.ns(span.start) for span in made)
    found = [ts for ts, _, _ in spans(perfetto)]
    assert max(abs(a - b) for a, b in zip(expected, found, strict=True)) <= 600
    for lane in SpanLanes(CLOCK).arrive(timeline(track)):
        opened: list[int] = []
        for span in lane.spans:
            del opened[span.depth :]
            assert not opened or span.end <= opened[-1]
            opened.append(span.end)


def test_a_span_of_several_windows_is_written_in_one_piece(tmp_path: Path, format: str) -> None:
    windows = [
        window(1_000, 5_000, said(2_000, 5_000, "long", "end", began=2_000), said(3_000, 4_000, "short")),
        window(5_000, 7_000, said(5_000, 7_000, "long", "both", began=2_000), said(5_500, 6_000, "short")),
        window(
            7_000,
            9_000,
            said(7_000, 8_000, "long", "start", began=2_000, rows=3),
            said(7_500, 9_000, "open", "end", began=7_500),
            said(8_000, 8_500, "short"),
        ),
    ]
    path = combine(format, tmp_path, *windows)
    assert spans(path) == [
        (1_000, 6_000, "long"),
        (2_000, 1_000, "short"),
        (4_500, 500, "short"),
        (6_500, 1_500, "open"),
        (7_000, 500, "short"),
    ]
    assert sorted(arguments(path)) == [("long", "rows", "3"), ("open", "cut", "end")]


def test_windows_of_workers_take_turns(tmp_path: Path, format: str) -> None:
    path = combine(
        format,
        tmp_path,
        window(1_000, 5_000, said(2_000, 5_000, "a", "end", began=2_000), pid=10),
        window(1_000, 6_000, said(2_000, 6_000, "b", "end", began=2_000), pid=20),
        window(5_000, 8_000, said(5_000, 7_000, "a", "start", began=2_000), pid=10),
        window(6_000, 9_000, said(6_000, 8_000, "b", "start", began=2_000), pid=20),
    )
    assert spans(path) == [(1_000, 5_000, "a"), (1_000, 6_000, "b")]


@pytest.mark.parametrize("seed", range(4))
def test_any_spans_of_any_windows_fit(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    starts = sorted(draw.randint(1_000, 9_000) for _ in range(150))
    whole = [(start, start + draw.choice([3, 40, 700, 5_000])) for start in starts]
    cuts = [1_000, *sorted(draw.sample(range(2_000, 9_000), 5)), 20_000]
    windows = []
    for first, last in itertools.pairwise(cuts):
        parts = []
        for number, (start, end) in enumerate(whole):
            if start < last and end > first:
                cut = {(True, True): "both", (True, False): "start", (False, True): "end"}
                part = said(max(start, first), min(end, last), f"s{number}", began=start)
                part.cut = cut.get((start < first, end > last), "")
                part.key = (number, start)
                parts.append(part)
        windows.append(window(first, last, *parts))
    perfetto, chrome = (combine(format, tmp_path, *windows) for format in TRACES)
    assert spans(perfetto) == spans(chrome)
    found = {name: (ts, dur) for ts, dur, name in spans(perfetto)}
    assert len(found) == len(whole)
    for number, (start, end) in enumerate(whole):
        ts, dur = found[f"s{number}"]
        assert abs(ts - CLOCK.ns(start)) <= 3
        assert abs(ts + dur - CLOCK.ns(end)) <= 3


def test_counters_are_of_their_process(tmp_path: Path) -> None:
    made = timeline(thread(slices((1_000, 9_000, 10, 0))))
    made.processes[0].counters = [
        Counter("queue", "", [2_000, 3_000], [1, -2]),
        Counter("rss", "MB", [2_500, 4_000], [1.5, 1 << 50]),
    ]
    made.processes.append(Process(4712, 4711, "child", 600, [], counters=[Counter("queue", "", [5_000], [7])]))
    for format in TRACES:
        path = write(format, tmp_path, made)
        assert errors(path) == []
        (rows,) = query(path, COUNTERS)
        assert [row[1::2] + row[4:] for row in rows] == [
            (4711, 1_000, 1),
            (4711, 2_000, -2),
            (4712, 4_000, 7),
            (4711, 1_500, 1.5),
            (4711, 3_000, 1 << 50),
        ], format
        assert [row[0].split()[0] for row in rows] == ["queue", "queue", "queue", "rss", "rss"]


def test_counters_go_on_in_a_combined_trace(tmp_path: Path, format: str) -> None:
    windows = [window(1_000, 5_000), window(5_000, 9_000)]
    for at, made in zip((2_000, 6_000), windows, strict=True):
        made.processes[0].counters = [Counter("queue", "items", [at], [at])]
    path = combine(format, tmp_path, *windows)
    assert errors(path) == []
    rows, tracks = query(path, COUNTERS, "select count() from counter_track where name glob 'queue*'")
    assert [row[3:] for row in rows] == [(1_000, 2_000), (5_000, 6_000)]
    assert tracks == [(1,)]


def test_the_page_has_them_below_their_thread(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    main = saying(said(1_000, 9_000, "outer", rows=3), said(2_000, 9_500, "other"), id=4711)
    main.instants.append(Instant("here", "user", 3_000, {"x": 1}))
    made = timeline(main, thread(slices((1_000, 2_000, 10, 0)), name="other", id=4712, serial=2))
    made.processes[0].counters = [Counter("queue", "items", [2_000], [1])]
    page = report.read(write("html", tmp_path / "tests", made))
    about = [(track["kind"], track["name"], track["parent"], track["slices"]) for track in page.head["tracks"]]
    assert about == [
        ("counter", "queue", None, 0),
        ("thread", "MainThread", None, 0),
        ("span", "spans of MainThread", 1, 1),
        ("span", "spans of MainThread", 1, 1),
        ("thread", "other", None, 1),
    ]
    assert page.model["rows"] == {
        "2": [[0, 8_000, 0, "outer", "user", {"rows": 3}]],
        "3": [[1_000, 8_500, 0, "other", "user", None]],
    }
    assert page.model["instants"] == [[1, 2_000, "here", "user", {"x": 1}]]
    assert page.model["counters"] == {"0": {"unit": "items", "ns": [1_000], "value": [1]}}
