"""What calls were given and gave back: from records to slices, whatever becomes of these, and into every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_timeline._codec import Slices, Spool
from pytest_timeline.timeline.model import Process, Timeline, Track
from support import spool_writer as w
from support.report import read as read_page
from support.timelines import TRACES, write
from support.trace_processor import ERRORS, missing, query

END = 1 << 60
F, G, H = 1, 2, 3
Told = dict[str, tuple[dict[str, str], str | None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1-1.spool"


@pytest.fixture
def writer(path: Path) -> w.SpoolWriter:
    writer = w.SpoolWriter(path, start=1)
    for id, name in (F, "f"), (G, "g"), (H, "h"):
        writer.code(1, id, name)
    return writer


def call(writer: w.SpoolWriter, at: int, depth: int, id: int, **arguments: str) -> None:
    writer.record(at, w.START, depth, id)
    writer.arguments(at, id, **arguments)


def back(writer: w.SpoolWriter, at: int, depth: int, id: int, result: str) -> None:
    writer.result(at, id, result)
    writer.record(at, w.RETURN, depth, id)


def read(path: Path, tick: int = END, **options: int) -> Slices:
    spool = Spool(str(path), **options)
    while spool.drain(END) is not None:
        pass
    return cut(spool, tick)


def cut(spool: Spool, tick: int = END) -> Slices:
    ((*_, slices),) = spool.cut(tick)[0]
    return slices


def told(slices: Slices) -> list[tuple[int, dict[str, str], str | None]]:
    """Return (start, arguments, result) of each slice that tells."""
    rows = slices.rows()
    return [(rows[row][0], *what) for row, what in slices.values().items()]


def test_each_slice_has_its_own(path: Path, writer: w.SpoolWriter) -> None:
    call(writer, 10, 5, F, a="1", b="'x'")
    call(writer, 20, 6, F, a="2")
    writer.record(25, w.START, 7, G)
    writer.record(26, w.RETURN, 7, G)
    back(writer, 30, 6, F, "3")
    writer.record(31, w.START, 6, H)
    writer.result(35, H, "'h'")
    writer.record(35, w.RETURN, 6, H)
    call(writer, 36, 6, F)
    writer.record(38, w.UNWIND, 6, F)
    back(writer, 40, 5, F, "4")
    assert told(read(path)) == [
        (10, {"a": "1", "b": "'x'"}, "4"),
        (20, {"a": "2"}, "3"),
        (31, {}, "'h'"),
        (36, {}, None),
    ]


def test_what_belongs_to_no_open_frame_is_left_out(path: Path, writer: w.SpoolWriter) -> None:
    writer.arguments(5, F, a="0")
    writer.result(6, F, "0")
    call(writer, 10, 5, F, a="1")
    writer.arguments(11, G, a="9")
    writer.record(20, w.START, 6, G)
    writer.arguments(21, F, a="9")
    back(writer, 40, 5, F, "4")
    assert told(read(path)) == [(10, {"a": "1"}, "4")]


def test_an_open_slice_takes_its_arguments_along(path: Path, writer: w.SpoolWriter) -> None:
    call(writer, 10, 5, F, a="1")
    call(writer, 20, 6, G, b="2")
    back(writer, 30, 6, G, "3")
    call(writer, 60, 6, H, c="4")
    back(writer, 70, 5, F, "5")
    spool = Spool(str(path))
    assert spool.drain(50) is None
    ((*_, shot),) = spool.snapshot(50)[0]
    first = cut(spool, 50)
    assert told(shot) == told(first) == [(10, {"a": "1"}, None), (20, {"b": "2"}, "3")]
    assert spool.drain(END) is None
    assert told(cut(spool)) == [(50, {"a": "1"}, "5"), (60, {"c": "4"}, None)]


@pytest.mark.parametrize("options", [{"min_ticks": 5}, {"max_slices": 4}])
def test_those_of_folded_slices_are_counted(path: Path, writer: w.SpoolWriter, options: dict[str, int]) -> None:
    call(writer, 10, 5, F, a="whole")
    for n in range(6):
        call(writer, 100 * n + 20, 6, G, a=str(n))
        call(writer, 100 * n + 22, 7, H, a=str(n))
        back(writer, 100 * n + 24, 7, H, "short")
        back(writer, 100 * n + (90 if n == 3 else 25), 6, G, "g" + str(n))
    back(writer, 1000, 5, F, "end")
    slices = read(path, **options)
    kept = told(slices)
    assert (10, {"a": "whole"}, "end") in kept
    assert (320, {"a": "3"}, "g3") in kept
    assert len(kept) + slices.values_lost == 13
    assert len(kept) == len(slices)
    assert all(f"g{arguments['a']}" == result for start, arguments, result in kept if start % 100 == 20)


def test_they_are_bounded(path: Path, writer: w.SpoolWriter) -> None:
    text = "x" * 1000
    for n in range(6000):
        call(writer, 10 + 2 * n, 5, F, a=text)
        writer.record(11 + 2 * n, w.RETURN, 5, F)
    slices = read(path)
    assert len(slices) == 6000
    assert slices.values_bytes <= 4 << 20
    assert len(slices.values()) + slices.values_lost == 6000
    assert slices.values_lost > 1000


def test_a_task_has_them_too(path: Path, writer: w.SpoolWriter) -> None:
    writer.code(2, 9, "wait", flags=0x80)
    writer.task(3, 7, "Task-1", created=True)
    writer.record(10, w.STEP, 5, 7)
    call(writer, 10, 5, 9, n="1")
    call(writer, 11, 6, F, a="2")
    back(writer, 12, 6, F, "3")
    writer.record(13, w.YIELD, 5, 9)
    writer.record(20, w.STEP, 5, 7)
    writer.record(20, w.RESUME, 5, 9)
    back(writer, 30, 5, 9, "'done'")
    spool = Spool(str(path))
    assert spool.drain(END) is None
    ((*_, slices),), _, tasks = spool.cut(END)
    assert tasks is not None
    frames = tasks[0][0][13]
    assert told(frames) == [(10, {"n": "1"}, "'done'")]
    assert told(slices) == [(10, {"n": "1"}, None), (11, {"a": "2"}, "3"), (20, {}, "'done'")]


def test_which_patterns_matched(path: Path, writer: w.SpoolWriter) -> None:
    writer.matched(5, 0)
    writer.matched(6, 3)
    writer.matched(7, 64)
    spool = Spool(str(path))
    assert spool.drain(END) is None
    assert spool.matched == 0b1001


@pytest.mark.parametrize("data", [b"a", b"a\0", b"a\0b", b"\0", b"a\0b\0c", b"\xff\0\xfe\0", b"\0\0\0"])
def test_damage(path: Path, writer: w.SpoolWriter, tmp_path: Path, data: bytes) -> None:
    writer.record(1010, w.START, 5, F)
    writer.payload(1010, w.ARGS, F, data)
    back(writer, 1040, 5, F, "\\udcff")
    made = made_of(path)
    for format in ("html", *TRACES):
        (tmp_path / format / "tests").mkdir(parents=True)
        write(format, tmp_path / format / "tests", made)


def made_of(path: Path) -> Timeline:
    spool = Spool(str(path))
    while spool.drain(END) is not None:
        pass
    slices = cut(spool)
    track = Track("thread", "MainThread", 4711, 1, slices, spool.names)
    return Timeline("test_it", 1_000, 10_000, [Process(4711, 1, "pytest", 500, [track])])


@pytest.fixture
def made(path: Path, writer: w.SpoolWriter) -> Timeline:
    call(writer, 2_000, 5, F, a="'\"quoted\\'", **{"*rest": "(1, 2)", "ü": "'\U0001f600'"})
    call(writer, 3_000, 6, G)
    back(writer, 4_000, 6, G, "None")
    call(writer, 4_000, 6, H, n="1")
    writer.record(5_000, w.UNWIND, 6, H)
    back(writer, 6_000, 5, F, "'line'")
    return made_of(path)


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("format", TRACES)
def test_in_traces(tmp_path: Path, made: Timeline, format: str) -> None:
    sql = """
        SELECT slice.name, args.key, args.string_value AS value FROM slice JOIN args USING (arg_set_id)
        WHERE args.key GLOB '*arguments*' OR args.key GLOB '*returned*' ORDER BY ts, args.key
    """
    file = write(format, tmp_path, made)
    found, errors = query(file, sql, ERRORS)
    assert errors == []
    assert {(name, key.partition(".")[2], value) for name, key, value in found} == {
        ("f", "arguments.a", "'\"quoted\\'"),
        ("f", "arguments.*rest", "(1, 2)"),
        ("f", "arguments.ü", "'\U0001f600'"),
        ("f", "returned", "'line'"),
        ("g", "returned", "None"),
        ("h", "arguments.n", "1"),
    }


def test_in_a_page(tmp_path: Path, made: Timeline) -> None:
    (tmp_path / "tests").mkdir()
    model = read_page(write("html", tmp_path / "tests", made)).model
    assert model["values"] == {
        "0": [
            [1_000, 0, {"a": "'\"quoted\\'", "*rest": "(1, 2)", "ü": "'\U0001f600'"}, "'line'"],
            [2_000, 1, {}, "None"],
            [3_000, 1, {"n": "1"}],
        ]
    }
