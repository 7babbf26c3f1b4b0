"""Which timelines are kept, and that no more of them are in memory than there is room for."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline.collect import writing
from pytest_timeline.collect.follow import Follower
from pytest_timeline.collect.keeping import Slowest
from support import spool_writer as w
from support.run_writer import RunWriter
from support.timelines import drawn

MS = 1_000_000


def manifest(run: RunWriter) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.directory / "run.json").read_bytes())
    return found


def collected(run: RunWriter) -> list[str]:
    """Collect the run; return the tests that were kept, whose files are those that are there."""
    Follower(run.spool_dir).run()
    tests = manifest(run)["tests"]
    files = {file for test in tests for file in test["files"].values()}
    assert {str(path.relative_to(run.directory)) for path in run.directory.glob("tests/*")} == files
    assert all(test["kept"] == (len(test["files"]) == 2) == bool(test["files"]) for test in tests)
    return [f"{test['nodeid']}#{test['rerun']}" for test in tests if test["kept"]]


def run_of(tmp_path: Path, durations: list[int], **settings: Any) -> RunWriter:
    """Return a run of passing tests, named by their places, that take so many tenths of a millisecond."""
    run = RunWriter(tmp_path / "timeline", **settings)
    root, tick = run.process(), MS
    for number, duration in enumerate(durations):
        root.test(tick, tick + duration * MS // 10, str(number))
        tick += (duration + 1) * MS // 10
    return run


def test_nothing_is_written_of_a_run_that_passes(tmp_path: Path) -> None:
    run = run_of(tmp_path, [5, 6], keep="failed")
    assert collected(run) == []
    assert [path.name for path in run.directory.iterdir()] == ["run.json"]
    found = manifest(run)
    assert found["keep"] == ["failed"]
    assert [(test["slices"], test["outcome"]) for test in found["tests"]] == [(1, "passed")] * 2


def test_failures_are_kept_and_so_are_later_attempts(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", keep="failed")
    root = run.process()
    outcomes = ["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
    for number, outcome in enumerate(outcomes):
        root.test((number * 2 + 1) * MS, (number * 2 + 2) * MS, outcome, outcome)
    root.test(20 * MS, 21 * MS, "failed", rerun=1)
    root.test(30 * MS, None, "open")
    for number, outcome in enumerate(["failed", "passed"]):  # the first worker died, another one runs it again
        run.process(f"gw{number}", tick=MS).test((40 + number) * MS, (41 + number) * MS, "moved", outcome)
    assert collected(run) == ["failed#0", "error#0", "failed#1", "open#0", "moved#0", "moved#0"]


def test_a_marked_test_is_kept(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", keep="slowest:1")
    root = run.process()
    root.test(1 * MS, 2 * MS, "marked", keep=True)
    root.test(3 * MS, 9 * MS, "slow")
    root.test(10 * MS, 12 * MS, "not")
    assert collected(run) == ["marked#0", "slow#0"]


def test_the_slow_ones(tmp_path: Path) -> None:
    assert collected(run_of(tmp_path, [5, 20, 19, 21], keep="slow:2ms")) == ["1#0", "3#0"]


@pytest.mark.parametrize("mode", ["per-test", "both"])
@pytest.mark.parametrize("held", [writing.HELD, 4 * writing.BYTES_PER_WINDOW, 0])
def test_the_slowest_wherever_they_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, held: int) -> None:
    monkeypatch.setattr(writing, "HELD", held)
    most = 0

    def let_go(self: Any, job: Any, window: Any, *, real: Any = writing.Writing._hand_on) -> None:
        nonlocal most
        most = max(most, self._held)
        real(self, job, window)

    monkeypatch.setattr(writing.Writing, "_hand_on", let_go)
    durations = random.Random(7).sample(range(1, 60), 40)
    run = run_of(tmp_path, durations, keep=["slowest:6", "slow:5.5ms"], mode=mode)
    slowest = sorted(range(40), key=lambda n: -durations[n])[:6]
    assert collected(run) == [f"{n}#0" for n in sorted({*slowest, *(n for n in range(40) if durations[n] >= 55)})]
    assert most <= max(held, writing.BYTES_PER_WINDOW * 2)
    if mode == "both":
        names = {each.name for each in drawn(run.directory / "combined.pftrace.gz")}
        assert {str(n) for n in range(40)} <= names


def test_a_combined_trace_alone_is_the_whole_run(tmp_path: Path) -> None:
    run = run_of(tmp_path, [5, 6], keep="failed", mode="combined")
    assert collected(run) == []
    assert manifest(run)["keep"] == []
    assert {each.name for each in drawn(run.directory / "combined.pftrace.gz")} >= {"0", "1"}


def test_of_equally_slow_ones_the_earlier_stay() -> None:
    slowest = Slowest[str](2)
    assert [slowest.offer(duration, name) for duration, name in [(5, "a"), (5, "b"), (5, "c"), (9, "d"), (1, "e")]] == [
        None, None, "c", "b", "e",
    ]  # fmt: skip
    assert list(slowest) == ["d", "a"]
    assert Slowest[str](0).offer(5, "a") == "a"


def test_what_is_off_is_listed_and_nothing_of_it_is_drawn(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", keep=["failed", "slowest:1"], mode="both")
    root = run.process()
    root.name_code(1, "work")
    root.call(MS, None, depth=2, thread=1)
    root.test(2 * MS, 30 * MS, "off", "failed", off=True)
    root.test(40 * MS, 50 * MS, "on")
    assert collected(run) == ["on#0"]
    off, on = manifest(run)["tests"]
    assert off["off"] is True and (off["slices"], off["threads"], off["files"]) == (0, 0, {})
    assert "off" not in on and on["slices"] == 2
    combined = drawn(run.directory / "combined.pftrace.gz")
    assert "off" in {each.name for each in combined}
    assert [each for each in combined if 2 * MS < each.ts < 30 * MS] == []


def test_a_test_may_have_a_budget_of_its_own(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "timeline", max_slices=20)
    root = run.process()
    for number, asked in enumerate([{}, {"max_slices": 100}, {"max_slices": 0}, {}]):
        start = (number * 100 + 1) * MS
        root.mark(start, w.TEST_BEGIN, nodeid=str(number), **asked)
        for i in range(1, 301):
            root.call(start + i * 10_000, start + i * 10_000 + i)
        root.mark(start + 90 * MS, w.TEST_END, outcome="passed", phases={})
    Follower(run.spool_dir).run()
    slices = [test["slices"] for test in manifest(run)["tests"]]
    assert slices[0] <= 20 < slices[1] <= 100 and slices[2] == 300 and slices[3] <= 20
