"""run.json and the lanes of the run page: how long the run took, who died, and who came after."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline.collect.follow import Follower
from support import spool_writer as w
from support.run_writer import RunWriter, gone_pid


def collected(run: RunWriter) -> tuple[dict[str, Any], dict[str, Any]]:
    """Follow the run; return what run.json says, and what the run page has."""
    Follower(run.spool_dir).run()
    page = (run.directory / "index.html").read_text(encoding="utf-8")
    match = re.search(r'id="run">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return json.loads((run.directory / "run.json").read_bytes()), json.loads(match[1])


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    return RunWriter(tmp_path / "timeline", format=["html"])


def test_the_run_lasts_until_its_session_ends_whoever_lives_on(run: RunWriter) -> None:
    root = run.process()
    root.mark(100_000, w.SPAN_BEGIN, name="collection", cat="test")
    root.mark(400_000, w.SPAN_END)
    root.test(1_000_000, 2_000_000, "a")
    run.process(tick=1_100_000, pid=gone_pid()).call(1_200_000, 9_000_000)
    root.mark(3_000_000, w.SESSION_END, exitstatus=0, tests=1, warnings=[])
    found, page = collected(run)
    assert (found["duration"], found["exitstatus"]) == (0.003, 0)
    (lane,) = page["lanes"]
    assert lane == {
        "worker": None, "pid": lane["pid"], "begin": 0, "end": 3_000, "collection": [100, 400], "page": "collection",
        "modules": [],
    }  # fmt: skip


def test_the_slowest_collection_is_told_with_its_imports(run: RunWriter) -> None:
    run.process().mark(9_000_000, w.SESSION_END, exitstatus=0, tests=0, warnings=[])
    for worker, late in (("gw0", 0), ("gw1", 1_000_000)):
        root = run.process(worker, tick=1_000_000, pid=gone_pid())
        root.writer.thread(root.origin + 1, "MainThread", 11)
        root.name_code(7, "import cart")
        root.mark(1_000_000, w.SPAN_BEGIN, name="start-up", cat="test")
        root.mark(2_000_000, w.SPAN_END)
        root.mark(2_000_000, w.SPAN_BEGIN, name="collection", cat="test")
        root.call(2_500_000, 2_750_000 + late, id=7)
        root.mark(4_000_000 + late, w.SPAN_END)
        root.test(6_000_000, 7_000_000, worker)
        root.mark(8_000_000, w.SESSION_END, exitstatus=0, tests=1, warnings=[])
    found, page = collected(run)
    assert found["collection"] == {
        "worker": "gw1", "duration": 0.004, "files": {"html": "tests/collection-gw1.html"},
        "imports": [["cart", 0.00125, 0.00125, "", "", 1]],
    }  # fmt: skip
    assert page["collection"] == found["collection"]
    files = {"tests/collection-gw0.html", "tests/collection-gw1.html"}
    assert files < set(found["report"])  # so that the next run deletes them
    assert all((run.directory / file).exists() for file in files)
    assert [(lane["collection"], lane["page"]) for lane in page["lanes"]] == [
        ([1_000, 4_000], "collection-gw0"),
        ([1_000, 5_000], "collection-gw1"),
    ]
    assert [lane["modules"] for lane in page["lanes"]] == [
        [["cart", "", 2_500, 250, 250]],
        [["cart", "", 2_500, 1_250, 1_250]],
    ]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="statuses as wait() tells them")
def test_workers_that_died_and_those_in_their_places(run: RunWriter) -> None:
    main = run.process()
    pids = [gone_pid() for _ in range(4)]
    for number, (start, end) in enumerate([(1, 5), (1, 20), (6, 9), (10, 20)]):
        worker = run.process(f"gw{number}", tick=start * 1_000_000, pid=pids[number])
        dies = number in (0, 2)
        worker.test((start + 1) * 1_000_000, None if dies else (end - 1) * 1_000_000, f"test_{number}")
        if dies:
            worker.mark(end * 1_000_000, w.SPAN_BEGIN, name="setup", cat="test")
        else:
            worker.mark(end * 1_000_000, w.SESSION_END, exitstatus=0, tests=1, warnings=[])
    main.writer.reaped(main.origin + 5_500_000, pids[0], signal.SIGSEGV)
    main.writer.reaped(main.origin + 9_500_000, pids[2], 3 << 8)
    main.mark(21_000_000, w.SESSION_END, exitstatus=1, tests=0, warnings=[])
    found, page = collected(run)
    assert found["workers"] == [
        {"id": "gw0", "pid": pids[0], "died": {"signal": "SIGSEGV"}},
        {"id": "gw1", "pid": pids[1]},
        {"id": "gw2", "pid": pids[2], "replaces": "gw0", "died": {"exit_code": 3}},
        {"id": "gw3", "pid": pids[3], "replaces": "gw2"},
    ]
    assert [(lane["worker"], lane.get("died"), lane.get("replaces")) for lane in page["lanes"]] == [
        ("gw0", {"signal": "SIGSEGV"}, None),
        ("gw1", None, None),
        ("gw2", {"exit_code": 3}, "gw0"),
        ("gw3", None, "gw2"),
    ]
    assert [lane["end"] for lane in page["lanes"]] == [5_000, 20_000, 9_000, 20_000]


def test_a_test_that_crashed_has_the_phases_that_it_was_in(run: RunWriter) -> None:
    root = run.process()
    root.mark(1_000_000, w.TEST_BEGIN, nodeid="a", rerun=0)
    root.mark(1_100_000, w.SPAN_BEGIN, name="setup", cat="test")
    root.mark(1_300_000, w.SPAN_END)
    root.mark(1_400_000, w.SPAN_BEGIN, name="call", cat="test")
    root.call(1_500_000, 1_900_000)
    found, _ = collected(run)
    assert found["tests"][0]["phases"] == pytest.approx({"setup": 0.0002, "call": 0.0005})


def test_what_was_not_collected_is_told_once(run: RunWriter) -> None:
    run.process().mark(9_000_000, w.SESSION_END, exitstatus=2, tests=0, warnings=[])
    for worker in ("gw0", "gw1"):
        process = run.process(worker, tick=1_000_000, pid=gone_pid())
        why = {"nodeid": "test_b.py", "message": "ImportError"}
        process.mark(2_000_000, w.INSTANT, name="not collected", cat="test", args=why)
        process.mark(3_000_000, w.SESSION_END, exitstatus=2, tests=0, warnings=[])
    found, page = collected(run)
    assert found["errors"] == page["errors"] == [["test_b.py", "ImportError"]]
    assert [lane["worker"] for lane in page["lanes"]] == ["gw0", "gw1"]
