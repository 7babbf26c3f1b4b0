"""The run's table in a real browser, from file://: what a person does with it, and what it then says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_timeline.export import About, make
from support import browser
from support.run_pages import FAILURES, entry, fixture, told, write
from support.timelines import CLOCK

HOSTILE = ["</script><script>window.hit=1</script>", "<img src=x onerror=window.hit=1>", "javascript:window.hit=1"]
NAMES = "[...document.querySelectorAll('#rows .named a')].map(e => e.textContent)"


def write_test_page(directory: Path) -> None:
    (directory / "tests").mkdir()
    make("html", About(standalone=True)).write(told(outcome="failed"), CLOCK, directory / "tests" / "t-1.html")


def rows(page: browser.Page) -> list[str]:
    """Return the tests in the document, in their order."""
    return list(page.evaluate(NAMES))


@pytest.mark.firefox
def test_filtering_to_failures_and_opening_one(tmp_path: Path, page: browser.Page) -> None:
    entries = [entry(number) for number in range(24)]
    path = write(tmp_path, entries)
    write_test_page(tmp_path)
    page.open(path)
    slowest = sorted(entries, key=lambda each: (each["outcome"] not in FAILURES, -each["duration"], each["start"]))
    page.until(f"({NAMES}).length > 9")  # failures, and more
    seen = rows(page)
    assert seen == [each["nodeid"].partition("::")[2] for each in slowest[: len(seen)]]
    assert page.text("#count") == "24 tests"
    assert "gw0/1 is damaged" in page.text("#warnings")
    page.click('[data-outcome="failed"]')
    assert page.text("#count") == "3 of 24 tests"
    assert {*rows(page)} == {"test_1", "test_9", "test_17"}
    assert page.evaluate("location.hash") == "#outcomes=failed"
    assert sorted(page.texts("#rows .message")) == ["Oops: 1", "Oops: 17", "Oops: 9"]
    page.click('#rows a[href$="/t-1.html"]')
    page.until("location.pathname.endsWith('/tests/t-1.html') && document.documentElement?.dataset.ready")
    assert page.evaluate("document.getElementById('outcome').innerText") == "Failed"


@pytest.mark.firefox
def test_filters_and_sorting(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    entries = [entry(number) for number in range(24)]
    entries[5]["leaks"], entries[5]["leaked"] = 2, ["thread worker-1", "process sleep"]
    entries[6]["blocks"], entries[6]["blocked"] = 1, ["time.sleep in io_task for 61 ms"]
    page = new_page()
    path = write(tmp_path, entries)
    page.open(path)
    page.click("[data-sort=duration]")
    by_time = [f"test_{n}" for n in sorted(range(24), key=lambda n: (-entries[n]["duration"], n))]
    assert rows(page) == by_time
    page.click("[data-sort=duration]")
    assert page.evaluate("document.querySelector('[aria-sort=ascending]').innerText").startswith("Duration")
    page.click("[data-sort=notes]")
    assert rows(page)[0] == "test_5"
    assert page.texts("#rows .tag") == ["2 leaks", "1 block"]
    page.press("/")
    page.write("test_0.py slow")
    assert {*rows(page)} == {"test_0", "test_12"}
    page.evaluate(
        "(s => { s.value = 'test_1.py'; s.dispatchEvent(new Event('change')); })(document.getElementById('file'))"
    )
    assert rows(page) == [] and "No test matches" in page.text("#nothing")
    page.click("#clear")
    assert len(rows(page)) == 24
    page.evaluate(
        "(s => { s.value = 'slow'; s.dispatchEvent(new Event('change')); })(document.getElementById('marker'))"
    )
    page.evaluate("(s => { s.value = '100'; s.dispatchEvent(new Event('change')); })(document.getElementById('least'))")
    chosen = [n for n in range(0, 24, 4) if entries[n]["duration"] >= 0.1]
    assert {*rows(page)} == {f"test_{n}" for n in chosen}
    again = new_page()
    again.open(path, page.evaluate("location.hash").removeprefix("#"))
    assert rows(again) == rows(page)
    assert again.evaluate("document.getElementById('marker').value") == "slow"


def test_notes_and_users_of_a_fixture_are_filters(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    entries = [entry(number, outcome="passed") for number in range(24)]
    entries[3] |= {"leaks": 1, "leaked": ["thread pump"]}
    entries[6] |= {"rerun": 1, "nodeid": entries[2]["nodeid"]}
    for number in (7, 9):
        entries[number] |= {"folded": 21}
    page = new_page()
    path = write(tmp_path, entries, fixtures={4: [fixture("db", 2_000, 52_000)], 11: [fixture("db", 2_000, 32_000)]})
    page.open(path)
    assert "42 short calls (20 %) are folded into their callers in 2 tests" in page.text("#warnings")
    page.click("#warnings button")
    assert {*rows(page)} == {"test_7", "test_9"} and page.texts("#rows .tag") == ["75 % folded"] * 2
    assert page.text("#chips").startswith("with folded calls")
    page.click("#chips button")
    assert len(rows(page)) == 24
    page.click("#fixture-list summary")
    assert page.texts("#fixture-list li li a") == ["test_4", "test_11"]
    assert page.texts("#fixture-list summary small") == ["tests/conftest.py:18", "2 set-ups"]
    page.click("#fixture-list .link")
    assert {*rows(page)} == {"test_4", "test_11"} and page.text("#count") == "2 of 24 attempts"
    again = new_page()
    again.open(path, page.evaluate("location.hash").removeprefix("#"))
    assert rows(again) == rows(page) and again.text("#chips").startswith("using db")
    again.open(path, "note=leaks")
    assert rows(again) == ["test_3"]
    again.open(path, "note=reruns")
    assert rows(again) == ["test_2", "test_2"] and sorted(again.texts("#rows .tag")) == ["rerun 1", "run again"]
    assert [text.split() for text in again.texts("#outcomes button")] == [["23", "passed"], ["1", "rerun"]]
    again.click("#outcomes button:last-child")
    assert rows(again) == ["test_2"] and again.texts("#rows .tag") == ["run again"]


def test_ten_thousand_tests_are_a_few_rows(tmp_path: Path, page: browser.Page) -> None:
    count = 10_000
    page.open(write(tmp_path, [entry(number, outcome="passed") for number in range(count)]))
    assert len(rows(page)) < 100
    page.click("[data-sort=test]")
    ordered = sorted(range(count), key=lambda n: f"test_{n % 3}.py::test_{n}")
    assert rows(page)[0] == f"test_{ordered[0]}"
    page.evaluate("scrollTo(0, 1e9)")
    page.frame()
    assert rows(page)[-1] == f"test_{ordered[-1]}" and len(rows(page)) < 100


def test_the_keyboard_alone(tmp_path: Path, page: browser.Page) -> None:
    page.open(write(tmp_path, [entry(number) for number in range(300)]))
    first = rows(page)[:3]
    page.press("/", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == first[1]
    page.press(*["ArrowDown"] * 200)
    box = page.evaluate("document.activeElement.getBoundingClientRect().toJSON()")
    assert page.evaluate("document.activeElement.closest('#rows') !== null")
    assert 0 < box["top"] < box["bottom"] <= 1000


@pytest.mark.firefox
def test_hostile_text_is_shown_and_not_run(tmp_path: Path, page: browser.Page) -> None:
    entries = [entry(1, nodeid=f"{text}::{text}", leaks=1, leaked=[text], outcome="failed") for text in HOSTILE]
    page.open(write(tmp_path, entries, markers=HOSTILE))
    assert sorted(rows(page)) == sorted(HOSTILE)
    page.evaluate("document.getElementById('gantt').focus()")
    page.press("ArrowRight")
    assert HOSTILE[0] in page.text("#tip")
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.querySelectorAll(':is(header, main, .tip) :is(img, script)').length") == 0
    hrefs = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.protocol)")
    assert {*hrefs} == {"file:"}


def test_a_small_screen(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    page = new_page(375, 812, touch=True)
    page.open(write(tmp_path, [entry(number) for number in range(40)]), "sort=test&up=true")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    heights = page.evaluate("[...document.querySelectorAll('#rows tr')].map(r => [r.className, r.offsetHeight])")
    assert {tuple(each) for each in heights} == {("bad told", 100), ("", 66)}
    tops = page.evaluate("[...document.querySelectorAll('#outcomes button')].map(b => b.offsetTop)")
    assert len(tops) == 6 and len({*tops[:5]}) == 1
    widths = page.evaluate("[...document.querySelectorAll('select')].map(s => s.clientWidth)")
    assert min(widths) >= 110  # "All markers" and "Any duration" are there to read


def test_a_run_without_tests(tmp_path: Path, page: browser.Page) -> None:
    page.open(write(tmp_path, []))
    assert page.text("#count") == "0 tests"


def test_what_was_not_kept_is_told_and_links_nowhere(tmp_path: Path, page: browser.Page) -> None:
    entries = [entry(number, outcome="passed", kept=False, files={}) for number in range(24)]
    entries[3] |= {"outcome": "failed", "kept": True, "files": {"html": "tests/t-3.html"}}
    entries[4] |= {"off": True}
    page.open(write(tmp_path, entries, keep=["failed", "slow:2s"]), "sort=test&up=true")
    assert page.evaluate("[...document.querySelectorAll('#rows a[href]')].map(e => e.textContent)") == ["test_3"]
    about = "[...document.querySelectorAll('#rows .named a')].find(e => e.textContent === '{}').title"
    assert page.evaluate(about.format("test_3")) == ""
    assert page.evaluate(about.format("test_4")) == "Not recorded: marked timeline(off=True)"
    assert page.evaluate(about.format("test_5")) == "Not kept: --timeline-keep=failed,slow:2s"
    assert page.texts("#rows .tag") == ["off"]
    assert "1 of 23 kept (failed,slow:2s)" in page.text("#facts")
    first = rows(page)[:3]
    page.press("/", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == first[1]
    page.evaluate("document.getElementById('gantt').focus()")
    page.press("ArrowRight")
    assert "Not kept: --timeline-keep=failed,slow:2s" in page.text("#tip")
    page.press("Enter")
    assert page.evaluate("location.pathname").endswith("/index.html")


def test_a_run_that_keeps_all_says_nothing_of_it(tmp_path: Path, page: browser.Page) -> None:
    entries = [entry(0), entry(1, files={})]  # the latter could not be written
    page.open(write(tmp_path, entries, keep=["all"]))
    assert "kept" not in page.text("#facts")
    assert page.evaluate("document.querySelectorAll('#rows a[title]').length") == 0
