"""The names of a run's files, and the removal of a previous run's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_timeline.outputs import MAX_NAME_BYTES, remove_live, remove_previous, removing_previous, stem


def test_a_stem_is_a_slug_with_a_hash() -> None:
    name = stem("tests/test_a.py::TestB::test_x[1-é/..]")
    slug, _, digest = name.rpartition("-")
    assert slug == "tests-test_a.py-TestB-test_x-1"
    assert len(digest) == 8
    assert int(digest, 16) >= 0


def test_reruns_and_equal_slugs_differ() -> None:
    names = {stem("a::b", 0), stem("a::b", 1), stem("a::b", 2), stem("a/b", 0), stem("a[b]", 0)}
    assert len(names) == 5
    assert stem("a::b", 2) == stem("a::b") + "-r2"


@pytest.mark.parametrize("nodeid", ["x" * 5000, "", "::", "../../etc/passwd", "é" * 300, "a\nb\0c", "\ud800"])
def test_a_stem_is_a_plain_short_file_name(nodeid: str) -> None:
    for rerun in (0, 12):
        name = stem(nodeid, rerun)
        assert 0 < len(name.encode()) <= MAX_NAME_BYTES
        assert all(c.isascii() and (c.isalnum() or c in "-_.") for c in name)
        assert name[0] not in ".-"


def previous_run(directory: Path, files: list[str], combined: list[str]) -> None:
    tests = [{"nodeid": file, "files": {"perfetto": file}} for file in files]
    run = {"tests": tests, "combined": {str(i): file for i, file in enumerate(combined)}}
    (directory / "run.json").write_text(json.dumps(run))


def test_only_the_listed_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    ours = ["tests/a-1.pftrace.gz", "tests/b-2.json.gz"]
    users = ["notes.txt", "tests/c-3.pftrace.gz"]
    for file in [*ours, *users, "combined.pftrace.gz"]:
        (tmp_path / file).touch()
    previous_run(tmp_path, ours, ["combined.pftrace.gz"])
    remove_previous(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == users


def test_files_are_removed_bit_by_bit_but_not_those_that_were_made_again(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    ours = [f"tests/{number}.html" for number in range(4)]
    for file in [*ours, "index.html"]:
        (tmp_path / file).write_text("old")
    tests = [{"files": {"html": file}} for file in ours]
    (tmp_path / "run.json").write_text(json.dumps({"tests": tests, "combined": {}, "report": ["index.html"]}))
    made: set[str] = set()
    steps = removing_previous(tmp_path, made)
    assert (tmp_path / "index.html").exists()

    def left() -> list[str]:
        return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())

    next(steps)
    assert left() == ours
    next(steps)
    assert left() == ours[1:]
    made.add(ours[2])
    (tmp_path / ours[2]).write_text("new")
    assert len(list(steps)) == 2
    assert left() == [ours[2]] and (tmp_path / ours[2]).read_text() == "new"


def test_the_report_s_files_are_removed_and_nobody_else_s(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    for file in ("index.html", "assets/test.js", "assets/mine.js", "about.html"):
        (tmp_path / file).touch()
    report = ["index.html", "assets/test.js", "assets/gone.css", "about.html"]
    (tmp_path / "run.json").write_text(json.dumps({"tests": [], "combined": {}, "report": report}))
    remove_previous(tmp_path)
    left = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == ["about.html", "assets/mine.js"]
    (tmp_path / "assets" / "mine.js").unlink()
    (tmp_path / "run.json").write_text(json.dumps({"tests": [], "combined": {}, "report": report}))
    remove_previous(tmp_path)
    assert not (tmp_path / "assets").exists()


def test_a_manifest_is_no_licence_to_delete_elsewhere(tmp_path: Path) -> None:
    directory = tmp_path / "timeline"
    (directory / "sub").mkdir(parents=True)
    files = [tmp_path / "outside", directory / "sub" / "a", directory / "conftest.py"]
    for file in files:
        file.touch()
    previous_run(
        directory,
        ["../outside", str(tmp_path / "outside"), "sub/a", "tests/../sub/a", "tests/..", "tests/\0"],
        ["conftest.py"],
    )
    remove_previous(directory)
    assert all(file.exists() for file in files)
    assert not (directory / "run.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"tests": 3}', '{"tests": [3], "combined": {}}', '{"tests": []}'])
def test_nothing_is_removed_without_a_readable_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    remove_previous(tmp_path)
    assert (tmp_path / "run.json").exists()


def test_an_empty_tests_directory_goes_with_its_last_file(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a").touch()
    previous_run(tmp_path, ["tests/a"], [])
    remove_previous(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_look_leaves_nothing_behind_and_takes_nothing_else(tmp_path: Path) -> None:
    spool_dir = tmp_path / ".spool"
    spool_dir.mkdir()
    remove_live(tmp_path, spool_dir)  # nobody looked
    names = ["live.pftrace.gz", "live.json.gz", "mine.json.gz"]
    for path in [*(tmp_path / name for name in names), tmp_path / ".spool" / "live.txt"]:
        path.touch()
    files = {"perfetto": "live.pftrace.gz", "a": "mine.json.gz", "b": "live./../mine.json.gz", "c": "live.gone"}
    (spool_dir / "live.json").write_text(json.dumps({"files": files}))
    remove_live(tmp_path, spool_dir)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".spool", "live.json.gz", "mine.json.gz"]
