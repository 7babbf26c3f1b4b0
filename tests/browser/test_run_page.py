"""The run's page in a real browser, from file://: what a person does with it, and what it then says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_timeline.export import About, make
from pytest_timeline.export.index import Index
from pytest_timeline.timeline.model import Span, Timeline
from support import browser
from support.timelines import CLOCK, lane_of_test, slices, thread, timeline

OUTCOMES = ["passed", "failed", "passed", "skipped", "error", "passed", "xfailed", "crashed"]
HOSTILE = ["</script><script>window.hit=1</script>", "<img src=x onerror=window.hit=1>", "javascript:window.hit=1"]
FAILURES = {"failed", "error", "crashed"}
NAMES = "[...document.querySelectorAll('#rows .named a')].map(e => e.textContent)"


def entry(number: int, **fields: Any) -> dict[str, Any]:
    outcome = OUTCOMES[number % len(OUTCOMES)]
    return {
        "nodeid": f"test_{number % 3}.py::test_{number}", "outcome": outcome, "worker": f"gw{number % 2}", "rerun": 0,
        "start": 1 + number / 10, "duration": 0.01 * (1 + number * 7 % 11), "phases": {"setup": 0.001, "call": 0.005},
        "slices": 7, "folded": 0, "dropped": 0, "processes": 1, "threads": 2, "tasks": 0, "leaks": 0, "leaked": [],
        "blocks": 0, "blocked": [], "files": {"html": f"tests/t-{number}.html"},
    } | fields  # fmt: skip


def told(**args: Any) -> Timeline:
    spans = [Span("t", "test", 1_000, 900_000, 0), Span("db", "fixture", 2_000, 52_000, 2, {"scope": "session"})]
    return timeline(thread(slices((2_000, 502_000, 10, 0))), lanes=[lane_of_test(*spans)], args=args)


def write(directory: Path, entries: list[dict[str, Any]], *, markers: list[str] | None = None) -> Path:
    index = Index(About(root="/home/shopfront", standalone=True))
    for number, each in enumerate(entries):
        failed = each["outcome"] in FAILURES
        made = told(outcome=each["outcome"], **({"exception": f"Oops: {number}"} if failed else {}))
        index.add(each, made, CLOCK, markers or (["slow"] if number % 4 == 0 else []))
    end = max((each["start"] + each["duration"] for each in entries), default=0) + 1
    lanes = [{"worker": f"gw{n}", "pid": 10 + n, "begin": 0, "end": round(end * 1e6)} for n in range(2)]
    run = {
        "version": 1, "pytest": "9.2.0", "python": "3.13.1", "argv": ["-n", "2"], "start": "2026-01-02T03:04:05+00:00",
        "duration": end, "exitstatus": 1, "workers": [{"id": "gw0"}, {"id": "gw1"}], "combined": {}, "dropped": 0,
        "warnings": ["gw0/1 is damaged and was left out"],
    }  # fmt: skip
    index.write(directory, run, lanes)
    return directory / "index.html"


def write_test_page(directory: Path) -> None:
    (directory / "tests").mkdir()
    make("html", About(standalone=True)).write(told(outcome="failed"), CLOCK, directory / "tests" / "t-1.html")


def rows(page: browser.Page) -> list[str]:
    """Return the tests in the document, in their order."""
    return list(page.evaluate(NAMES))


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


def test_the_bars_of_the_lanes_are_links(tmp_path: Path, page: browser.Page) -> None:
    entries = [entry(0, start=1.0, duration=4.0), entry(1, start=5.0, duration=4.0)]
    write_test_page(tmp_path)
    page.open(write(tmp_path, entries))
    page.frame()
    canvas = page.box("#gantt")
    left, right = canvas["x"] + 92, canvas["x"] + canvas["width"] - 16
    x = left + (right - left) * 7.0 / 10.0  # the run took 10 s
    page.evaluate("document.getElementById('gantt').focus()")
    page.press("ArrowRight")
    assert "test_0" in page.text("#tip")
    page.click_at(x, canvas["y"] + 26 + 44 + 27)
    page.until("location.pathname.endsWith('/tests/t-1.html')")


def test_the_keyboard_alone(tmp_path: Path, page: browser.Page) -> None:
    page.open(write(tmp_path, [entry(number) for number in range(300)]))
    first = rows(page)[:3]
    page.press("/", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp")
    assert page.evaluate("document.activeElement.textContent") == first[1]
    page.press(*["ArrowDown"] * 200)
    box = page.evaluate("document.activeElement.getBoundingClientRect().toJSON()")
    assert page.evaluate("document.activeElement.closest('#rows') !== null")
    assert 0 < box["top"] < box["bottom"] <= 1000


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


def test_a_run_without_tests(tmp_path: Path, page: browser.Page) -> None:
    page.open(write(tmp_path, []))
    assert page.text("#count") == "0 tests"
