"""A test's page in a real browser, from file://: what a person does with it, and what it then says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_timeline.timeline.model import Instant, Span, Timeline
from support import browser, report
from support.pages import busy, failing, saved, view, write
from support.timelines import CODE, THROWN, Row, lane_of_test, names, slices, thread, timeline

DECODE = """new Promise((resolve, reject) => {
    const plain = columns => Object.fromEntries(Object.entries(columns).map(([key, column]) => [key, [...column]]));
    const scope = { postMessage: answer => {
        if (answer.error) reject(new Error(answer.error));
        if (answer.columns) resolve(plain(answer.columns));
    } };
    decodeWorker(scope);
    scope.onmessage({ data: { block: 1, kind: "slices", raw: %d, text: %s, tracks: [%s] } });
})"""
HOSTILE = [
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "javascript:window.hit=1",
    "\u202e{{blocks}}\x00\n<b>",
]


def test_a_passed_test_opens_whole(tmp_path: Path, page: browser.Page) -> None:
    page.open(busy(tmp_path))
    read = report.read(tmp_path / "page.html")
    assert view(page) == (0, read.head["duration"])
    assert page.texts('[role="tab"]') == ["Slice", "Range", "Log"]
    assert page.evaluate("document.getElementById('to-failure').hidden")


@pytest.mark.firefox
def test_the_columns_are_those_of_the_page(tmp_path: Path, page: browser.Page) -> None:
    path = busy(tmp_path)
    read = report.read(path)
    page.open(path)
    for index, rows in read.slices.items():
        track = read.head["tracks"][index]
        text = read.elements.scripts[f"block-{track['block']}"]
        about = read.head["blocks"][track["block"]]
        script = DECODE % (about["raw"], json.dumps(text), json.dumps(track))
        columns = page.evaluate(script)
        ordered = sorted(rows, key=lambda row: (row.depth, row.start))
        depths = Counter(row.depth for row in rows)
        assert columns["levels"] == [sum(depths[d] for d in range(depth)) for depth in range(track["levels"] + 1)]
        for key in ("start", "end", "name", "flags"):
            assert columns[key] == [getattr(row, key) for row in ordered], key
        thrown = dict(zip(columns["thrown"][::2], columns["thrown"][1::2], strict=True))
        assert thrown == {
            at: 0 if row.raised is None else row.raised + 1 for at, row in enumerate(ordered) if row.flags & THROWN
        }
        folds = [(at, row.folded, row.folded_ns) for at, row in enumerate(ordered) if row.folded]
        got = columns["folds"]
        assert sorted(zip(got[::3], got[1::3], got[2::3], strict=True)) == folds


@pytest.mark.firefox
def test_search(tmp_path: Path, page: browser.Page) -> None:
    path = busy(tmp_path)
    page.open(path)
    read = report.read(path)
    wanted = [row for rows in read.slices.values() for row in rows if "f7" in read.name(row)]
    page.press("/")
    page.write("F7")
    assert page.text("#found").startswith(f"{len(wanted):,}".replace(",", "\u2009"))
    names_seen = set()
    for position in range(1, 4):
        page.press("Enter")
        assert page.text("#found").startswith(f"{position} of ")
        names_seen.add(page.text(".heading"))
    assert names_seen == {"f7"}
    chosen = sorted(
        (row.start, track) for track, rows in read.slices.items() for row in rows if "f7" in read.name(row)
    )[2]
    assert saved(page, "s").startswith(f"{chosen[1]}.")
    page.press("Escape", "N")
    assert page.evaluate("document.getElementById('search').value") == ""
    page.press("/")
    page.write("no such function")
    assert "no match" in page.text("#found")
    page.click("#clear")
    assert page.text("#found") == "/"


@pytest.mark.firefox
def test_a_hundred_thousand_slices(tmp_path: Path, page: browser.Page) -> None:
    path = busy(tmp_path, count=100_000)
    page.open(path)
    read = report.read(path)
    wanted = [row for rows in read.slices.values() for row in rows if "f7" in read.name(row)]
    assert len(wanted) > 2_000
    page.press("/")
    page.write("f7")
    assert page.text("#found").startswith(f"{len(wanted):,}".replace(",", "\u2009"))


@pytest.mark.firefox
def test_a_link_shows_what_its_sender_saw(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    path = busy(tmp_path)
    page = new_page()
    page.open(path)
    page.press("/")
    page.write("f3")
    page.press("Enter", "Enter", "Escape")
    page.press("w", "w", "d", "m", "p")
    worker = report.read(path).track("worker")
    page.click(f'[data-key="t{worker}"] .twist')
    page.until(f"new URLSearchParams(location.hash.slice(1)).get('open')?.split('.').includes('t{worker}-')")
    saved(page, "pin")
    saved(page, "r")
    fragment = page.evaluate("location.hash").removeprefix("#")
    first = {selector: page.texts(selector) for selector in ("#pane-body", "#status", ".label-name", "#found")}
    boxes = [page.box(f'[data-key="t{track}"]') for track in range(3)]
    other = new_page()
    other.open(path, fragment)
    assert {selector: other.texts(selector) for selector in first} == first
    assert [other.box(f'[data-key="t{track}"]') for track in range(3)] == boxes
    other.frame()
    assert other.evaluate("location.hash").removeprefix("#") == fragment


@pytest.mark.firefox
def test_hostile_text_is_shown_and_not_run(tmp_path: Path, page: browser.Page) -> None:
    known = names()
    for index, text in enumerate(HOSTILE):
        known.add(40 + index, text, CODE, 1, 1)
    rows: list[Row] = [(2_000 + 1_000 * index, 2_900 + 1_000 * index, 40 + index, 0) for index in range(len(HOSTILE))]
    path = write(
        tmp_path,
        Timeline(
            "test_a.py::test_it[" + HOSTILE[0] + HOSTILE[1] + "]",
            1_000,
            10_000,
            timeline(thread(slices(*rows), known, name=HOSTILE[2])).processes,
            [
                lane_of_test(
                    Span(HOSTILE[1], "test", 1_000, 10_000, 0, {HOSTILE[0]: HOSTILE[1]}),
                    instants=[Instant(HOSTILE[1], "test", 9_000, {"exception": HOSTILE[1], "message": HOSTILE[0]})],
                )
            ],
            {"outcome": "failed"},
        ),
    )
    page.open(path)
    assert HOSTILE[1] in page.text("#name")
    page.press("0", "Escape")
    for _ in HOSTILE:
        page.press("ArrowRight")
        page.press("m", "Escape")
    page.press("/")
    page.write("<")
    page.press("Enter")
    page.evaluate("document.getElementById('tab-log').click()")
    page.frame()
    assert page.evaluate("window.hit") is None
    inside = "header, main, .tip, .banner, dialog"
    assert page.evaluate(f"document.querySelectorAll(':is({inside}) :is(img, script, b b, iframe)').length") == 0
    assert [text for text in page.texts(".label-name") if "onload" in text] == [HOSTILE[2]]


@pytest.mark.firefox
def test_data_that_is_cut_off_is_said(tmp_path: Path, page: browser.Page) -> None:
    path = busy(tmp_path)
    whole = path.read_text(encoding="utf-8")
    begin = whole.index(">", whole.index('id="block-1"'))
    path.write_text(whole[: begin + 2_000], encoding="utf-8")
    page.open(path)
    said = re.match(r"This page's data is cut off at (\d+) %\.", page.text("#banner"))
    assert said and 0 < int(said[1]) < 100
    assert page.text("#name") == "test_it"
    assert page.evaluate("document.documentElement.dataset.ready") == "damaged"


def test_data_that_is_damaged_is_said(tmp_path: Path, page: browser.Page) -> None:
    path = busy(tmp_path)
    whole = path.read_text(encoding="utf-8")
    at = whole.index(">", whole.index('id="block-1"')) + 3_000
    path.write_text(whole[:at] + ("A" if whole[at] != "A" else "B") + whole[at + 1 :], encoding="utf-8")
    page.open(path)
    assert "Part 2 of this page's data is damaged" in page.text("#banner")


@pytest.mark.firefox
def test_a_small_screen(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    page = new_page(375, 812, touch=True)
    page.open(failing(tmp_path))
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    tracks, pane = page.box(".view"), page.box(".pane")
    assert tracks["width"] == pane["width"] == 375 and pane["y"] >= tracks["y"] + tracks["height"] - 13
    assert page.text(".exception") == "AssertionError: 1 == 2"
    wide = view(page)
    page.click("#sheet-in")
    page.until(f"!location.hash.includes('v={wide[0]:.0f}_{wide[1]:.0f}')")
    start, end = view(page)
    assert end - start < wide[1] - wide[0]
