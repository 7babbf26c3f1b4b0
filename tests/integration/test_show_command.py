"""`show TEST` on real runs: the same tree from every format, sums that trace_processor confirms, and its manners."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pytest_timeline import cli
from pytest_timeline.export import SUFFIXES
from support import trace_processor

ROOT = Path(__file__).parents[2]
OPTIONS = ["--timeline", "--timeline-mode=both", "--timeline-format=html,perfetto,chrome", "-p", "no:cacheprovider"]
TIME = re.compile(r"[\d.,]+ (ns|us|ms|s)\b")
SUMS = """
    select slice.name, count(*), sum(slice.dur) from slice join thread_track on slice.track_id = thread_track.id
    join thread using (utid) join process using (upid)
    where thread.name = 'MainThread' and process.pid = {} group by 1"""


@pytest.fixture(scope="module")
def tour(run_once: Callable[..., Any]) -> Any:
    """The tour's run in all formats, also combined."""
    files = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "tour").glob("*.py")}
    # pytest-rerunfailures has a thread that waits, which a combined trace shows and a test's own does not.
    run = run_once(files, *OPTIONS, "-p", "no:rerunfailures")
    assert run.ret == 0, run.stdout
    return run


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run the command in a run's directory; return its lines."""

    def lines(run: Any, *arguments: str, status: int = 0) -> list[str]:
        monkeypatch.chdir(run.directory)
        capsys.readouterr()
        assert cli.main(["show", *arguments]) == status
        out, err = capsys.readouterr()
        assert bool(err) == bool(status)
        return (err if status else out).splitlines()

    return lines


@pytest.mark.parametrize("test", ["test_one_thread", "test_three_processes", "test_cpu.py::test_three_threads",
                                  "test_three_tasks", "test_three_blocking_tasks", "in_sequence"])  # fmt: skip
def test_every_format_gives_the_same_tree(
    tour: Any, show: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: str
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")  # no time is cut off
    lines = show(tour, test, "--min=0")
    assert len(lines) > 20
    (files,) = (each["files"] for each in tour.manifest["tests"] if test in each["nodeid"])
    assert set(files) == set(SUFFIXES)
    for file in files.values():
        assert alike(show(tour, f"timeline/{file}", "--min=0")) == alike(lines)
    for format in ("perfetto", "chrome"):  # what lies in the test's window is the same
        alone = tmp_path / format
        alone.mkdir()
        shutil.copy(tour.directory / "timeline" / "run.json", alone)
        shutil.copy(tour.directory / "timeline" / f"combined{SUFFIXES[format]}", alone)
        assert alike(show(tour, test, "--min=0", f"--dir={alone}")) == alike(lines)


def alike(lines: list[str]) -> list[str]:
    """Return the lines without the file's name and without times, since an arrow moves what it is on by 1 ns."""
    return [re.sub(" +", " ", TIME.sub("T", line)) for at, line in enumerate(lines) if at != 1]


@pytest.mark.skipif(trace_processor.missing() is not None, reason=str(trace_processor.missing()))
@pytest.mark.parametrize("test", ["test_one_thread", "test_three_tasks"])
def test_sums_are_those_of_trace_processor(tour: Any, show: Callable[..., list[str]], test: str) -> None:
    for suffix in (".html", ".pftrace.gz", ".json.gz"):
        (path,) = (tour.directory / "timeline" / "tests").glob(f"*{test}-*{suffix}")
        told = [json.loads(line) for line in show(tour, str(path), "--json")]
        process = next(each for each in told if each["type"] == "process")  # pytest's is the first
        main = next(each["id"] for each in told if each["type"] == "track" and each["name"] == "MainThread")
        counts: Counter[str] = Counter()
        sums: Counter[str] = Counter()
        for each in told:
            if each["type"] == "slice" and each["track"] == main:
                counts[each["name"]] += 1
                sums[each["name"]] += each["duration_ns"]
        (trace,) = path.parent.glob(f"*{test}-*.pftrace.gz")
        (rows,) = trace_processor.query(trace, SUMS.format(process["pid"]))
        assert counts == Counter({name: count for name, count, _ in rows})
        assert all(abs(sums[name] - ns) <= count for name, count, ns in rows)  # 1 ns for an arrow


def test_json_is_whole_and_its_parents_are_there(tour: Any, show: Callable[..., list[str]]) -> None:
    everything = [json.loads(line) for line in show(tour, "test_three_processes", "--json")]
    pruned = [json.loads(line) for line in show(tour, "test_three_processes", "--json", "--min=1ms", "--depth=5")]
    assert everything[0]["type"] == "test" and everything[0]["nodeid"] == "test_cpu.py::test_three_processes"
    assert everything[0]["outcome"] == "passed" and everything[0]["version"] == 1
    (entry,) = (each for each in tour.manifest["tests"] if each["nodeid"] == everything[0]["nodeid"])
    threads = {each["id"] for each in everything if each["type"] == "track" and each["kind"] == "thread"}
    assert sum(each["type"] == "slice" and each["track"] in threads for each in everything) == entry["slices"]
    assert len({each["pid"] for each in everything if each["type"] == "process"}) >= 4  # 3.14 has a fork server
    for told in (everything, pruned):
        known = {(each["track"], each["id"]): each for each in told if each["type"] == "slice"}
        for each in known.values():
            if each["parent"] is not None:
                above = known[each["track"], each["parent"]]
                assert above["start_ns"] <= each["start_ns"]
                assert each["start_ns"] + each["duration_ns"] <= above["start_ns"] + above["duration_ns"]
    assert 10 < len(pruned) < len(everything)
    assert all(each["duration_ns"] >= 1_000_000 for each in pruned if each["type"] == "slice")


def test_what_is_wrong_is_one_clear_line(tour: Any, show: Callable[..., list[str]], tmp_path: Path) -> None:
    lines = show(tour, "test_three", status=1)
    assert lines[0] == "pytest-timeline: 'test_three' is part of several tests' names:"
    assert len(lines) == 6 and "  test_io.py::test_three_tasks" in lines
    for arguments, expected in (
        (["test_four"], "none of the 7 tests in timeline is called 'test_four'"),
        (["test_three_tasks", "--dir=gone"], "is it the run's --timeline-dir?"),
        (["test_three_tasks", "--thread=gone"], ", MainThread, Task-1"),
        (["test_three_tasks", "--rerun=4"], "has no --rerun 4; there is 0"),
        (["run.zip"], "none of the 7 tests"),
    ):
        (line,) = show(tour, *arguments, status=1)
        assert expected in line
    (page,) = (tour.directory / "timeline" / "tests").glob("*three_tasks*.html")
    damaged = tmp_path / page.name
    damaged.write_bytes(page.read_bytes()[:-5_000])
    (line,) = show(tour, str(damaged), status=1)
    assert f"{damaged} is damaged" in line
    with pytest.raises(SystemExit) as end:
        cli.main(["show", "x", "--min=5"])
    assert end.value.code == 2


def test_a_reader_that_has_seen_enough(tour: Any) -> None:
    command = [sys.executable, "-m", "pytest_timeline", "show", "test_three_processes", "--json"]
    process = subprocess.Popen(command, cwd=tour.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith(b'{"type":"test"')
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)
    process.stderr.close()


def test_an_encoding_with_little_in_it(tour: Any) -> None:
    command = [sys.executable, "-m", "pytest_timeline", "show", "test_three_processes", "--min=5ms"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tour.directory, env=environment, capture_output=True, check=True)
    assert done.stdout.isascii() and b"\033" not in done.stdout


def test_a_failure_and_its_reruns(run_once: Callable[..., Any], show: Callable[..., list[str]]) -> None:
    text = """
        import pathlib, time
        def check(): raise ValueError("not yet")
        def test_it(request):
            time.sleep(0.001)
            tries = pathlib.Path("tries")
            if not tries.exists():
                tries.touch()
                check()
    """
    run = run_once({"test_a.py": dedent(text)}, *OPTIONS, "--reruns=1")
    assert run.ret == 0, run.stdout
    lines = show(run, "test_it", "--min=0")
    assert lines[0].startswith("test_a.py::test_it  failed  ")
    assert "rerun 0 (--rerun: 1 passed)" in lines[1]
    assert lines[2] == "ValueError: not yet"
    squeezed = [" ".join(line.split()[2:]) for line in lines]
    where = next(at for at, line in enumerate(squeezed) if re.match(r"test_it raised( ValueError)? test_a.py:4", line))
    assert any(
        re.match(r"check raised( ValueError)? test_a.py:3", line) for line in squeezed[where:]
    )  # 3.11 has no type
    assert any(line.endswith("time.sleep sleep") for line in squeezed)
    assert any(line.endswith("!! ValueError: not yet") for line in lines)
    assert show(run, "test_it", "--rerun=1")[0].startswith("test_a.py::test_it  passed  ")


def test_a_failure_without_a_traceback_is_the_same_from_every_format(
    run_once: Callable[..., Any], show: Callable[..., list[str]]
) -> None:
    run = run_once({"test_a.py": "import pytest\ndef test_it(): pytest.fail('nope', pytrace=False)\n"}, *OPTIONS)
    (entry,) = run.manifest["tests"]
    for file in entry["files"].values():
        told = [json.loads(line) for line in show(run, f"timeline/{file}", "--json")]
        (failure,) = (each for each in told if each["type"] == "instant" and each["category"] == "test")
        assert failure["args"] == {"exception": "Failed", "message": "nope", "traceback": [], "phase": "call"}


def test_what_the_documentation_says(tour: Any, show: Callable[..., list[str]], tmp_path: Path) -> None:
    """Every command in it; those of `collect` need a run that goes on, or died, and are tried elsewhere."""
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    \$ python -m pytest_timeline (show|merge) (.*)$", text, re.MULTILINE)
    assert [name for name, _ in commands] == ["show", "show", "merge"]
    shutil.copytree(tour.directory / "timeline", tmp_path / "timeline")
    for shard in ("timeline-1", "timeline-2"):
        shutil.copytree(tour.directory / "timeline", tmp_path / shard)
    said = {}
    for name, arguments in commands:
        command = [sys.executable, "-m", "pytest_timeline", name, *shlex.split(arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
        said[name] = done.stdout
        assert done.stdout and not done.stderr
    assert said["merge"] == f"14 tests of 2 shards: {Path('report', 'index.html')}\n"


def test_the_collection_is_shown_by_its_name_and_from_its_files(tour: Any, show: Callable[..., list[str]]) -> None:
    named = show(tour, "collection", "--depth=4")
    assert re.fullmatch(f"collection  {TIME.pattern}", named[0])
    for suffix in (".html", ".pftrace.gz", ".json.gz"):
        assert show(tour, f"timeline/tests/collection{suffix}", "--depth=4")[3:] == named[3:]
    assert any(line.split()[-2:] == ["collect", "test_cpu.py"] for line in named)
    (said,) = show(tour, "collections", status=1)
    assert "is called 'collections'" in said
