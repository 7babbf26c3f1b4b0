"""What went on when a test failed, found in timelines that are made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_timeline._codec import Names, Slices
from pytest_timeline.collect.family import Window
from pytest_timeline.collect.moment import Moment, moments
from pytest_timeline.collect.tasks import Blocked, Concurrency
from pytest_timeline.timeline.category import Categories
from pytest_timeline.timeline.model import Instant, Track
from support.timelines import (
    CUT_END,
    CUT_START,
    DIED,
    READY,
    RUNNING,
    SLEEP,
    THROWN,
    WAITING,
    lane_of_test,
    names,
    slices,
    task,
    thread,
    timeline,
)

MS = 1_000_000  # ticks
START = 1_000 * MS


class Rate:
    """Ticks are nanoseconds."""

    def seconds(self, ticks: int) -> float:
        return ticks / 1e9


def failure(at: int, *traceback: str, **args: Any) -> Instant:
    lines = [f"src/a.py:{number} {function}" for number, function in enumerate(traceback, 1)]
    return Instant("ValueError", "test", at, {"phase": "call", "exception": "ValueError", "traceback": lines} | args)


def found(*tracks: Track, instants: list[Instant], outcome: str = "failed", **fields: Any) -> list[Moment]:
    made = timeline(*tracks, start=START, end=START + 500 * MS, lanes=[lane_of_test(instants=instants)])
    made.args = {"outcome": outcome}
    window = Window(made, {}, {}, 0, Concurrency(**fields), [], made)
    return moments(window, Rate(), Categories())  # type: ignore[arg-type]


def ms(*rows: tuple[int, ...]) -> Slices:
    """Return slices whose times are milliseconds from the window's start."""
    return slices(*[(START + row[0] * MS, START + row[1] * MS, *row[2:]) for row in rows])


MAIN = ms((10, 100, 10, 0, THROWN), (20, 90, 11, 1, THROWN), (30, 85, 20, 2), (92, 99, 12, 1))


def test_the_stack_is_that_of_the_traceback_s_innermost_function() -> None:
    (moment,) = found(thread(MAIN), instants=[failure(START + 110 * MS, "f0", "f1")])
    assert moment["seconds"] == pytest.approx(0.090)
    assert moment["lately"] == pytest.approx(0.020)
    assert moment["failing"] is not None
    assert [(frame["name"], frame["file"], frame["line"]) for frame in moment["failing"]["frames"]] == [
        ("f0", "src/a.py", 100),
        ("f1", "src/a.py", 101),
    ]
    assert [frame["seconds"] for frame in moment["failing"]["frames"]] == pytest.approx([0.080, 0.070])
    assert [(frame["name"], frame["seconds"]) for frame in moment["failing"]["spent"]] == [
        ("c0", pytest.approx(0.015)),
        ("f1", pytest.approx(0.005)),
    ]
    json.dumps(moment)


def test_where_the_innermost_is_not_recorded_the_next_one_counts() -> None:
    (moment,) = found(thread(MAIN), instants=[failure(START + 110 * MS, "f0", "f1", "excluded")])
    assert moment["seconds"] == pytest.approx(0.090)
    (moment,) = found(thread(MAIN), instants=[failure(START + 110 * MS, "excluded")])
    assert moment["seconds"] == pytest.approx(0.100)  # what the main thread left last by an exception
    (moment,) = found(thread(Slices()), instants=[failure(START + 110 * MS)])
    assert moment["seconds"] == pytest.approx(0.110)


def test_the_innermost_was_left_before_what_called_it() -> None:
    """An outer nursery is left by an exception of its own, after that which is told of."""
    rows = ms((10, 100, 10, 0, THROWN), (20, 90, 11, 1, THROWN), (110, 190, 11, 0, THROWN))
    (moment,) = found(thread(rows), instants=[failure(START + 210 * MS, "f0", "f1")])
    assert moment["seconds"] == pytest.approx(0.090)


def test_of_a_group_it_is_the_moment_of_its_first_exception() -> None:
    group = failure(START + 210 * MS, "f1", others=[
        {"of": 0, "as": "member", "exception": "ValueError", "traceback": ["src/a.py:1 f2"]},
        {"of": 0, "as": "member", "exception": "ValueError", "traceback": ["src/a.py:1 f0"]},
    ])  # fmt: skip
    rows = ms((10, 200, 11, 0, THROWN), (20, 30, 12, 1, THROWN), (40, 50, 10, 1, THROWN))
    (moment,) = found(thread(rows), instants=[group])
    assert moment["seconds"] == pytest.approx(0.030)


@pytest.mark.parametrize("outcome", ["passed", "xfailed", "skipped"])
def test_no_failure_is_told_of_a_test_that_did_not_fail(outcome: str) -> None:
    assert found(thread(MAIN), instants=[failure(START + 110 * MS, "f0")], outcome=outcome) == []


def test_there_is_a_bound() -> None:
    instants = [failure(START + (110 + n) * MS, "f0") for n in range(9)]
    threads = [thread(ms((1, 400, 13, 0)), name=f"worker-{n}", id=n, serial=2 + n) for n in range(9)]
    many = found(thread(MAIN), *threads, instants=instants)
    assert len(many) == 4
    assert (len(many[0]["others"]), many[0]["more"], many[0]["idle"]) == (5, 4, 0)
    deep = ms(*((n + 1, 300, 10, n, THROWN) for n in range(100)))
    (moment,) = found(thread(deep), instants=[failure(START + 310 * MS, *["f0"] * 100)])
    assert moment["failing"] is not None
    assert (len(moment["failing"]["frames"]), moment["failing"]["hidden"]) == (5, 95)
    assert moment["failing"]["frames"][0]["seconds"] > moment["failing"]["frames"][1]["seconds"]


def test_who_waits_since_before_the_test_is_counted_only() -> None:
    idle = ms((0, 500, 10, 0, CUT_START | CUT_END), (0, 500, 20, 1, CUT_START | CUT_END))
    back = ms((0, 500, 10, 0, CUT_START | CUT_END), (0, 50, 20, 1, CUT_START), (60, 500, 21, 1, CUT_END))
    gone = ms((5, 15, 10, 0))
    (moment,) = found(
        thread(MAIN),
        *(
            thread(each, name=name, id=5, serial=2 + n)
            for n, (name, each) in enumerate({"idle": idle, "back": back, "gone": gone}.items())
        ),
        instants=[failure(START + 110 * MS, "f0", "f1")],
    )
    assert moment["idle"] == 1
    ((name, does),) = [(other["name"], other["does"]) for other in moment["others"]]
    assert (name, does["name"], does["seconds"]) == ("back", "c1 in f0", pytest.approx(0.030))


def test_tasks() -> None:
    known = names()
    main = thread(ms((10, 100, 10, 0, THROWN), (80, 90, 11, 1, THROWN)), known)
    running = ms((80, 90, RUNNING, 0)), ms((12, 100, 11, 0, THROWN))
    waiting = ms((12, 20, RUNNING, 0), (20, 500, WAITING, 0)), ms((12, 500, 12, 0), (20, 500, SLEEP, 1))
    ready = ms((12, 20, RUNNING, 0), (20, 500, READY, 0)), ms((12, 500, 13, 0))
    tracks = [
        each
        for n, (states, frames) in enumerate([running, waiting, ready])
        for each in task(main, n, "t", frames, states)
    ]
    blocked = Blocked(START + 30 * MS, START + 79 * MS, "c0", "f3", "src/a.py", 9, "")
    early = Blocked(START + 1 * MS, START + 60 * MS, "c0", "f3", "src/a.py", 9, "")
    (moment,) = found(main, *tracks, instants=[failure(START + 110 * MS, "f0", "f1")], blocked=[early, blocked])
    assert moment["failing"] is not None
    assert moment["failing"]["name"] == "MainThread, Task-0 (t)"
    assert sorted((other["name"], other["does"]["name"]) for other in moment["others"]) == [
        ("Task-1 (t)", "await asyncio.sleep in f2"),
        ("Task-2 (t)", "ready in f3"),
    ]
    assert moment["blocked"] == ["c0 in f3 for 49 ms (src/a.py:9)"]


def test_who_held_the_gil_comes_first() -> None:
    held = Names()
    held.add(1, "MainThread")
    held.add(3, "hog")
    gil = Track("gil", "GIL", 0, 0, ms((1, 72, 1, 0), (72, 88, 3, 0), (88, 500, 1, 0)), held)
    others = [thread(ms((1, 400, 13, 0)), name=name, id=n, serial=n) for n, name in ((2, "calm"), (3, "hog"))]
    (moment,) = found(thread(MAIN), *others, gil, instants=[failure(START + 110 * MS, "f0", "f1")])
    assert [(other["name"], other["gil"]) for other in moment["others"]] == [
        ("hog", pytest.approx(0.016)),
        ("calm", 0),
    ]


def test_a_crash_ends_at_the_open_frames() -> None:
    dead = ms((10, 200, 10, 0, DIED), (20, 30, 12, 1), (50, 200, 11, 1, DIED))
    (moment,) = found(thread(dead), instants=[], outcome="crashed")
    assert (moment["phase"], moment["seconds"]) == ("", pytest.approx(0.2))
    assert moment["failing"] is not None
    assert [frame["name"] for frame in moment["failing"]["frames"]] == ["f0", "f1"]
