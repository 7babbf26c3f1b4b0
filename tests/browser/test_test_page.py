"""A test's page in a real browser, from file://: what a person does with it, and what it then says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pytest_timeline.timeline.model import Instant, Span, Timeline
from support import browser, report
from support.pages import END, busy, failing, place, saved, view, write
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
    page.click("#found .clear")
    assert page.text("#found") == "/"


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
    saved(page, "open")
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


def test_three_hundred_threads(tmp_path: Path, page: browser.Page) -> None:
    tracks = [
        thread(slices((2_000 + i, 90_000, 10, 0)), name=f"pool-{i}", id=5_000 + i, serial=i + 1) for i in range(300)
    ]
    path = write(tmp_path, timeline(*tracks, end=100_000, lanes=[lane_of_test(Span("t", "test", 1_000, 100_000, 0))]))
    page.open(path)
    assert [text for text in page.texts(".label-name") if "more" in text] == ["and 260 more"]
    assert len([text for text in page.texts(".label-name") if text.startswith("pool-")]) == 40
    page.evaluate("document.querySelector('.kind-more').click()")
    page.frame()
    assert len([text for text in page.texts(".label-name") if text.startswith("pool-")]) == 300
    page.evaluate("document.getElementById('scroll').scrollTop = 1e6")
    page.frame()
    last = page.box('[data-key="t300"]')
    canvas = page.box("#tracks")
    page.click_at(canvas["x"] + canvas["width"] / 2, last["y"] + 12)
    assert page.text(".heading") == "f0" and "pool-299" in page.text("#pane-body")


def test_the_keyboard_alone(tmp_path: Path, page: browser.Page) -> None:
    path = busy(tmp_path)
    page.open(path)
    page.press("?")
    assert page.evaluate("document.querySelector('dialog').open")
    page.press("Escape")
    assert not page.evaluate("document.querySelector('dialog').open")
    whole = page.text("#status")
    page.press("w", "a")
    assert page.text("#status") != whole
    page.press("0")
    assert page.text("#status") == whole
    page.evaluate("document.querySelector('.label').focus()")
    page.press("ArrowDown", "ArrowDown")
    focused = page.evaluate("document.activeElement.dataset.key")
    label = f'[data-key="{focused}"]'
    assert page.evaluate(f"document.querySelector('{label}').getAttribute('aria-expanded')") == "true"
    high = page.box(label)["height"]
    page.press(" ")
    assert page.evaluate("document.activeElement.dataset.key") == focused
    assert page.box(label)["height"] < high
    page.press("p")
    assert page.evaluate("document.querySelector('.label').dataset.key") == focused


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


def test_short_slices_can_be_hidden(tmp_path: Path, page: browser.Page) -> None:
    path = failing(tmp_path)
    page.open(path)
    page.press("0")
    page.until("location.hash.includes('v=0_')")
    at = place(page, 550_000, 1, report.read(path).track("MainThread"))
    page.evaluate("(s => { s.value = 35; s.dispatchEvent(new Event('input')); })(document.getElementById('minimum'))")
    assert page.text("#minimum-value") == "316 µs"
    page.until("location.hash.includes('s=')")
    page.click_at(*at)
    page.until("!location.hash.includes('s=')")


def test_a_test_without_calls(tmp_path: Path, page: browser.Page) -> None:
    spans = [Span("t", "test", 1_000, END, 0), Span("setup", "test", 1_000, 9_000, 1)]
    page.open(write(tmp_path, timeline(lanes=[lane_of_test(*spans)])))
    assert "No Python calls recorded" in page.text("#nothing")


def test_the_colours_follow_the_scheme(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    path = failing(tmp_path)
    looks = []
    for dark in (False, True):
        page = new_page(dark=dark)
        page.open(path)
        looks.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        image = page.evaluate("document.getElementById('tracks').toDataURL()")
        looks.append(image)
    assert looks[0] != looks[2] and looks[1] != looks[3]
