"""The run page's data: every test in columns, the fixtures, the lanes; and the page that it is put into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline.export import About, page
from pytest_timeline.export.index import Index
from pytest_timeline.timeline.model import Span, Timeline
from support.report import Elements
from support.timelines import CLOCK, lane_of_test, slices, thread, timeline

RUN = {"version": 1, "argv": ["-x"], "duration": 1.5, "tests": [], "report": [], "warnings": ["<b>"]}
LANES = [{"worker": "gw0", "pid": 10, "begin": 0, "end": 9_000}, {"worker": "gw1", "pid": 11, "begin": 5, "end": 9_000}]


def entry(nodeid: str, start: float, **fields: Any) -> dict[str, Any]:
    return {
        "nodeid": nodeid, "outcome": "passed", "worker": "gw1", "start": start, "duration": 0.5, "rerun": 0,
        "phases": {"setup": 0.1, "call": 0.3}, "slices": 7, "folded": 0, "dropped": 0, "processes": 1, "threads": 2,
        "tasks": 0, "leaks": 0, "leaked": [], "kept": True,
        "blocks": 0, "blocked": [], "files": {"html": "tests/x-1.html", "perfetto": "tests/x-1.pftrace.gz"},
    } | fields  # fmt: skip


def told(*spans: Span, **args: Any) -> Timeline:
    rows = ((2_000, 502_000, 10, 0), (102_000, 202_000, 20, 1))
    test = Span("t", "test", 1_000, 900_000, 0, {"line": 12})
    return timeline(thread(slices(*rows)), lanes=[lane_of_test(test, *spans)], args=args)


def fixture(name: str, start: int, end: int, depth: int = 2, scope: str = "function") -> Span:
    place = {} if name.endswith("tear-down") else {"file": "/project/conftest.py", "line": 7}
    return Span(name, "fixture", start, end, depth, {"scope": scope, **place})


def test_the_tests_are_columns_in_order_of_start() -> None:
    index = Index(About(root="/project"))
    index.add(entry("b.py::T::test_2[x::y]", 0.2, worker="gw0"), told(), CLOCK, ["slow", "db"])
    failed = entry("a.py::test_1", 0.1, outcome="failed", files={}, rerun=2, leaks=3, leaked=["thread \0"])
    failed |= {"blocks": 1, "blocked": ["f"]}
    index.add(failed, told(exception="E: no"), CLOCK, ["db"])
    index.add(entry("b.py::test_3", 0.3, worker=None), Timeline("b.py::test_3", 1, 2, []), CLOCK, [])
    data = index.data(RUN, LANES)
    tests = data["tests"]
    assert {len(column) for column in tests.values()} == {3}
    assert tests["name"] == ["test_1", "T::test_2[x::y]", "test_3"]
    assert [data["files"][file] for file in tests["file"]] == ["a.py", "b.py", "b.py"]
    assert [[data["markers"][marker] for marker in each] for each in tests["markers"]] == [["db"], ["slow", "db"], []]
    assert (tests["outcome"], tests["worker"], tests["rerun"]) == (
        ["failed", "passed", "passed"],
        [1, 0, -1],
        [2, 0, 0],
    )
    assert (tests["start"], tests["duration"][0], tests["phases"][0]) == (
        [100_000, 200_000, 300_000], 500_000, [100_000, 300_000, 0],
    )  # fmt: skip
    assert [dict(zip(data["categories"], each, strict=True))["own"] for each in tests["times"]] == [400, 400, 0]
    assert tests["times"][0][data["categories"].index("c")] == 100
    assert (tests["exception"], tests["line"]) == (["E: no", "", ""], [12, 12, 0])
    assert (tests["leaks"], tests["leaked"]) == ([3, 0, 0], [["thread \ufffd"], [], []])
    assert (tests["blocks"], tests["blocked"]) == ([1, 0, 0], [["f"], [], []])
    assert tests["page"] == ["", "x-1", "x-1"]
    assert [data["suffixes"][also] for also in tests["also"]] == [[], *[[["perfetto", ".pftrace.gz"]]] * 2]
    assert data["lanes"] == LANES
    assert (data["version"], data["argv"], data["root"]) == (1, ["-x"], "/project")
    assert "report" not in data
    json.dumps(data)


def test_fixtures_are_summed_up_with_their_longest_set_ups() -> None:
    index = Index(About(root="/project"))
    index.add(
        entry("a::1", 0.2),
        told(
            Span("setup", "test", 1_000, 100_000, 1),
            fixture("db", 1_000, 51_000, scope="session"),
            fixture("inner", 2_000, 12_000, 3),
            fixture("db", 60_000, 70_000, scope="session"),
            Span("teardown", "test", 110_000, 200_000, 1),
            fixture("db tear-down", 110_000, 130_000, scope="session"),
        ),
        CLOCK,
        [],
        ["inner", "db"],
    )
    index.add(entry("a::2", 0.1), told(fixture("inner", 1_000, 31_000)), CLOCK, [], ["inner"])
    data = index.data(RUN, LANES)
    assert data["fixtures"] == [
        ["db", "session", 2, 60, 20, [[1, 50], [1, 10]], "conftest.py:7"],
        ["inner", "function", 2, 40, 0, [[0, 30], [1, 10]], "conftest.py:7"],
    ]
    # Of the wider scope only; index, start of the run, duration, test, tear-down
    assert data["wide"] == [[0, 200_000, 50, 1, 0], [0, 200_059, 10, 1, 0], [0, 200_109, 20, 1, 1]]
    assert [data["uses"][use] for use in data["tests"]["uses"]] == [["inner"], ["inner", "db"]]
    assert data["tests"]["fixtures"] == [30, 80]


def test_the_value_of_a_parameter_is_no_fixture() -> None:
    index = Index(About())
    value = Span("n", "fixture", 1_000, 2_000, 2, {"scope": "function", "param": "3"})
    index.add(entry("a::1", 0.2), told(value, fixture("db", 3_000, 4_000)), CLOCK, [])
    assert [name for name, *_ in index.data(RUN, LANES)["fixtures"]] == ["db"]


def test_the_longest_of_the_wider_fixtures_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_timeline.export.index.WIDE", 3)
    index = Index(About())
    for number in range(9):
        span = fixture("f", 1_000, 2_000 + number % 5 * 1_000, scope="module")
        index.add(entry(f"a::{number}", number), told(span), CLOCK, [])
    assert [[us, test] for _, _, us, test, _ in index.data(RUN, LANES)["wide"]] == [[4, 3], [5, 4], [4, 8]]


def test_many_set_ups_keep_the_longest_only() -> None:
    index = Index(About())
    for number in range(100):
        index.add(entry(f"a::{number}", number), told(fixture("f", 1_000, 2_000 + number * 1_000)), CLOCK, [])
    ((_, _, count, _, _, longest, _),) = index.data(RUN, LANES)["fixtures"]
    assert count == 100
    assert longest == [[number, number + 1] for number in range(99, 79, -1)]


def test_the_page_holds_the_data_and_lists_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = tmp_path / "viewer"
    viewer.mkdir()
    (viewer / "run.js").write_text("draw()")
    (viewer / "run.html").write_text(
        '<title>{{title}}</title><noscript>{{summary}}</noscript>{{data}}<script src="assets/run.js"></script>'
    )
    monkeypatch.setattr(page, "VIEWER", viewer)
    hostile = "</script><img src=x onerror=alert(1)>"
    index = Index(About(root=f"/{hostile}"))
    index.add(entry(f"a.py::{hostile}", 0.1), told(exception=hostile), CLOCK, [hostile])
    assert index.write(tmp_path, RUN, LANES) == ["assets/run.js", "index.html"]
    assert (tmp_path / "assets" / "run.js").read_text() == "draw()"
    elements = Elements((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in elements.tags] == ["title", "noscript", "p", "script", "script"]
    data = json.loads(elements.scripts["run"])
    assert data["tests"]["name"] == data["tests"]["exception"] == data["markers"] == [hostile]
    assert data == json.loads(json.dumps(index.data(RUN, LANES)))
    alone = Index(About(standalone=True))
    assert alone.write(tmp_path, RUN, []) == ["index.html"]
    assert Elements((tmp_path / "index.html").read_text(encoding="utf-8")).scripts[""] == "draw()"


def test_without_its_template_there_is_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "VIEWER", tmp_path)
    assert Index(About()).write(tmp_path, RUN, LANES) == []
    assert list(tmp_path.iterdir()) == []
