"""The outputs of several jobs as one: names, clocks, what is renumbered, and shards that can't be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline import cli, outputs
from pytest_timeline.export import About, make
from pytest_timeline.export.index import Index
from pytest_timeline.merge.merge import merge
from pytest_timeline.merge.shards import names
from pytest_timeline.read import read
from pytest_timeline.timeline.model import Span
from support.report import Elements
from support.run_pages import entry, fixture, told
from support.timelines import CLOCK, lane_of_test, slices, thread, timeline

START = "2026-11-29T10:00:0{}.000000+00:00"


def write_shard(
    directory: Path,
    numbers: list[int],
    *,
    start: str = START.format(0),
    pages: bool = True,
    collected: float | None = None,
    **fields: Any,
) -> Path:
    """Write the output of a run of these tests, and of its collection if that took `collected` seconds."""
    about = About(root="/project", formats=("html", "perfetto"))
    page, trace, index = make("html", about), make("perfetto"), Index(about)
    (directory / "tests").mkdir(parents=True)
    entries = []
    for number in numbers:
        about_test = entry(
            number, worker=None, files={"html": f"tests/t-{number}.html", "perfetto": f"tests/t-{number}.pftrace.gz"}
        )
        made = told(fixture("db", 2_000, 2_000 + 1_000 * (number + 1)), outcome=about_test["outcome"])
        made.name = about_test["nodeid"]
        page.write(made, CLOCK, directory / about_test["files"]["html"])
        trace.write(made, CLOCK, directory / about_test["files"]["perfetto"])
        index.add(about_test, made, CLOCK, [f"m{number % 2}"], ["db", f"f{number % 3}"])
        entries.append(about_test)
    collection: dict[str, Any] | None = None
    report = [*page.shared]
    lane = {"worker": None, "pid": 40, "begin": 0, "end": 9_000_000, "collection": [100, 200], "page": ""}
    if collected is not None:
        files = {"html": "tests/collection.html", "perfetto": "tests/collection.pftrace.gz"}
        looked = lane_of_test(Span("collection", "test", 1_000, 900_000, 0))
        made = timeline(thread(slices((2_000, 502_000, 10, 0))), lanes=[looked])
        made.name = "collection"
        page.write(made, CLOCK, directory / files["html"])
        trace.write(made, CLOCK, directory / files["perfetto"])
        report += files.values()
        collection = {"worker": None, "duration": collected, "imports": [], "files": files}
        lane |= {"page": "collection", "modules": [["json", "json.py", 120, 30, 20]]}
    run = {
        "version": 1, "pytest": "9.2.0", "python": "3.13.0", "platform": "Linux", "plugins": [], "argv": ["-x"],
        "root": "/project", "start": start, "duration": 9.0, "exitstatus": 0, "workers": [], "tests": entries,
        "combined": {}, "dropped": 0, "errors": [], "warnings": [], "report": report,
        "collection": collection,
    } | fields  # fmt: skip
    if pages:
        run["report"] = list(dict.fromkeys([*run["report"], *index.write(directory, run, [lane])]))
    (directory / "run.json").write_text(json.dumps(run))
    return directory


def run_of(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the manifest, and what the run page carries."""
    page = Elements((directory / "index.html").read_text(encoding="utf-8"))
    return json.loads((directory / "run.json").read_text()), json.loads(page.scripts["run"])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (["timeline-py3.11", "timeline-py3.12"], ["py3.11", "py3.12"]),
        (["jobs/1/timeline", "jobs/2/timeline"], ["1", "2"]),
        (["1/x/timeline", "2/y/timeline", "3/x/timeline"], ["1", "2", "3"]),
        (["only/timeline"], ["timeline"]),
        (["a b\u00e9", "c/\u00e9"], ["a-b", "shard"]),
    ],
)
def test_shards_are_called_after_what_differs(tmp_path: Path, paths: list[str], expected: list[str]) -> None:
    assert names([tmp_path / path for path in paths]) == expected


def test_nothing_is_lost(tmp_path: Path) -> None:
    first = write_shard(tmp_path / "a", [0, 2, 4])
    second = write_shard(tmp_path / "b", [1, 3], start=START.format(5), exitstatus=1, warnings=["w"], dropped=3)
    out = tmp_path / "out"
    merged = merge([first, second], out)
    assert (merged.tests, merged.shards, merged.problems) == (5, ["a", "b"], [])
    run, page = run_of(out)
    before = [json.loads((each / "run.json").read_text()) for each in (first, second)]
    starts = {test["nodeid"]: test["start"] for test in run["tests"]}
    assert starts == {
        test["nodeid"]: test["start"] + offset
        for shard, offset in zip(before, (0, 5), strict=True)
        for test in shard["tests"]
    }
    assert [test["start"] for test in run["tests"]] == sorted(starts.values())
    assert {test["nodeid"]: test["worker"] for test in run["tests"]}["test_0.py::test_3"] == "b"
    assert (run["exitstatus"], run["dropped"], run["warnings"]) == (1, 3, ["b: w"])
    assert (run["duration"], run["root"], run["argv"]) == (14.0, "/project", ["-x"])
    assert run["start"] == page["start"] == "2026-11-29T10:00:00+00:00"
    for test in run["tests"]:
        number = test["nodeid"].rpartition("_")[2]
        assert test["files"] == {"html": f"tests/t-{number}.html", "perfetto": f"tests/t-{number}.pftrace.gz"}
        assert read(out / test["files"]["html"]).processes[0].pid == 4711
    assert all((out / file).is_file() for file in run["report"])
    assert [(lane["worker"], lane["begin"], lane["end"]) for lane in page["lanes"]] == [
        ("a", 0, 9_000_000),
        ("b", 5_000_000, 14_000_000),
    ]
    assert page["lanes"][1]["collection"] == [5_000_100, 5_000_200] and page["lanes"][1]["over"] == 14_000_000
    tests = page["tests"]
    assert {len(column) for column in tests.values()} == {5}
    for at, name in enumerate(tests["name"]):
        number = int(name.removeprefix("test_"))
        assert page["files"][tests["file"][at]] == f"test_{number % 3}.py"
        assert [page["markers"][marker] for marker in tests["markers"][at]] == [f"m{number % 2}"]
        assert sorted(page["uses"][tests["uses"][at]]) == ["db", f"f{number % 3}"]
        assert page["suffixes"][tests["also"][at]] == [["perfetto", ".pftrace.gz"]]
        assert tests["page"][at] == f"t-{number}"
        assert page["lanes"][tests["worker"][at]]["worker"] == "ab"[number % 2]
        assert tests["start"][at] == round(starts[f"{page['files'][tests['file'][at]]}::{name}"] * 1e6)
    (db,) = page["fixtures"]
    assert db[:4] == ["db", "session", 5, 15] and [us for _, us in db[5]] == [5, 4, 3, 2, 1]
    assert [tests["name"][test] for test, _ in db[5]] == ["test_4", "test_3", "test_2", "test_1", "test_0"]
    assert sorted((tests["name"][test], us) for _, _, us, test, _ in page["wide"]) == [
        (f"test_{n}", n + 1) for n in range(5)
    ]


def test_the_same_test_in_two_shards_is_there_twice(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / name, [0, number]) for number, name in enumerate(("x", "y"), 1)]
    out = tmp_path / "out"
    merge(shards, out)
    run, page = run_of(out)
    twice = {test["shard"]: test["files"]["html"] for test in run["tests"] if test["nodeid"] == "test_0.py::test_0"}
    assert twice == {"x": "tests/t-0-x.html", "y": "tests/t-0-y.html"}
    assert sorted(page["tests"]["page"]) == ["t-0-x", "t-0-y", "t-1", "t-2"]
    head = json.loads(Elements((out / twice["y"]).read_text(encoding="utf-8")).scripts["head"])
    assert head["files"] == {"perfetto": "t-0-y.pftrace.gz"} and (out / "tests" / "t-0-y.pftrace.gz").is_file()
    assert read(out / twice["y"]) is not None
    assert len(list((out / "tests").iterdir())) == 8


def test_a_name_that_is_free_is_found(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / name, numbers, pages=False) for name, numbers in (("1", [0]), ("2", [0, 3]))]
    odd = json.loads((shards[1] / "run.json").read_text())
    for format, file in odd["tests"][1]["files"].items():
        odd["tests"][1]["files"][format] = file.replace("t-3", "t-0-1")  # the name of shard 1's, once it has changed
        (shards[1] / file).rename(shards[1] / file.replace("t-3", "t-0-1"))
    (shards[1] / "run.json").write_text(json.dumps(odd))
    merge(shards, out := tmp_path / "out")
    files = [file for test in run_of(out)[0]["tests"] for file in test["files"].values()]
    assert len(set(files)) == 6 == len(list((out / "tests").iterdir()))


def test_every_collection_is_there_under_its_shard_s_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shards = [
        write_shard(Path(name), [at], start=START.format(5 * at), collected=took)
        for at, (name, took) in enumerate([("a", 1.0), ("b", 2.0), ("c", None)])
    ]
    merge(shards, out := Path("out"))
    run, page = run_of(out)
    assert [lane["page"] for lane in page["lanes"]] == ["collection-a", "collection-b", ""]
    assert [lane.get("modules") for lane in page["lanes"]] == [
        [["json", "json.py", 120, 30, 20]],
        [["json", "json.py", 5_000_120, 30, 20]],
        None,
    ]
    for name in ("a", "b"):
        path = out / "tests" / f"collection-{name}.html"
        head = json.loads(Elements(path.read_text(encoding="utf-8")).scripts["head"])
        assert head["files"] == {"perfetto": f"collection-{name}.pftrace.gz"} and head["run"] == "../index.html"
        assert read(path).processes[0].pid == read(path.with_suffix(".pftrace.gz")).processes[0].pid == 4711
    files = {"html": "tests/collection-b.html", "perfetto": "tests/collection-b.pftrace.gz"}
    assert run["collection"] == page["collection"] == {"worker": "b", "duration": 2.0, "imports": [], "files": files}
    assert cli.main(["show", "collection", "--dir", "out"]) == 0
    assert "out/tests/collection-b.html" in capsys.readouterr().out
    merge([out, write_shard(Path("d"), [4], collected=0.5)], again := Path("again"))
    assert {lane["page"] for lane in run_of(again)[1]["lanes"]} == {
        "collection-a-out", "collection-b-out", "", "collection-d",
    }  # fmt: skip
    outputs.remove_previous(again)
    assert not list(again.iterdir())


def test_what_is_missing_from_a_shard_is_said_and_no_page_names_it(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / name, [at], collected=1.0 - at / 2) for at, name in enumerate("ab")]
    for file in ("collection.html", "collection.pftrace.gz", "t-0.html"):
        (shards[0] / "tests" / file).unlink()
    merge(shards, out := tmp_path / "out")
    run, page = run_of(out)
    assert run["warnings"] == ["a: 3 of its files in tests/ are missing"]
    assert [lane["page"] for lane in page["lanes"]] == ["", "collection-b"]
    assert page["tests"]["page"] == ["", "t-1"]
    assert run["collection"]["worker"] == "b"  # the one that can be shown, though the other took longer


def test_clocks_may_be_aligned_or_unknown(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / name, [at], start=START.format(5 * at)) for at, name in enumerate("ab")]
    merge(shards, tmp_path / "out", align=True)
    assert [lane["begin"] for lane in run_of(tmp_path / "out")[1]["lanes"]] == [0, 0]
    shards.append(write_shard(tmp_path / "c", [2], start="no time"))
    merge(shards, tmp_path / "out")
    assert [lane["begin"] for lane in run_of(tmp_path / "out")[1]["lanes"]] == [0, 5_000_000, 0]


def test_a_shard_without_a_run_page_is_in_it_all_the_same(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / "a", [0], pages=False), write_shard(tmp_path / "b", [1])]
    merge(shards, tmp_path / "out")
    _, page = run_of(tmp_path / "out")
    assert page["tests"]["name"] == ["test_0", "test_1"] and page["tests"]["page"] == ["t-0", "t-1"]
    assert page["lanes"][0] | {"pid": 0} == {
        "worker": "a", "pid": 0, "begin": 1_000_000, "end": 1_010_000, "last": 1_010_000, "over": 9_000_000,
    }  # fmt: skip


def test_combined_traces_lie_beside_each_other(tmp_path: Path) -> None:
    shards = [
        write_shard(tmp_path / name, [at], combined={"perfetto": "combined.pftrace.gz"}) for at, name in enumerate("ab")
    ]
    for shard in shards:
        (shard / "combined.pftrace.gz").write_text(shard.name)
    merge(shards, out := tmp_path / "out")
    run, page = run_of(out)
    assert run["combined"] == page["combined"]
    assert run["combined"] == {"perfetto a": "combined-a.pftrace.gz", "perfetto b": "combined-b.pftrace.gz"}
    assert (out / "combined-b.pftrace.gz").read_text() == "b"


def test_a_merged_report_may_be_merged_again_and_removed(tmp_path: Path) -> None:
    shards = [
        write_shard(tmp_path / name, [0, at], combined={"perfetto": "combined.pftrace.gz"})
        for at, name in enumerate("abc", 1)
    ]
    for shard in shards:
        (shard / "combined.pftrace.gz").touch()
    merge(shards[:2], tmp_path / "ab")
    merge([tmp_path / "ab", shards[2]], out := tmp_path / "out")
    run, page = run_of(out)
    assert len({test["files"]["html"] for test in run["tests"]}) == len(run["tests"]) == len(page["tests"]["name"]) == 6
    assert {lane["worker"] for lane in page["lanes"]} == {"ab/a", "ab/b", "c"}
    assert len(list(out.glob("combined*"))) == 3 and all((out / file).exists() for file in run["combined"].values())
    (out / "notes.txt").touch()
    outputs.remove_previous(out)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]
    assert all((shard / "tests" / "t-0.html").stat().st_size for shard in shards)  # what was linked is still there


def test_shards_that_can_t_be_used_are_said_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_shard(Path("good"), [0])
    for name in ("empty", "died/.spool", "damaged"):
        Path(name).mkdir(parents=True)
    Path("damaged/run.json").write_text("{")
    assert cli.main(["merge", "good", "gone", "empty", "died", "damaged", "-o", "out"]) == 1
    out, err = capsys.readouterr()
    assert out == "1 test of 1 shard: out/index.html\n"
    assert [line.removeprefix("pytest-timeline: not merged: ") for line in err.splitlines()][:3] == [
        "gone is no directory",
        "empty has no run.json: it is no output directory, or its job died",
        "died holds an unfinished run: 'python -m pytest_timeline collect died' first",
    ]
    assert "damaged/run.json is damaged" in err
    assert len(run_of(Path("out"))[0]["warnings"]) == 4
    assert cli.main(["merge", "good", "-o", "out"]) == 0
    assert cli.main(["merge", "gone", "-o", "new"]) == 1
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "b"], "b/run.json has version 2, not 1"),
        (["a", "a"], "a is given twice"),
        (["a", "-o", "a"], "a is one of the shards"),
        (["a", "-o", "unfinished"], "unfinished is the output of a run that goes on"),
        (["a", "other"], "are of different versions of pytest-timeline"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "other"):
        write_shard(Path(name), [0])
    Path("b/run.json").write_text(Path("b/run.json").read_text().replace('"version": 1', '"version": 2'))
    Path("other/assets/test.js").write_text("of another version")
    Path("unfinished/.spool").mkdir(parents=True)
    assert cli.main(["merge", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and expected in err
    assert not Path("timeline").exists()
