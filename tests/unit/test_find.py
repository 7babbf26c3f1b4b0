"""Which test a name means, and what its timeline is read from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline.export import make
from pytest_timeline.show.find import Found, Unclear, candidates, find
from pytest_timeline.timeline.model import Span
from support.timelines import CLOCK, combine, lane_of_test, slices, thread, timeline

NODEIDS = ["a.py::test_x", "a.py::test_x_more", "a.py::T::test_y[1]", "a.py::T::test_y[2]", "sub/b.py::test_x[a b]"]


def made(nodeid: str, **args: Any) -> Any:
    span = Span(nodeid, "test", 1_000, 900_000, 0)
    about = timeline(
        thread(slices((2_000, 3_000, 10, 0))), lanes=[lane_of_test(span)], args={"outcome": "passed"} | args
    )
    about.name = nodeid
    return about


def entry(nodeid: str, directory: Path | None = None, **fields: Any) -> dict[str, Any]:
    """Return what the manifest says of a test, whose page is in `directory`."""
    about = {"nodeid": nodeid, "outcome": "passed", "rerun": 0, "files": {}} | fields
    if directory is not None:
        file = f"tests/{len(list(directory.glob('tests/*')))}.html"
        (directory / "tests").mkdir(exist_ok=True)
        make("html").write(made(nodeid, outcome=about["outcome"], rerun=about["rerun"]), CLOCK, directory / file)
        about["files"] = {"html": file}
    return about


def write_run(directory: Path, entries: list[dict[str, Any]], **fields: Any) -> None:
    run = {"version": 1, "tests": entries, "combined": {}, "root": "/r"} | fields
    (directory / "run.json").write_text(json.dumps(run))


def said(found: Found) -> tuple[str, Any, str]:
    test = found.test
    return found.trace.names[test.track.names[test.row]].text, test.track.args[test.row].get("rerun"), found.about


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("a.py::test_x", [0]),
        ("test_x", [0]),  # so called, not a part of more
        ("test_x_more", [1]),
        ("test_y[2]", [3]),
        ("T::test_y", [2, 3]),
        ("test_y", [2, 3]),
        ("_x", [0, 1, 4]),
        ("sub/", [4]),
        ("SUB test_x", [4]),
        ("y 1", [2]),
        ("nothing", []),
    ],
)
def test_a_name_means(what: str, expected: list[int]) -> None:
    assert candidates(what, NODEIDS) == [NODEIDS[at] for at in expected]


def test_several_are_listed(tmp_path: Path) -> None:
    write_run(tmp_path, [entry(f"a.py::test_{n}") for n in range(30)])
    with pytest.raises(Unclear, match="'test_' is part of several tests' names") as error:
        find("test_", tmp_path)
    assert error.value.shown() == [*(f"a.py::test_{n}" for n in range(20)), "and 10 more"]


def test_none_says_what_there_is(tmp_path: Path) -> None:
    write_run(tmp_path, [entry("a.py::test_login"), entry("a.py::test_b")])
    with pytest.raises(ValueError, match=r"none of the 2 tests in .* is called 'test_logn'; close: a.py::test_login"):
        find("test_logn", tmp_path)
    with pytest.raises(ValueError, match=r"the first is a.py::test_login"):
        find("zzz", tmp_path)
    write_run(tmp_path, [])
    with pytest.raises(ValueError, match="no test was recorded"):
        find("zzz", tmp_path)


def test_of_several_attempts_the_last_that_failed(tmp_path: Path) -> None:
    outcomes = ["failed", "failed", "passed"]
    entries = [entry("a.py::t", tmp_path, rerun=at, outcome=outcome) for at, outcome in enumerate(outcomes)]
    write_run(tmp_path, entries)
    assert said(find("a.py::t", tmp_path)) == ("a.py::t", 1, "rerun 1 (--rerun: 0 failed, 2 passed)")
    assert said(find("t", tmp_path, 2))[:2] == ("a.py::t", 2)
    with pytest.raises(ValueError, match=r"a.py::t has no --rerun 3; there is 0, 1, 2"):
        find("a.py::t", tmp_path, 3)
    write_run(tmp_path, entries[2:])
    assert said(find("t", tmp_path)) == ("a.py::t", 2, "")


def test_a_file_is_its_test(tmp_path: Path) -> None:
    page = tmp_path / entry("a.py::t", tmp_path)["files"]["html"]
    assert said(find(str(page), Path("nowhere"))) == ("a.py::t", 0, "")
    write_run(tmp_path, [])
    assert find(str(page), Path("nowhere")).trace.root == "/r"  # for the names of files
    with pytest.raises(OSError, match="gone"):
        find(str(tmp_path / "gone.html"), tmp_path)


def test_a_test_that_was_not_kept_is_said_to_be(tmp_path: Path) -> None:
    gone = entry("a.py::gone", files={"html": "tests/gone.html"})
    write_run(tmp_path, [entry("a.py::quick"), gone])
    with pytest.raises(ValueError, match=r"a.py::quick passed, and its timeline was not kept"):
        find("quick", tmp_path)
    with pytest.raises(ValueError, match=r"gone\.html is gone"):
        find("gone", tmp_path)


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_a_combined_trace_will_do(tmp_path: Path, format: str) -> None:
    path = combine(format, tmp_path, made("a.py::t", rerun=0), made("a.py::t", rerun=1), made("a.py::u", rerun=0))
    entries = [entry("a.py::t"), entry("a.py::t", rerun=1), entry("a.py::u")]
    write_run(tmp_path, entries, combined={format: path.name})
    assert said(find("a.py::t", tmp_path)) == ("a.py::t", 1, "rerun 1 (--rerun: 0 passed)")
    assert said(find("t", tmp_path, 0))[:2] == ("a.py::t", 0)
    assert said(find("a.py::u", tmp_path)) == ("a.py::u", 0, "")
    with pytest.raises(Unclear, match="holds several tests") as error:
        find(str(path), tmp_path)
    assert error.value.candidates == ["a.py::t", "a.py::t", "a.py::u"]


def test_a_run_that_goes_on_is_read_from_what_a_look_left(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no .*run\.json: is it the run's --timeline-dir\?"):
        find("t", tmp_path)
    (tmp_path / ".spool").mkdir()
    with pytest.raises(ValueError, match="goes on or was cut short: 'python -m pytest_timeline collect"):
        find("t", tmp_path)
    combine("perfetto", tmp_path, made("a.py::t", outcome="running")).rename(tmp_path / "live.pftrace.gz")
    assert said(find("t", tmp_path)) == ("a.py::t", None, "")


def test_a_test_of_several_shards_is_known_by_its_file(tmp_path: Path) -> None:
    entries = [entry("a.py::t", tmp_path, shard="x"), entry("a.py::t", tmp_path, shard="y")]
    write_run(tmp_path, entries, shards=[{"name": "x", "root": "/x"}, {"name": "y", "root": "/y"}])
    with pytest.raises(Unclear, match=r"a.py::t ran in several shards: name a file") as error:
        find("t", tmp_path)
    assert error.value.candidates == [str(tmp_path / "tests/0.html"), str(tmp_path / "tests/1.html")]
    assert find(error.value.candidates[1], tmp_path).trace.root == "/y"


@pytest.mark.parametrize(
    ("text", "expected"), [("{", "is damaged"), ("[]", "of another version"), ('{"version": 2}', "of another version")]
)
def test_a_manifest_that_can_t_be_read(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=expected):
        find("t", tmp_path)
