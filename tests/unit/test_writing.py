"""What goes wrong while one timeline is written costs that timeline alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline.collect.follow import Follower
from pytest_timeline.collect.manifest import Manifest
from pytest_timeline.export.perfetto import PerfettoExporter
from support.run_writer import RunWriter

MS = 1_000_000


def run_of(directory: Path, **settings: Any) -> RunWriter:
    """Return a run of the tests "0", "1" and "2"."""
    run = RunWriter(directory, **settings)
    root = run.process()
    for number in range(3):
        root.test((2 * number + 1) * MS, (2 * number + 2) * MS, str(number))
    return run


def collected(run: RunWriter) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """Collect the run; return each test's formats, and the warnings."""
    Follower(run.spool_dir).run()
    found = json.loads((run.directory / "run.json").read_bytes())
    listed = {file for test in found["tests"] for file in test["files"].values()}
    assert {f"tests/{path.name}" for path in (run.directory / "tests").iterdir()} == listed
    return [(test["nodeid"], sorted(test["files"])) for test in found["tests"]], found["warnings"]


@pytest.mark.parametrize("mode", ["per-test", "both"])
def test_a_file_that_is_not_written_is_not_the_previous_run_s_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    both = ["chrome", "perfetto"]
    assert collected(run_of(tmp_path / "timeline")) == ([("0", both), ("1", both), ("2", both)], [])

    def write(self: Any, timeline: Any, clock: Any, path: Any, *, real: Any = PerfettoExporter.write) -> None:
        if timeline.name == "1":
            raise OSError("no room")
        real(self, timeline, clock, path)

    monkeypatch.setattr(PerfettoExporter, "write", write)
    tests, warnings = collected(run_of(tmp_path / "timeline", mode=mode))
    assert tests == [("0", both), ("1", ["chrome"]), ("2", both)]
    assert warnings == ["not written: 1: no room"]


def test_a_test_that_can_t_be_entered_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(self: Any, window: Any, *rest: Any, real: Any = Manifest.add) -> dict[str, Any]:
        if window.timeline.name == "1":
            raise ValueError("why ever")
        entry: dict[str, Any] = real(self, window, *rest)
        return entry

    monkeypatch.setattr(Manifest, "add", add)
    run = run_of(tmp_path / "timeline")
    Follower(run.spool_dir).run()
    found = json.loads((run.directory / "run.json").read_bytes())
    assert [test["nodeid"] for test in found["tests"]] == ["0", "2"]
    assert found["warnings"] == ["not entered: 1: why ever"]
