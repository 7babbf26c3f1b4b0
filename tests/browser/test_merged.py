"""Two real runs, one of them of pytest-xdist, merged, and the report opened from file://."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline import cli
from support import browser

TESTS = """
    import pytest
    @pytest.fixture(scope="module")
    def db(): return 1
    @pytest.mark.parametrize("n", range(4))
    def test_n(n, db): assert n != 3
    def helper(): return 1
    def test_other(): helper()
"""
OPTIONS = ["--timeline", "-p", "no:cacheprovider"]


@pytest.fixture
def shards(run_pytest: Callable[..., Any], pytester: pytest.Pytester) -> list[Path]:
    pytester.makepyfile(TESTS)
    runs = [["-k", "test_n"], ["-n2"]]  # the second has all of them again
    made = [run_pytest(*OPTIONS, f"--timeline-dir=timeline-{at}", *run) for at, run in enumerate(runs)]
    assert [run.ret for run in made] == [1, 1], made[1].stdout
    return [pytester.path / f"timeline-{at}" for at in range(2)]


def test_a_merged_report_filters_and_opens_each_test(shards: list[Path], tmp_path: Path, page: browser.Page) -> None:
    assert cli.main(["merge", *map(str, shards), "-o", str(tmp_path / "all")]) == 0
    run = json.loads((tmp_path / "all" / "run.json").read_text())
    before = [json.loads((shard / "run.json").read_text())["tests"] for shard in shards]
    assert sorted((test["nodeid"], test["outcome"], test["slices"]) for test in run["tests"]) == sorted(
        (test["nodeid"], test["outcome"], test["slices"]) for tests in before for test in tests
    )
    page.open(tmp_path / "all" / "index.html")
    assert page.text("#count") == "9 tests"
    assert set(page.texts("#rows .worker-cell")) <= {"0", "1/gw0", "1/gw1"}
    drawn = page.evaluate("RunData.lanes.map(lane => [lane.worker, lane.page])")
    assert drawn == [["0", "collection-0"], ["1/gw0", "collection-gw0-1"], ["1/gw1", "collection-gw1-1"]]
    assert all((tmp_path / "all" / "tests" / f"{name}.html").is_file() for _, name in drawn)
    for lane in page.evaluate("RunData.lanes"):
        begin, end = lane["collection"]
        assert lane["modules"] and all(begin <= start <= end for _, _, start, *_ in lane["modules"])
    page.click('[data-outcome="failed"]')
    assert page.text("#count") == "2 of 9 tests"
    links = page.evaluate("[...document.querySelectorAll('#rows .named a')].map(a => a.getAttribute('href'))")
    files = {test["files"]["html"] for test in run["tests"] if test["outcome"] == "failed"}
    assert {*map(str, links)} >= {file for file in files if "%" not in file} and len(files) == 2
    page.click(f'#rows a[href="{sorted(files)[1]}"]')
    page.until("location.pathname.includes('/tests/') && document.documentElement?.dataset.ready")
    assert page.evaluate("document.getElementById('outcome').innerText") == "Failed"
    page.until("document.body.innerText.includes('assert n != 3')")  # its source, which the shards share
