"""`pytest-timeline collect DIR`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_timeline import cli, spooldir
from support.run_writer import RunWriter, gone_pid


def test_a_leftover_is_collected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunWriter(tmp_path / "before")
    run.process().test(1_000_000, None, "test_a.py::test_x")
    moved = run.directory.rename(tmp_path / "moved")  # say, into a CI artifact
    assert cli.main(["collect", str(moved)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"1 test collected: {moved / 'run.json'}", "crashed: test_a.py::test_x"]
    assert err == ""
    assert len(list((moved / "tests").iterdir())) == 2
    assert not (moved / ".spool").exists()


@pytest.mark.parametrize("make", [False, True])
def test_nothing_to_collect_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], make: bool) -> None:
    directory = tmp_path / "timeline"
    if make:
        directory.mkdir()
    assert cli.main(["collect", str(directory)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pytest-timeline: {directory} holds no unfinished run")
    assert err.count("\n") == 1


def test_a_run_that_is_being_collected_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunWriter(tmp_path / "timeline")
    run.status["state"] = spooldir.StatusPage.FOLLOWING
    run.status["pid"] = os.getpid()
    run.status["heartbeat"] = time.monotonic_ns()
    assert cli.main(["collect", str(run.directory)]) == 1
    assert f"collected already, by process {os.getpid()}" in capsys.readouterr().err
    assert run.spool_dir.exists()
    run.status["pid"] = gone_pid()  # killed a moment ago
    assert cli.main(["collect", str(run.directory)]) == 0
    assert "warning: the run's own collector did not finish" in capsys.readouterr().out


def test_bad_settings_are_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunWriter(tmp_path / "timeline", format=["png"])
    assert cli.main(["collect", str(run.directory)]) == 1
    err = capsys.readouterr().err
    assert "png" in err
    assert err.count("\n") == 1
    (run.spool_dir / "settings").unlink()
    assert cli.main(["collect", str(run.directory)]) == 1
    assert "settings" in capsys.readouterr().err


def test_python_m(tmp_path: Path) -> None:
    root = Path(cli.__file__).parents[1]
    command = [sys.executable, "-m", "pytest_timeline"]
    usage = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert usage.returncode == 2
    assert usage.stderr.startswith("usage: pytest-timeline")
    gone = subprocess.run([*command, "collect", str(tmp_path)], cwd=root, capture_output=True, text=True)
    assert gone.returncode == 1


@pytest.mark.parametrize("make", ["nothing", "a finished run", "a dead run", "a failed collector"])
def test_a_live_look_at_no_live_run_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: str
) -> None:
    directory = tmp_path / "timeline"
    if make == "nothing":
        expected = "is it the --timeline-dir?"
    elif make == "a finished run":
        directory.mkdir()
        (directory / "run.json").touch()
        expected = f"the last one is over, see {directory / 'run.json'}"
    elif make == "a dead run":
        RunWriter(directory).process()
        expected = f"'python -m pytest_timeline collect {directory}' makes its timelines"
    else:
        run = RunWriter(directory, pid=os.getpid())
        run.status["state"] = spooldir.StatusPage.FAILED
        run.status.reason = "out of luck"
        expected = "the collector failed: out of luck"
    assert cli.main(["collect", str(directory), "--live"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert expected in err


@pytest.mark.parametrize("arguments", [["--depth=3"], ["--live", "--depth=0"], ["--live", "--depth=x"]])
def test_depth_is_a_number_and_goes_with_live(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["collect", "timeline", *arguments])
    assert end.value.code == 2
    assert "--depth" in capsys.readouterr().err
