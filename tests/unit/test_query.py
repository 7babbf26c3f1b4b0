"""What a question finds in a window, and how it is asked and answered through files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_timeline import spooldir
from pytest_timeline._codec import Names
from pytest_timeline.collect.query import Questions, Row
from pytest_timeline.spooldir import StatusPage
from pytest_timeline.timeline.model import Instant, Process, Span, Timeline, Track
from support.timelines import (
    CODE,
    CUT_END,
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

START = 1_000
COROUTINE = 0x80


class Rate:
    """A tick is a second."""

    def seconds(self, ticks: int) -> float:
        return float(ticks)


class Desk:
    """Puts questions and takes answers, as a test's process does."""

    def __init__(self, directory: Path, made: Timeline, threshold_ns: int = 0) -> None:
        self.directory = directory / "main"
        self.directory.mkdir()
        self.page = StatusPage(str(directory / "status"), create=True)
        self.questions = Questions(self.page, directory, threshold_ns)
        self.family: Any = SimpleNamespace(
            without_idle=lambda timeline: timeline, directory=self.directory, root=object(), snapshot=lambda tick: made
        )
        self.number = 0

    def put(self, question: object) -> str:
        self.number += 1
        (self.directory / f"1-{self.number}{spooldir.QUESTION}").write_text(json.dumps(question))
        self.page["bell"] = self.number
        return f"1-{self.number}{spooldir.ANSWER}"

    def ask(self, **filters: Any) -> dict[str, Any]:
        question = {"what": "slices", "name": None, "thread": None, "process": None, "category": None}
        name = self.put(question | {"least": 0, "most": 100} | filters)
        self.questions.look()
        self.questions.answer({"main": self.family}, Rate(), 0)  # type: ignore[arg-type]
        return json.loads((self.directory / name).read_bytes())

    def found(self, **filters: Any) -> list[tuple[str, float, float]]:
        return [(row.name, row.start, row.duration) for row in map(Row._make, self.ask(**filters)["rows"])]


def known() -> Names:
    made = names()
    made.add(40, "fetch", CODE, 1, 7, COROUTINE)
    return made


def window() -> Timeline:
    """A main thread with two tasks, a second thread, and what the test run and the program told."""
    main = thread(
        slices(
            (1_010, 1_200, 10, 0, CUT_END),
            (1_020, 1_030, 40, 1),
            (1_022, 1_026, 20, 2, THROWN, 30),
            (1_040, 1_050, 40, 1),
            (1_060, 1_070, 11, 1),
            (1_062, 1_068, 11, 2),
        ),
        known(),
    )
    main.spans = [
        Span("load", "user", 1_100, 1_120, 0, {"task": "t"}),
        Span("load", "user", 1_110, 1_130, 0),
        Span("load", "user", 1_190, 1_200, 0, cut="end"),
    ]
    frames = slices((1_020, 1_050, 40, 0), (1_030, 1_040, SLEEP, 1))
    states = slices((1_020, 1_030, RUNNING, 0), (1_030, 1_040, WAITING, 0), (1_040, 1_050, RUNNING, 0))
    made, state = task(main, 1, "fetch", frames, states)
    made.names = state.names = main.names
    other = thread(slices((1_005, 1_007, 11, 0)), known(), name="worker-1", id=5, serial=2)
    child = Process(99, 4711, "child.py (99)", 600, [thread(slices((1_001, 1_002, 11, 0)), known(), id=99)])
    whole = timeline(main, made, state, other, start=START, end=1_200)
    whole.processes.append(child)
    whole.lanes = [
        lane_of_test(Span("test_it", "test", 1_000, 1_200, 0, cut="end"), Span("db", "fixture", 1_001, 1_004, 2))
    ]
    return whole


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, window())


def test_names_and_patterns(desk: Desk) -> None:
    assert desk.found(name="f0") == [("f0", 10, 190)]
    assert desk.found(name="f?") == [("f1", 1, 1), ("f1", 5, 2), ("f0", 10, 190), ("f1", 60, 10), ("f1", 62, 6)]
    assert desk.found(name="nobody") == []


def test_filters(desk: Desk) -> None:
    assert desk.found(name="f1", thread="worker-*") == [("f1", 5, 2)]
    assert desk.found(name="f1", process=99) == desk.found(process="child*") == [("f1", 1, 1)]
    assert desk.found(name="f1", least=6) == [("f1", 60, 10), ("f1", 62, 6)]
    assert desk.found(category="c") == [("c0", 22, 4)]
    assert desk.found(category="await") == [("await asyncio.sleep", 30, 10)]
    assert desk.found(category="fixture") == [("db", 1, 3)]


def test_totals_count_nested_ones_once_and_add_threads_up(desk: Desk) -> None:
    told = desk.ask(name="f1")
    assert (told["count"], told["seconds"]) == (4, 1 + 2 + 10)
    told = desk.ask(name="load")
    assert (told["count"], told["seconds"]) == (3, 30 + 10)
    told = desk.ask(name="f1", most=1)
    assert (told["count"], len(told["rows"]), told["rows"][0][2]) == (4, 1, 60)


def test_a_coroutine_is_one_slice_with_all_that_it_awaited(desk: Desk) -> None:
    (row,) = map(Row._make, desk.ask(name="fetch")["rows"])
    assert (row.start, row.duration, row.task, row.thread) == (20, 30, "Task-1 (fetch)", "MainThread")


def test_what_a_slice_says(desk: Desk) -> None:
    (row,) = map(Row._make, desk.ask(name="c0")["rows"])
    assert row == Row(
        "c0", "c", 22, 4, "MainThread", "Task-1 (fetch)", "pytest", 2, "fetch", "src/a.py", 7, "ValueError", False
    )
    (row,) = map(Row._make, desk.ask(name="f0")["rows"])
    assert (row.open, row.task, row.caller, row.line) == (True, "", "", 100)
    *_, row = map(Row._make, desk.ask(name="load")["rows"])
    assert (row.category, row.open) == ("user", True)


def test_blocks(tmp_path: Path) -> None:
    made = window()
    args = {"duration_ms": 9.5, "frame": "c0", "function": "f1", "file": "src/a.py", "line": 3, "task": ""}
    loop = Track("loop", "event loop", 0, 1, slices(), names(), instants=[Instant("blocked", "await", 1_060, args)])
    made.processes[0].tracks.append(loop)
    desk = Desk(tmp_path, made, threshold_ns=5_000_000)
    block = [60, 0.0095, "c0", "f1", "src/a.py", 3, ""]
    assert desk.ask(what="blocked", least=0.005) == {"threshold": 0.005, "blocks": [block]}
    assert desk.ask(what="blocked", least=0.01)["blocks"] == []


def test_questions_of_several_do_not_mix(desk: Desk) -> None:
    question = {"what": "slices", "thread": None, "process": None, "category": None, "least": 0, "most": 9}
    first, second = desk.put(question | {"name": "f0"}), desk.put(question | {"name": "c0"})
    desk.questions.look()
    desk.questions.answer({"main": desk.family}, Rate(), 0)  # type: ignore[arg-type]
    answers = [json.loads((desk.directory / name).read_bytes()) for name in (first, second)]
    assert [[row[0] for row in answer["rows"]] for answer in answers] == [["f0"], ["c0"]]
    assert not desk.questions.rung
    assert sorted(path.suffix for path in desk.directory.iterdir()) == [spooldir.ANSWER] * 2


@pytest.mark.parametrize("question", [[], {"what": "slices"}, {"what": "slices", "name": 3, "least": "x"}])
def test_a_question_that_makes_no_sense_is_an_error_of_whoever_asked(desk: Desk, question: object) -> None:
    name = desk.put(question)
    desk.questions.look()
    desk.questions.answer({"main": desk.family}, Rate(), 0)  # type: ignore[arg-type]
    assert "error" in json.loads((desk.directory / name).read_bytes())


def test_a_directory_that_is_gone_is_no_trouble(desk: Desk) -> None:
    desk.page["bell"] = 77
    desk.family.directory = Path("/nowhere/at/all")
    desk.questions.look()
    desk.questions.answer({"main": desk.family}, Rate(), 0)  # type: ignore[arg-type]
