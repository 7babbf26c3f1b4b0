"""A test's timeline as a tree: what is merged, what is left out, and how it is said."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline.read import read
from pytest_timeline.read.model import Trace, Track, all_tests
from pytest_timeline.show.calls import Call, merged
from pytest_timeline.show.choice import Choice
from pytest_timeline.show.tree import LINES, Style, tree
from pytest_timeline.text import precise
from pytest_timeline.timeline.model import Instant, Process, Span, Timeline
from pytest_timeline.timeline.model import Track as Made
from support.timelines import (
    CUT_START,
    DIED,
    READY,
    RUNNING,
    SLEEP,
    THROWN,
    WAITING,
    Row,
    lane_of_processes,
    lane_of_test,
    names,
    random_rows,
    slices,
    task,
    thread,
    timeline,
    write,
)

MS = 1_000_000


def ms(start: float, end: float, *more: int) -> Row:
    return (1_000 + round(start * MS), 1_000 + round(end * MS), *more)


def span(name: str, start: float, end: float, depth: int, category: str = "test", **args: Any) -> Span:
    return Span(name, category, *ms(start, end), depth, args)


def recorded(
    *tracks: Made, phases: list[Span] | None = None, instants: list[Instant] | None = None, **args: Any
) -> Timeline:
    spans = [span("test_a.py::test_x", 0, 100, 0, file="test_a.py", line=3), *(phases or [span("call", 1, 99, 1)])]
    made = timeline(*tracks, end=1_000 + 100 * MS, lanes=[lane_of_test(*spans, instants=instants or [])])
    made.name, made.args = "test_a.py::test_x", {"outcome": "passed"} | args
    return made


def shown(tmp_path: Path, made: Timeline, style: Style | None = None, about: str = "", **choice: Any) -> list[str]:
    trace = read(write("html", tmp_path, made))
    (test,) = all_tests(trace)
    return list(tree(trace, test, about, Choice(**choice), style or Style(80)))


def naive(trace: Trace, track: Track) -> Counter[tuple[str, ...]]:
    """Return the ns of each path of names; a parent is found by looking back."""
    found: Counter[tuple[str, ...]] = Counter()
    paths: list[tuple[str, ...]] = []
    for row, depth in enumerate(track.depths):
        above = next((paths[at] for at in range(row - 1, -1, -1) if track.depths[at] == depth - 1), ()) if depth else ()
        paths.append((*above, trace.names[track.names[row]].text))
        found[paths[-1]] += track.ends[row] - track.starts[row]
    return found


def totals(trace: Trace, call: Call, above: tuple[str, ...] = ()) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for inner in call.calls.values():
        path = (*above, trace.names[inner.name].text)
        found[path] += inner.total
        found += totals(trace, inner, path)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_merging_loses_nothing(tmp_path: Path, seed: int) -> None:
    trace = read(write("html", tmp_path, timeline(thread(slices(*random_rows(seed, 400, first=2_000, shortest=1))))))
    (track,) = trace.processes[0].tracks
    assert totals(trace, merged(track)) == naive(trace, track)


def test_a_tree_with_phases_counts_places_and_waits(tmp_path: Path) -> None:
    known = names()
    known.add(40, "time.sleep", 18)
    calls = [ms(10, 50, 10, 0), ms(11, 21, 40, 1), ms(22, 42, 40, 1), ms(50, 70, 11, 0), ms(51, 52, 12, 1)]
    phases = [span("setup", 0.1, 0.3, 1), span("db", 0.2, 0.3, 2, "fixture", file="conftest.py", line=9)]
    made = recorded(thread(slices(ms(0.2, 0.25, 13, 0), *calls), known), phases=[*phases, span("call", 1, 99, 1)])
    assert shown(tmp_path, made, about="attempt 1") == [
        "test_a.py::test_x  passed  100 ms",
        "test_a.py:3, attempt 1",
        "",
        "MainThread (4711)",
        "   200 us  setup",
        "   100 us    db                                 conftest.py:9",
        "  98.0 ms  call",
        "  40.0 ms    f0                                 src/a.py:100",
        "  30.0 ms      time.sleep  x2, longest 20.0 ms  sleep",
        "  20.0 ms    f1                                 src/a.py:101",
        "  1.00 ms      f2                               src/a.py:102",
        "",
        "calls below 1.00 ms are summed up (--min 0 shows them)",
    ]


def test_what_is_too_short_is_summed_up(tmp_path: Path) -> None:
    many = [ms(2 + at * 0.1, 2.05 + at * 0.1, 11 + at % 5, 1) for at in range(800)]
    made = recorded(thread(slices(ms(1, 90, 10, 0), *many)))
    lines = shown(tmp_path, made, least=10 * MS)
    assert lines[4:7] == ["  98.0 ms  call", "  89.0 ms    f0  src/a.py:100", "  40.0 ms      \u2026 800 calls"]
    assert shown(tmp_path, made, Style(80, ellipsis="..."), least=10 * MS)[6] == "  40.0 ms      ... 800 calls"
    assert len(shown(tmp_path, made, least=0)) == 3 + 2 + 5 + 1
    assert len(shown(tmp_path, made, depth=1)) == 3 + 2 + 3
    assert "calls deeper than 1 are left out" in shown(tmp_path, made, depth=1)


def test_a_million_slices_are_a_screen_or_two(tmp_path: Path) -> None:
    rows, known = [], names()
    for at in range(2_000):
        known.add(1_000 + at, f"g{at}", 17, 1, at)
        rows.append(ms(2 + at * 0.04, 2.03 + at * 0.04, 1_000 + at, 0))
    assert len(shown(tmp_path, recorded(thread(slices(*rows), known)))) <= LINES + 12


def test_the_failure_is_marked_where_it_happened(tmp_path: Path) -> None:
    thrown = (THROWN, 30)
    rows = [ms(2, 80, 10, 0, *thrown), ms(3, 3.01, 14, 1), ms(4, 4.02, 11, 1), ms(79.9, 80, 11, 1, *thrown)]
    told = {"exception": "ValueError", "message": "no\nmore", "traceback": [], "phase": "call"}
    instant = Instant("ValueError", "test", 1_000 + 80 * MS, told)
    made = recorded(thread(slices(*rows)), instants=[instant], outcome="failed", exception="ValueError: no\nmore")
    lines = shown(tmp_path, made)
    assert lines[:3] == ["test_a.py::test_x  failed  100 ms", "test_a.py:3", "ValueError: no"]
    assert [re.sub("  +", "  ", line) for line in lines[5:9]] == [
        "  98.0 ms  call",
        "  78.0 ms  f0  raised ValueError  src/a.py:100",
        "  120 us  f1  x2, longest 100 us  raised ValueError x1  src/a.py:101",  # short, but on its path
        "@ 80.0 ms  !! ValueError: no",
    ]
    coloured = shown(tmp_path, made, Style(80, colour=True))
    assert coloured[0] == "\033[1mtest_a.py::test_x\033[m  \033[1;31mfailed\033[m  100 ms"
    assert [re.sub("\033\\[[0-9;]*m", "", line) for line in coloured] == lines


def test_what_was_open_at_a_crash_is_marked(tmp_path: Path) -> None:
    rows = [ms(99, 100, 10, 0, DIED), ms(99.999, 100, 20, 1, DIED)]
    lines = shown(tmp_path, recorded(thread(slices(*rows)), phases=[span("call", 1, 100, 1)], outcome="crashed"))
    assert [re.sub("  +", "  ", line) for line in lines[5:7]] == [
        "  1.00 ms  f0  (open at the end of its process)  src/a.py:100",
        "  1.00 us  c0  (open at the end of its process)",
    ]


def test_tasks_are_below_their_thread_with_what_they_await(tmp_path: Path) -> None:
    main = thread(slices(ms(2, 98, 10, 0)))
    frames = slices(ms(2, 90, 11, 0), ms(3, 80, SLEEP, 1))
    states = slices(ms(2, 3, RUNNING, 0), ms(3, 80, WAITING, 0), ms(80, 90, READY, 0))
    fetch = task(main, 1, "fetch", frames, states)
    fetch[0].instants.append(Instant("cancelled", "await", 1_000 + 85 * MS))
    many = [
        track
        for n in range(2, 40)
        for track in task(main, n, "x", slices(ms(5, 5.1, 12, 0)), slices(ms(5, 5.1, READY, 0)))
    ]
    lines = shown(tmp_path, recorded(main, *fetch, *many))
    assert lines[5] == "  96.0 ms    f0  src/a.py:100"
    assert lines[6:11] == [
        "",
        "  Task-1 (fetch)  waiting 77.0 ms, ready 10.0 ms, running 1.00 ms",
        "  88.0 ms    f1                     src/a.py:101",
        "  77.0 ms      await asyncio.sleep  src/a.py:7",
        "@ 85.0 ms      ! cancelled",
    ]
    assert "  \u2026 27 more tasks, 2.70 ms (--thread NAME shows one)" in lines
    assert sum("Task-" in line for line in shown(tmp_path, recorded(main, *fetch, *many), thread="main")) == 39
    assert sum("Task-" in line for line in shown(tmp_path, recorded(main, *fetch, *many), thread="task-3*")) == 11


def test_processes_are_listed_with_how_they_ended(tmp_path: Path) -> None:
    ends: list[dict[str, Any]] = [{"exit_code": 0}, {"exit_code": 3}, {"signal": "SIGKILL"}, {}]
    lanes = [
        lane_of_processes(
            at, Span(f"p{at}", "process", *ms(at + 1, 50), 0, {"pid": at + 9, **end}, cut="" if end else "end")
        )
        for at, end in enumerate(ends)
    ]
    made = recorded(thread(slices(ms(2, 98, 10, 0))))
    made.lanes += lanes
    assert shown(tmp_path, made)[7:12] == [
        "processes",
        "  49.0 ms  p0 (9)   exit code 0",
        "  48.0 ms  p1 (10)  exit code 3",
        "  47.0 ms  p2 (11)  SIGKILL",
        "  46.0 ms  p3 (12)  goes on",
    ]


def test_instants_are_few_unless_all_are_wanted(tmp_path: Path) -> None:
    told = [
        Instant(f"log {at}", "log", 1_000 + (3 + at) * MS, {"level": "INFO", "message": "m\033[1m"}) for at in range(30)
    ]
    main = thread(slices(ms(2, 98, 10, 0)))
    main.instants += told
    lines = shown(tmp_path, recorded(main))
    assert lines[6] == "@ 3.00 ms      ! INFO log 0: m\\x1b[1m"  # in f0, at its time; nothing that a terminal obeys
    assert sum("INFO log" in line for line in lines) == 12
    assert lines[-1] == "18 instants are left out (--instants shows them)"
    assert sum("INFO log" in line for line in shown(tmp_path, recorded(main), instants=True)) == 30


def test_what_has_nothing_to_show_has_no_heading(tmp_path: Path) -> None:
    main, idle = thread(slices(ms(2, 98, 10, 0))), thread(slices(ms(2, 5, 11, 0)), name="idle", id=4712, serial=2)
    waits = task(main, 1, "a", slices(ms(2, 5, 12, 0)), slices(ms(2, 5, READY, 0)))
    loop = Made("loop", "event loop", 4711, 2, slices(ms(2, 6, 14, 0)), names(), under=main)
    made = recorded(main, loop, *waits, idle)
    made.processes.append(Process(99, 4711, "child", 1_000, [thread(slices(ms(2, 5, 13, 0)), name="in", id=99)]))
    everything = ["pytest", "MainThread (4711)", "  event loop", "  Task-1 (a)  ready 3.00 ms", "idle (4712)", "child",
                  "in (99)"]  # fmt: skip
    assert headings(shown(tmp_path, made)) == everything
    kept = ["pytest", "MainThread (4711)", "  Task-1 (a)  ready 3.00 ms"]  # which says how long it was what
    assert headings(shown(tmp_path, made, least=10 * MS)) == kept
    assert headings(shown(tmp_path, made, least=4 * MS)) == [*kept[:2], "  event loop", *kept[2:]]
    assert headings(shown(tmp_path, made, depth=1)) == [each for each in everything if each != "  event loop"]
    assert headings(shown(tmp_path, made, least=200 * MS)) == kept  # for the task's sake
    assert not any(" more " in line for line in shown(tmp_path, made, depth=1))


def headings(lines: list[str]) -> list[str]:
    """Return the lines that have no time, below the header."""
    return [line for line in lines[2:] if re.match(r" *[A-Za-z]", line) and not line.startswith("calls ")]


def test_a_heading_stays_for_an_instant(tmp_path: Path) -> None:
    quiet = thread(slices(ms(2, 3, 11, 0)), name="quiet", id=4712, serial=2)
    quiet.instants.append(Instant("cancelled", "await", 1_000 + 2 * MS))
    lines = shown(tmp_path, recorded(thread(slices(ms(2, 98, 10, 0))), quiet), least=10 * MS, depth=1, instants=True)
    assert lines[lines.index("quiet (4712)") + 1] == "@ 2.00 ms  ! cancelled"


def test_threads_that_are_short_each_are_one_line_if_they_are_long_together(tmp_path: Path) -> None:
    many = [thread(slices(ms(2, 4, 11, 0)), name=f"pool-{n}", id=4712 + n, serial=2 + n) for n in range(30)]
    made = recorded(thread(slices(ms(2, 98, 10, 0))), *many)
    assert shown(tmp_path, made, least=5 * MS)[-2:] == ["", "\u2026 30 more threads, 60.0 ms"]
    assert not any("more" in line for line in shown(tmp_path, made, least=90 * MS))


def test_patterns_choose_threads_and_processes(tmp_path: Path) -> None:
    made = recorded(
        thread(slices(ms(2, 98, 10, 0, CUT_START))), thread(slices(ms(2, 9, 11, 0)), name="Pool-1", id=4712, serial=2)
    )
    assert "Pool-1 (4712)" in shown(tmp_path, made, thread="pool")
    for pattern in ("pool", "POOL-*", "4712"):
        assert not any("MainThread" in line for line in shown(tmp_path, made, thread=pattern))
    assert "Pool-1 (4712)" in shown(tmp_path, made, process="4711")
    with pytest.raises(ValueError, match="no thread matches 'zzz'; there are test, MainThread, Pool-1"):
        shown(tmp_path, made, thread="zzz")
    with pytest.raises(ValueError, match="no process matches 'java'; there are pytest"):
        shown(tmp_path, made, process="java")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_too_long(tmp_path: Path, width: int) -> None:
    known = names()
    known.add(1, "src/" + "d" * 300 + ".py")
    known.add(41, "n" * 300, 17, 1, 5)
    rows = [ms(2 + depth * 0.01, 98 - depth * 0.01, 41, depth) for depth in range(100)]
    lines = shown(tmp_path, recorded(thread(slices(*rows), known, name="t" * 300)), Style(width), least=0)
    assert max(map(len, lines)) <= width and len(lines) > 100


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_long_name_is_shortened_and_what_is_said_of_it_is_not(tmp_path: Path, width: int) -> None:
    known = names()
    known.add(41, "n" * 300, 17, 1, 5)
    lines = shown(tmp_path, recorded(thread(slices(ms(2, 10, 41, 0), ms(20, 30, 41, 0)), known)), Style(width), least=0)
    (line,) = (line for line in lines if "nnn" in line)
    assert "nnn...  x2, longest 10.0 ms  src/a.py:5" in line


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1_000, "1.00 us"), (9_996, "10.0 us"), (99_960, "100 us"), (999_600, "1.00 ms"),
     (12_345_678, "12.3 ms"), (1_234_000_000, "1.23 s"), (59_000_000_000, "59.0 s"), (61_000_000_000, "1 min 01 s")],
)  # fmt: skip
def test_times_have_three_digits(ns: int, text: str) -> None:
    assert precise(ns) == text
