"""What the run's page says of the run as a whole, in a real browser: lanes, facts, what is worth a look, help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_timeline.export import About, make
from support import browser
from support.run_pages import entry, fixture, told, write
from support.timelines import CLOCK

LEFT, RIGHT, TOP, ROW = 100, 16, 26, 44  # of the lanes, px


def hover(page: browser.Page, lane: int, seconds: float, run: float) -> tuple[float, float]:
    """Move the mouse to a moment of a run of so many seconds, and return where that is."""
    page.frame()
    canvas = page.box("#gantt")
    x = canvas["x"] + LEFT + (canvas["width"] - LEFT - RIGHT) * seconds / run
    y = canvas["y"] + TOP + ROW * lane + 27
    page.hover_at(x, y)
    return x, y


@pytest.mark.firefox
def test_the_bars_of_the_lanes_are_links(tmp_path: Path, page: browser.Page) -> None:
    entries = [entry(0, start=1.0, duration=4.0), entry(1, start=5.0, duration=4.0)]
    (tmp_path / "tests").mkdir()
    make("html", About(standalone=True)).write(told(outcome="failed"), CLOCK, tmp_path / "tests" / "t-1.html")
    page.open(write(tmp_path, entries, fixtures={1: [fixture("engine", 1_000, 2_000_001_000)]}))
    page.evaluate("document.getElementById('gantt').focus()")
    page.press("ArrowRight")
    assert "test_0" in page.text("#tip") and page.text("#live") == "test_0, passed, 4.00 s"
    hover(page, 0, 0.5, 10)
    assert page.text("#tip").startswith("Collection\n800 ms of gw0")
    x, y = hover(page, 1, 6.0, 10)
    assert page.text("#tip").startswith("engine\ntests/conftest.py:18\nset up in 2.00 s session fixture, in test_1")
    page.click_at(x, y)
    page.until("location.pathname.endsWith('/tests/t-1.html')")


def test_the_collection_shows_its_imports_and_leads_to_its_timeline(tmp_path: Path, page: browser.Page) -> None:
    modules = [["conftest", "conftest.py", 200_000, 300_000, 100_000], ["test_a", "test_a.py", 600_000, 200_000, 1_000]]
    imports = [
        ["numpy", 0.25, 0.3, "numpy/__init__.py", "conftest.py", 12],
        ["shop.cart", 0.1, 0.2, "shop/cart.py", "", 1],
    ]
    collection = {"worker": "gw0", "duration": 0.8, "imports": imports, "files": {}}
    (tmp_path / "tests").mkdir()
    made = told()
    made.name = "collection"
    make("html", About(standalone=True)).write(made, CLOCK, tmp_path / "tests" / "collection-gw0.html")
    lanes = {"gw0": {"modules": modules, "page": "collection-gw0"}}
    page.open(write(tmp_path, [entry(0, start=1.0, duration=9.0)], lanes=lanes, collection=collection))
    assert page.text("#imports-sum") == "800 ms in collection of gw0"
    rows = [" ".join(row.split()) for row in page.texts("#import-list li")]
    assert rows == ["numpy 300ms 250ms for conftest.py 12 modules", "shop.cart 200ms 100ms shop/cart.py"]
    hover(page, 0, 0.7, 10)
    assert page.text("#tip") == "import test_a\ntest_a.py\n200 ms with all that it imports, 1.00 ms itself"
    x, y = hover(page, 0, 0.15, 10)
    assert page.text("#tip").startswith("Collection\n800 ms of gw0")
    page.click_at(x, y)
    page.until("location.pathname.endsWith('/tests/collection-gw0.html')")
    page.until("document.documentElement?.dataset.ready")
    assert page.text("#name") == "collection"
    assert not page.evaluate("document.getElementById('outcome').checkVisibility()")


def test_a_short_collection_is_not_worth_a_list(tmp_path: Path, page: browser.Page) -> None:
    collection = {"worker": None, "duration": 0.1, "imports": [["a", 0.1, 0.1, "a.py", "", 1]], "files": {}}
    page.open(write(tmp_path, [entry(0)], collection=collection))
    assert not page.evaluate("document.getElementById('imports').checkVisibility()")


def test_a_link_keeps_what_the_lanes_show(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    path = write(tmp_path, [entry(0, start=1.0, duration=4.0), entry(2, start=5.0, duration=4.0)])
    page = new_page()
    page.open(path)
    page.evaluate("document.getElementById('gantt').focus()")
    page.press("w", "w", "d", "d")
    assert "view=" in page.evaluate("location.hash")
    begin, end = (int(ms) / 1000 for ms in page.evaluate("location.hash").partition("view=")[2].split("-"))
    assert 0 < begin < end <= 10
    again = new_page()
    again.open(path, page.evaluate("location.hash").removeprefix("#"))
    hover(again, 0, 6.0 - begin, end - begin)
    assert "test_2" in again.text("#tip")
    again.evaluate("document.getElementById('gantt').focus()")
    again.press("0")
    assert "view=" not in again.evaluate("location.hash")


def test_a_worker_that_died_says_how_and_who_came_after_it(tmp_path: Path, page: browser.Page) -> None:
    entries = [entry(0, outcome="passed"), entry(7, start=1.9), entry(9, outcome="passed", worker="gw2", start=2.5)]
    lanes = {
        "gw1": {"end": 2_000_000, "died": {"signal": "SIGSEGV"}},
        "gw2": {"begin": 2_100_000, "collection": [2_200_000, 2_300_000], "replaces": "gw1"},
    }
    workers = [{"id": "gw0", "pid": 1}, {"id": "gw1", "pid": 2}, {"id": "gw2", "pid": 3, "replaces": "gw1"}]
    page.open(write(tmp_path, entries, lanes=lanes, workers=workers))
    assert page.text("#rows .message") == "worker gw1 crashed, SIGSEGV"
    assert "2 + 1 replaced" in page.text("#facts")
    page.click("#about")
    details = page.text("#dialog")
    assert "gw1: process 11, 1 test, crashed, SIGSEGV" in details and "gw2: process 12, 1 test, replaces gw1" in details
    assert "pytest-xdist 3.8.0" in details and "pytest -n 2" in details


def test_the_facts_are_the_same_for_every_reader(tmp_path: Path, page: browser.Page) -> None:
    page.call("Emulation.setTimezoneOverride", timezoneId="Asia/Kathmandu")
    page.open(write(tmp_path, [entry(0)], combined={"perfetto": "combined.pftrace.gz"}))
    facts = dict(zip(page.texts("#facts dt"), page.texts("#facts dd"), strict=True))
    assert facts["Started"] == "2 Jan 2026, 03:04:05 UTC"
    assert facts["Exit status"] == "1, tests failed"
    assert (facts["Wall time"], facts["Platform"]) == ("2.01 s", "Linux 6.8, x86_64")
    assert page.text("#links a") == "Combined trace"
    assert page.evaluate("document.querySelector('#links a').getAttribute('href')") == "combined.pftrace.gz"


def test_the_phases_add_up_to_the_workers_time(tmp_path: Path, page: browser.Page) -> None:
    phases = {"setup": 1.0, "call": 2.0, "teardown": 0.5}
    entries = [entry(0, start=1.0, duration=4.0, phases=phases), entry(1, start=1.0, duration=8.0, phases=phases)]
    page.open(write(tmp_path, entries))
    phase = dict(
        zip(page.texts("#shares > :first-child span:has(i)"), page.texts("#shares > :first-child b"), strict=True)
    )
    # Collected from 0.1 to 0.9 s; the first test ended at 5, the last at 9, the run at 10.
    assert {name: text.partition(" s")[0] for name, text in phase.items()} == {
        "Collection": "1.60",
        "pytest": "5.20",
        "Setup": "2.00",
        "Test bodies": "4.00",
        "Teardown": "1.00",
        "Idle": "4.20",
        "Shutdown": "2.00",
    }


@pytest.mark.firefox
def test_what_is_worth_a_look_is_found_and_shown(tmp_path: Path, page: browser.Page) -> None:
    entries = [entry(number, outcome="passed", start=1 + number * 0.2, duration=0.3) for number in range(60)]
    entries[59]["duration"] = 9.0
    entries[5] |= {"leaks": 3, "leaked": ["thread pool-1", "thread pool-2", "process sleep 9 (77)"]}
    entries[8]["rerun"] = 1
    page.open(write(tmp_path, entries, fixtures={0: [fixture("engine", 1_000, 9_000_001_000)]}))
    alone, costly, leaks, again, *rest = page.texts("#look-list li")
    assert alone.startswith("test_59 kept one worker busy alone for the last 8.90 s.")
    assert costly.startswith("engine takes 9.00 s, 34 % of all tests' time.")
    assert leaks.startswith("2 threads and 1 process outlived the test that began it. Show it\npool-* ")
    assert again == "1 test passed only when run again. Show reruns\ntest_8"
    assert rest == []
    page.click("#look-list li:nth-child(3) button")
    assert page.text("#count") == "1 of 60 attempts" and page.texts("#rows .tag") == ["3 leaks"]


def test_a_run_without_a_finding_has_no_box_for_them(tmp_path: Path, page: browser.Page) -> None:
    lanes = {name: {"collection": [850_000, 900_000]} for name in ("gw0", "gw1")}
    entries = [entry(number, outcome="passed", start=1.0) for number in (0, 11)]
    page.open(write(tmp_path, entries, lanes=lanes, warnings=[]))
    assert page.evaluate("['look', 'aside', 'warnings'].map(id => document.getElementById(id).hidden)") == [True] * 3


def test_the_help_comes_and_goes_by_key(tmp_path: Path, page: browser.Page) -> None:
    page.open(write(tmp_path, [entry(0)]))
    page.press("?")
    assert "Zoom in, out" in page.text("#dialog")
    page.press("/")
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.press("Escape")
    assert page.evaluate("document.getElementById('dialog').open") is False
    page.press("/", "?")
    assert page.evaluate("document.getElementById('query').value") == "?"


def test_forced_colours_leave_the_bars_theirs(tmp_path: Path, page: browser.Page) -> None:
    page.call("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    page.open(write(tmp_path, [entry(0)]))
    colours = page.evaluate("['fail-bar', 'pass-bar', 'ink', 'card', 'fixture-bar'].map(Theme.colour)")
    assert len({*colours}) == 5


@pytest.mark.parametrize("width", [375, 1000, 1600])
def test_nothing_is_wider_than_the_screen(tmp_path: Path, new_page: Callable[..., browser.Page], width: int) -> None:
    page = new_page(width, 900)
    long = "test_" + "very_" * 40 + "long"
    entries = [entry(n, nodeid=f"{long}.py::{long}[{n}]", leaks=1, leaked=[f"thread {long}"]) for n in range(9)]
    page.open(write(tmp_path, entries, fixtures={1: [fixture(long, 1_000, 900_000)]}, argv=[long] * 9, warnings=[long]))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wider = (
        "[...document.querySelectorAll('main .card')].filter(card => card.scrollWidth > card.clientWidth + 1).length"
    )
    assert page.evaluate(wider) == 0
