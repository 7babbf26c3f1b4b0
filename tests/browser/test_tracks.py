"""The tracks of a test's page in a real browser: what is drawn where, in which order, and how one gets around in it."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_timeline._codec import Slices
from pytest_timeline.timeline.model import Flow, Process, Span, Timeline, Track
from support import browser, report
from support.more_tracks import Row, Told, add
from support.pages import END, busy, failing, place, saved, view, write
from support.timelines import CUT_END, DIED, lane_of_processes, lane_of_test, names, slices, thread, timeline

MS = 1_000_000
# What is written on each canvas: [text, x, y, width], y within the canvas.
WATCH = """(() => {
  const { fillText, clearRect } = CanvasRenderingContext2D.prototype;
  window.texts = {};
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    if (this.canvas.id) texts[this.canvas.id] = [];
    return clearRect.apply(this, box);
  };
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { f, d } = this.getTransform();
    texts[this.canvas.id]?.push([text, x, y + f / d, this.measureText(text).width]);
    return fillText.call(this, text, x, y);
  };
})()"""
REDRAW = "document.getElementById('scroll').dispatchEvent(new Event('scroll'))"
Text = tuple[str, float, float, float]


def watch(page: browser.Page, *keys: str, canvas: str = "tracks") -> list[Text]:
    """Return what is written on the canvas once these keys were pressed."""
    page.evaluate(f"window.texts || {WATCH}")
    page.press(*keys)
    page.evaluate(REDRAW)
    page.frame()
    return [tuple(each) for each in page.evaluate(f"texts.{canvas}")]


def look(page: browser.Page, x: float, y: float) -> tuple[int, ...]:
    """Return the colour of the tracks at that place of the screen."""
    script = f"""(() => {{
      const canvas = document.getElementById("tracks"), box = canvas.getBoundingClientRect();
      const at = [({x} - box.x) * devicePixelRatio, ({y} - box.y) * devicePixelRatio];
      return [...canvas.getContext("2d").getImageData(...at, 1, 1).data];
    }})()"""
    return tuple(page.evaluate(script))


def labels(page: browser.Page) -> list[str]:
    return page.texts(".label-name")


def simple(directory: Path, *tracks: Track, end: int = END, **fields: Any) -> Path:
    """Write a page of a test that lasts the whole time."""
    lane = lane_of_test(Span("t", "test", 1_000, end, 0))
    return write(directory, timeline(*tracks, end=end, lanes=[lane], **{"args": {"outcome": "passed"}, **fields}))


def family(directory: Path) -> Path:
    """A test that starts three children side by side, two of which are recorded."""

    def forking(pid: int) -> Track:
        child = slices((pid * 100, pid * 100 + 50_000, 12, 0))
        return Track("thread", "MainThread", pid, 1, child, names(), [Flow(pid, pid * 100 + 10, True)])

    main = slices((2_000, 900_000, 10, 0), (100_000, 110_000, 20, 1), (200_000, 210_000, 21, 1))
    leaving = [Flow(1_100, 105_000, False), Flow(2_100, 205_000, False)]
    name = "a command with a very long name that no label has room for"
    children = [Process(pid, 4711, f"{name} ({pid})", pid * 100, [forking(pid)]) for pid in (1_100, 2_100)]
    lanes = [
        lane_of_processes(row, Span(f"child-{row}", "process", 100_000 + row * 1_000, 800_000, 0, {"pid": pid}))
        for row, pid in enumerate((1_100, 2_100, 9_999))
    ]
    pytest_ = Process(4711, 1, "pytest (4711)", 500, [Track("thread", "MainThread", 4711, 1, main, names(), leaving)])
    test = lane_of_test(Span("t", "test", 1_000, END, 0))
    return write(directory, Timeline("test_it", 1_000, END, [pytest_, *children], [test, *lanes]))


def test_children_share_one_label_and_lead_to_their_processes(tmp_path: Path, page: browser.Page) -> None:
    page.open(family(tmp_path))
    assert labels(page).count("Children") == 1
    boxes = page.evaluate("[...document.querySelectorAll('.label *')].map(e => e.getBoundingClientRect().right)")
    assert max(boxes) <= page.box("#labels")["x"] + page.box("#labels")["width"]
    assert page.texts(".group .note-text") == ["pid 4711", "pid 1100", "pid 2100"]
    page.press("0")
    saved(page, "v")
    for row in range(3):
        page.click_at(*place(page, 400_000, row, 1))
        assert page.text(".heading") == f"child-{row}"
    page.press("]")
    assert page.text(".heading") == "child-2"  # it was not recorded
    page.click_at(*place(page, 400_000, 1, 1))
    page.press("]")
    assert page.text(".heading") == "f2" and "pid 2100" in page.text("#pane-body")
    page.press("[")
    assert page.text(".heading") == "c1"  # the call that forked it
    closed = page.box('[data-key="t1"]')["height"]
    page.click('[data-key="t1"] .twist')
    assert page.box('[data-key="t1"]')["height"] == closed - 2 * 17


def test_an_arrow_is_followed_from_slice_to_slice(tmp_path: Path, page: browser.Page) -> None:
    page.open(family(tmp_path))
    page.press("ArrowRight", "]")  # from the outermost function: what it called forked
    assert page.text(".heading") == "f2" and "pid 1100" in page.text("#pane-body")
    page.press("[", "[")
    assert page.text(".heading") == "c0"
    page.press("f")
    page.frame()
    page.evaluate("document.getElementById('scroll').scrollTop = 0")
    page.frame()
    # the child is elsewhere: the arrow leads to the edge, and a click there follows it
    ways = page.evaluate(
        """(() => { const canvas = document.getElementById("tracks"), box = canvas.getBoundingClientRect(), found = [];
        for (let y = 2; y < box.height; y += 4) for (let x = 2; x < box.width; x += 4) {
          canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: box.x + x, clientY: box.y + y }));
          if (canvas.style.cursor === "pointer") found.push([box.x + x, box.y + y]);
        } return found; })()"""
    )
    edge = page.box("#tracks")["x"] + page.box("#tracks")["width"]
    x, y = next((x, y) for x, y in ways if x > edge - 14 and y > page.box('[data-key="t4"]')["y"] + 30)
    page.click_at(x, y)
    assert page.text(".heading") == "f2" and "pid 1100" in page.text("#pane-body")


def test_the_gil_says_who_took_it(tmp_path: Path, page: browser.Page) -> None:
    known = names()
    known.add(40, "MainThread")
    gil = Track("gil", "GIL", 0, 1, slices((2_000, 400_000, 40, 0)), known, [Flow(5, 300_000, False)])
    main = Track("thread", "MainThread", 4711, 1, slices((2_000, 900_000, 10, 0)), known, [Flow(5, 500_000, True)])
    path = simple(tmp_path, main, gil)
    page.open(path)
    page.press("0")
    saved(page, "v")
    page.click_at(*place(page, 200_000, 0, report.read(path).track("GIL")))
    page.press("]")
    assert page.text(".heading") == "f0"


def test_tracks_are_moved_and_a_link_keeps_it(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    page = new_page()
    tracks = [thread(slices((2_000 + n, 90_000, 10, 0)), name=name, serial=n + 1) for n, name in enumerate("abcd")]
    path = simple(tmp_path, *tracks)
    page.open(path)
    assert labels(page) == ["Test", "pytest", "a", "b", "c", "d"]
    page.evaluate("document.querySelector('[data-key=t2]').focus()")  # b
    page.press_with("Alt", "ArrowDown")
    page.press_with("Alt", "ArrowDown")
    page.press_with("Alt", "ArrowDown")  # there is nothing below
    assert labels(page) == ["Test", "pytest", "a", "c", "d", "b"]
    assert page.evaluate("document.activeElement.dataset.key") == "t2"
    position = "['level', 'posinset', 'setsize'].map(key => document.activeElement.getAttribute('aria-' + key))"
    assert page.evaluate(position) == ["2", "4", "4"]
    page.press_with("Alt", "ArrowUp")
    assert page.evaluate(position) == ["2", "3", "4"]
    box = page.box('[data-key="t1"]')
    middle = box["x"] + 80, box["y"] + 10
    page.drag(middle, (middle[0], page.box('[data-key="t2"]')["y"] + 30))
    assert labels(page) == ["Test", "pytest", "c", "b", "a", "d"]
    order = labels(page)
    assert page.evaluate("document.querySelector('[data-key=t1]').getAttribute('aria-expanded')") is None
    saved(page, "order")
    other = new_page()
    other.open(path, page.evaluate("location.hash").removeprefix("#"))
    assert labels(other) == order


def test_a_pinned_track_is_first_and_says_whose_it_is(tmp_path: Path, page: browser.Page) -> None:
    page.open(family(tmp_path))
    page.evaluate("document.querySelector('[data-key=t6]').focus()")
    page.press("p")
    first = "document.querySelector('.label')"
    assert page.evaluate(f"{first}.dataset.key") == "t6" == page.evaluate("document.activeElement.dataset.key")
    said = page.evaluate(f"{first}.getAttribute('aria-label')")
    assert said.startswith("MainThread, a command with a very long name") and said.endswith(", pinned")
    assert page.evaluate(f"{first}.getAttribute('aria-level')") == "1"
    assert page.evaluate(f"{first}.querySelector('.pin').getAttribute('aria-pressed')") == "true"
    page.press("p")
    assert page.evaluate(f"{first}.dataset.key") == "t0"


def test_many_threads_of_one_name_hang_below_one_label(tmp_path: Path, page: browser.Page) -> None:
    tracks = [
        thread(slices((2_000 + i, 90_000, 10, 0)), name=f"pool-{i} (work)", id=5_000 + i, serial=i + 2)
        for i in range(260)
    ]
    others = [
        thread(
            slices((2_000 + i, 90_000, 10, 0)),
            name="MainThread" if not i else f"{chr(96 + i % 26)}{i}-x",
            serial=400 + i,
        )
        for i in range(60)
    ]
    path = simple(tmp_path, *others, *tracks, end=100_000)
    page.open(path)
    assert "pool-*" in labels(page)
    assert not any(text.startswith("pool-1") for text in labels(page))
    key = page.evaluate(
        "[...document.querySelectorAll('.label')].find(e => e.innerText.startsWith('pool-*')).dataset.key"
    )
    page.click(f'[data-key="{key}"] .twist')
    assert "and 220 more" in labels(page)
    page.evaluate("[...document.querySelectorAll('.kind-more')].find(e => e.innerText.includes('220')).click()")
    page.frame()
    page.evaluate("document.getElementById('scroll').scrollTop = 260 * 25")
    page.frame()
    rows = len(labels(page))
    assert rows < 150, "what is far from the view is not in the document"
    box = page.box(f'[data-key="t{report.read(path).track("pool-259 (work)")}"]')
    page.click_at(page.box("#tracks")["x"] + 300, box["y"] + 12)
    assert page.text(".heading") == "f0" and "pool-259" in page.text("#pane-body")


def test_three_hundred_threads(tmp_path: Path, page: browser.Page) -> None:
    tracks = [thread(slices((2_000 + i, 90_000, 10, 0)), name=f"{i}", id=5_000 + i, serial=i + 1) for i in range(299)]
    page.open(simple(tmp_path, *tracks, end=100_000))
    assert [text for text in labels(page) if "more" in text] == ["and 259 more"]
    page.evaluate("document.querySelector('.label').focus()")
    page.press("End")
    assert page.evaluate("document.activeElement.innerText") == "and 259 more"
    page.press("Enter", "End")
    assert page.evaluate("document.activeElement.innerText") == "show fewer"
    page.press("ArrowUp")
    assert "298" in page.evaluate("document.activeElement.innerText")
    box = page.evaluate("document.activeElement.getBoundingClientRect().toJSON()")
    assert 0 < box["y"] < 1_000
    page.click_at(page.box("#tracks")["x"] + 300, box["y"] + 12)
    assert page.text(".heading") == "f0"


def test_what_idles_is_closed_and_shows_what_it_waits_in(tmp_path: Path, page: browser.Page) -> None:
    known = names()
    known.add(40, "queue.SimpleQueue.get", 18)
    idle = thread(slices((2_000, 900_000, 10, 0), (2_500, 899_000, 40, 1)), known, name="idle", serial=2)
    main = thread(slices((2_000, 900_000, 10, 0), (2_500, 899_000, 11, 1)))
    leaked = slices((500_000, END, 10, 0, CUT_END), (500_500, END - 10, 11, 1))
    path = simple(tmp_path, main, idle, thread(leaked, name="left", serial=3))
    page.open(path)
    read = report.read(path)

    def expanded(name: str) -> str:
        return str(page.evaluate(f"document.querySelector('[data-key=t{read.track(name)}]').ariaExpanded"))

    assert [expanded(name) for name in ("MainThread", "left", "idle")] == ["true", "true", "false"]
    texts = [text for text, *_ in watch(page)]
    assert texts.count("queue.SimpleQueue.get") == 1 and texts.count("f0") == 2
    assert page.texts(".warning") == ["outlives the test"]


def test_what_is_not_in_view_is_a_click_away(tmp_path: Path, page: browser.Page) -> None:
    early, late = slices((2_000, 100_000, 11, 0)), slices((800_000, 900_000, 12, 0))
    path = simple(tmp_path, thread(early, name="early", serial=2), thread(late, name="late", serial=3))
    page.open(path, "v=401000_501000")
    texts = [text for text, *_ in watch(page)]
    assert "← ended 302 µs before this view" in texts
    assert "starts 298 µs after this view →" in texts
    read = report.read(path)
    box = page.box(f'[data-key="t{read.track("late")}"]')
    page.click_at(page.box("#tracks")["x"] + 100, box["y"] + 12)
    assert page.text(".heading") == "f2"
    page.until("!location.hash.includes('v=401000')")
    start, end = view(page)
    assert start < 799_000 < 899_000 < end


def story(directory: Path) -> Path:
    """A page with all that no recording has yet: tasks with states, a log, a counter."""
    path = simple(directory, thread(slices((2_000, 900 * MS, 10, 0))), end=1_000 * MS)

    def rows(*rows: tuple[float, float, int, str, str]) -> list[Row]:
        return [(int(a * MS), int(b * MS), depth, name, category) for a, b, depth, name, category in rows]

    logged = [
        (100 * MS, "hello", "INFO"), (300 * MS, "a table is locked", "WARNING"), (600 * MS, "no row", "ERROR"),
        (601 * MS, "void", "DEBUG"),
    ]  # fmt: skip
    states = rows(
        (100, 200, 0, "running", "own"), (200, 580, 0, "waiting", "await"), (580, 600, 0, "ready", "await"),
        (600, 700, 0, "running", "own"),
    )  # fmt: skip
    memory = {"unit": "MB", "ns": [0, 500 * MS, 900 * MS], "value": [80, 133, 90]}
    add(
        path,
        [
            Told("log", "log", instants=logged),
            Told("counter", "Memory", counter=memory),
            Told("task", "order-2", rows((100, 700, 0, "capture", "own"), (200, 600, 1, "await read", "await"))),
            Told("state", "state", states, parent=4),
        ],
    )
    return path


def test_a_task_is_filled_where_it_ran(tmp_path: Path, page: browser.Page) -> None:
    page.open(story(tmp_path))
    assert labels(page) == ["Test", "Log", "pytest", "Memory", "MainThread", "order-2"]
    page.press("0")
    saved(page, "v")

    def at(ms: float, dy: float) -> tuple[int, ...]:
        x, y = place(page, ms * MS, 0, 4)
        return look(page, x, y + dy)

    ran, waited, again = at(150, 4), at(370, 4), at(650, 4)
    assert ran == again != waited
    bar, hairline, ready = at(150, 31), at(370, 30), at(590, 31)
    assert len({bar, hairline, ready}) == 3 and at(650, 31) == bar
    assert at(370, 28)[3] == 0 != bar[3], "only a hairline where it waited"
    assert at(830, 31)[3] == 0
    page.click_at(place(page, 400 * MS, 0, 4)[0], place(page, 0, 1, 4)[1])
    assert page.text(".heading") == "await read"
    page.click('[data-key="t4"] .twist')
    assert at(150, 4) == ran and at(150, 31) != bar


def test_logs_and_counters_are_drawn(tmp_path: Path, page: browser.Page) -> None:
    page.open(story(tmp_path))
    texts = {text: (x, y, width) for text, x, y, width in watch(page)}
    assert {"hello", "a table is locked", "no row", "peak 133 MB"} <= texts.keys(), "of a crowd the gravest"
    canvas = page.box("#tracks")
    assert page.texts(".kind-log .meta") == ["4"]
    _, y, _ = texts["hello"]

    def column(ms: float) -> list[bool]:
        x = canvas["x"] + canvas["width"] * ms / 1_000
        return [look(page, x, canvas["y"] + y - 0.5 + dy)[3] > 128 for dy in (-4, 0, 3)]

    assert column(100)[:2] == [False, True]  # a disc of 3.2 px
    assert column(600) == [True, True, True]  # a square of 8 px
    page.click_at(canvas["x"] + canvas["width"] * 0.3, canvas["y"] + y)
    assert page.text('[role="tab"][aria-selected="true"]').startswith("Log")


@pytest.mark.parametrize("width", [375, 1000, 1600])
def test_labels_never_overlap(tmp_path: Path, new_page: Callable[..., browser.Page], width: int) -> None:
    page = new_page(width, 900)
    page.open(busy(tmp_path, count=1_500))
    for keys in ([], ["w"] * 4, ["w"] * 4, ["d"], ["w"] * 6):
        texts = watch(page, *keys)
        assert texts
        for y, row in itertools.groupby(sorted(texts, key=lambda text: (text[2], text[1])), key=lambda text: text[2]):
            for (text, x, _, wide), (other, after, *_) in itertools.pairwise(row):
                assert x + wide <= after + 0.5, (y, text, other)
        assert all(x >= 0 for _, x, *_ in texts)


def deep(levels: int) -> Slices:
    return slices(*((2_000 + depth, 900_000 - depth, 10 + depth % 10, depth) for depth in range(levels)))


def test_five_hundred_levels(tmp_path: Path, page: browser.Page) -> None:
    path = simple(tmp_path, thread(deep(500)))
    page.open(path)
    page.evaluate("document.getElementById('scroll').scrollTop = 4000")
    page.frame()
    label = page.evaluate("document.querySelector('[data-key=t1] .words').getBoundingClientRect().toJSON()")
    assert page.box("#scroll")["y"] <= label["y"] < page.box("#scroll")["y"] + 20, "its name stays in view"
    assert len(watch(page)) > 40
    page.press("ArrowRight", *["ArrowDown"] * 499)
    assert page.text(".heading") == "f9"


def test_one_nanosecond_in_ten_minutes(tmp_path: Path, page: browser.Page) -> None:
    length = 600 * 1_000 * MS
    at = 400 * 1_000 * MS + 7
    page.open(simple(tmp_path, thread(slices((at + 1_000, at + 1_001, 10, 0))), end=length))
    page.press("/")
    page.write("f0")
    page.press("Enter", "Escape", "f")
    start, end = view(page)
    assert end - start == pytest.approx(20, abs=0.1) and start < at < end  # the closest there is
    before = page.text("#status")
    page.press("w", "w", "w")
    assert page.text("#status") == before
    page.press("d", "a")
    assert page.text("#status") == before
    assert {"t", "f0"} <= {text for text, *_ in watch(page)}


def test_a_test_of_no_time(tmp_path: Path, page: browser.Page) -> None:
    page.open(write(tmp_path, timeline(end=1_000, lanes=[lane_of_test(Span("t", "test", 1_000, 1_000, 0))])))
    assert "No Python calls recorded" in page.text("#nothing")
    page.press("w", "d", "0", "f", "ArrowRight", "m", "]", "x")
    assert page.text("#status")


def test_a_test_without_calls(tmp_path: Path, page: browser.Page) -> None:
    spans = [Span("t", "test", 1_000, END, 0), Span("setup", "test", 1_000, 9_000, 1)]
    page.open(write(tmp_path, timeline(lanes=[lane_of_test(*spans)])))
    assert "No Python calls recorded" in page.text("#nothing")


def test_short_slices_can_be_hidden_and_it_is_said(tmp_path: Path, page: browser.Page) -> None:
    path = failing(tmp_path)
    page.open(path)
    page.press("0")
    page.until("location.hash.includes('v=0_')")
    at = place(page, 550_000, 1, report.read(path).track("MainThread"))
    page.evaluate("(s => { s.value = 35; s.dispatchEvent(new Event('input')); })(document.getElementById('minimum'))")
    page.frame()
    assert page.text("#minimum-value") == "316 µs"
    assert page.text("#below").startswith("2 of 5 slices hidden: shorter than 316 µs")
    page.until("location.hash.includes('s=')")
    page.click_at(*at)
    page.until("!location.hash.includes('s=')")
    page.evaluate("document.getElementById('minimum').focus()")
    page.press("ArrowLeft")
    assert page.text("#minimum-value") == "251 µs"
    page.click("#below button")
    assert page.evaluate("document.getElementById('below').hidden")
    assert page.evaluate("document.getElementById('minimum').value") == "0"
    page.click_at(*at)
    assert page.text(".heading") == "helper"


def test_where_slices_were_folded_is_a_click_away(tmp_path: Path, page: browser.Page) -> None:
    folding = slices((2_000, 300_000, 10, 0), (400_000, 500_000, 11, 0, 0, 0, 70, 60_000), (600_000, 700_000, 12, 0))
    page.open(simple(tmp_path, thread(folding)))
    assert "70 slices too short to keep are folded into their callers (60.0 µs, 6.0 % of the test)" in page.text(
        "#banner"
    )
    page.click("#banner p button")
    assert page.text(".heading") == "f1"


@pytest.mark.parametrize("width", [375, 1600])
def test_where_a_crash_cut_it_off_is_said(tmp_path: Path, new_page: Callable[..., browser.Page], width: int) -> None:
    page = new_page(width, 800)
    page.open(simple(tmp_path, thread(slices((2_000, END, 10, 0, DIED))), args={"outcome": "crashed"}))
    assert "The process died 999 µs after the test began" in page.text("#banner")
    assert [text for text, *_ in watch(page, canvas="ruler") if "Process died" in text]
    canvas = page.box("#tracks")
    duration = END - 1_000
    start, end = view(page)
    assert end > duration
    x = canvas["x"] + (duration - start) / (end - start) * canvas["width"]
    line, before, after = (look(page, round(x) + dx, canvas["y"] + 150) for dx in (0, -4, 4))
    assert line != before != after
    page.press("w", "w", "a", "a", "a", "a", "a")
    page.click("#banner p button")
    page.until("location.hash.includes('v=')")
    start, end = view(page)
    assert start < duration < end


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


def test_own_code_and_libraries_differ_in_hue(tmp_path: Path, page: browser.Page) -> None:
    page.open(failing(tmp_path))
    packages = "tests src app core shop asyncio threading json logging pytest requests django flask numpy".split()
    script = f"""["own", "library"].map(category => {json.dumps(packages)}.map(name =>
        [0, 8, 16].map(shift => Theme.bits(Theme.style(category, name)) >> shift & 255)))"""
    own, library = page.evaluate(script)
    assert min(math.dist(a, b) for a in own for b in library) > 50
    assert len({*map(tuple, own)}) > 5 and len({*map(tuple, library)}) > 5
    assert page.evaluate("Theme.style('own', 'shop') === Theme.style('own', 'shop')")


def test_forced_colours_are_kept_to(tmp_path: Path, page: browser.Page) -> None:
    path = failing(tmp_path)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    page.open(path)
    system = """(name => {
      const element = document.body.appendChild(document.createElement("i"));
      element.style.color = name;
      return getComputedStyle(element).color;
    })"""
    for token, colour in (("ink", "CanvasText"), ("card", "Canvas"), ("accent", "Highlight")):
        assert page.evaluate(f"Theme.colour('{token}') === {system}('{colour}')"), token
    assert page.evaluate("new Set(['own', 'sleep', 'lock', 'io', 'fail'].map(Theme.colour)).size") == 5
    assert page.evaluate(
        "Theme.pattern(Theme.style('lock', ''), document.createElement('canvas').getContext('2d')) !== null"
    )


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_each_row_begins_on_a_pixel(tmp_path: Path, page: browser.Page, ratio: float) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=1201, height=801, deviceScaleFactor=ratio, mobile=False)
    page.open(simple(tmp_path, thread(deep(20))))
    script = """(() => {
      const canvas = document.getElementById("tracks"), { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(width * 0.5, 0, 1, height);
      return [width / canvas.clientWidth, Array.from({ length: height }, (_, y) => data[4 * y + 3])];
    })()"""
    scale, alphas = page.evaluate(script)
    assert scale == pytest.approx(ratio, abs=0.002)
    body = alphas[round(200 * ratio) : round(400 * ratio)]
    assert {*body} <= {0, 255} and body.count(0) >= 8


def test_it_fits_its_window_and_its_screen(tmp_path: Path, page: browser.Page) -> None:
    page.open(busy(tmp_path))
    for width, height, ratio in ((1200, 700, 1), (1300, 600, 2), (800, 500, 1.25)):
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=False
        )
        for id in ("tracks", "ruler", "minimap"):
            canvas = f"document.getElementById('{id}')"
            page.until(f"Math.abs({canvas}.width - {canvas}.clientWidth * {ratio}) <= 1")
        assert not page.evaluate("Theme.stale()"), "textures are as fine as the screen"


def test_jumps_move_unless_the_reader_wants_none(tmp_path: Path, page: browser.Page) -> None:
    page.open(busy(tmp_path))
    steps = """(new Promise(done => {
      const seen = new Set(), look = () => { seen.add(document.getElementById("status").innerText); };
      dispatchEvent(new KeyboardEvent("keydown", { key: "w" }));
      requestAnimationFrame(() => requestAnimationFrame(() => {
        new MutationObserver(look).observe(document.getElementById("status"), { childList: true });
        dispatchEvent(new KeyboardEvent("keydown", { key: "0" }));
        const end = () => (look(), seen.has(WHOLE) ? done(seen.size) : requestAnimationFrame(end));
        end();
      }));
    }))""".replace("WHOLE", json.dumps(page.text("#status")))
    assert page.evaluate(steps) == 2
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "no-preference"}])
    assert any(page.evaluate(steps) > 2 for _ in range(5))  # a late frame may be the last one
