"""Fingers and trackpads on a test's page: real touch events and wheels, sent over the DevTools protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support import browser, report
from support.pages import busy, failing, place, saved, view

Point = tuple[float, float]


class Fingers:
    """Touches the screen of a page."""

    def __init__(self, page: browser.Page) -> None:
        self.page = page

    def send(self, type: str, *points: Point) -> None:
        touches = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
        self.page.call("Input.dispatchTouchEvent", type=type, touchPoints=touches)

    def move(self, *paths: tuple[Point, Point], steps: int = 5) -> None:
        """Put down a finger for each path, move them together, and take them off."""
        self.send("touchStart", *(start for start, _ in paths))
        for step in range(1, steps + 1):
            share = step / steps
            self.send("touchMove", *((a + (c - a) * share, b + (d - b) * share) for (a, b), (c, d) in paths))
        self.send("touchEnd")
        self.page.frame()

    def tap(self, x: float, y: float, times: int = 1) -> None:
        for _ in range(times):
            self.send("touchStart", (x, y))
            self.send("touchEnd")
        self.page.frame()


@pytest.fixture
def touched(tmp_path: Path, new_page: Callable[..., browser.Page]) -> browser.Page:
    page = new_page(1000, 800, touch=True)
    page.open(busy(tmp_path))
    page.press("w", "w", "w")
    page.until("location.hash.includes('v=') && !location.hash.includes('v=0_')")
    return page


def moved(page: browser.Page, before: tuple[float, float]) -> tuple[float, float]:
    """Return what is shown once it is not the same as before."""
    said = page.evaluate("location.hash")
    assert said
    page.until(f"location.hash !== '{said}'")
    after = view(page)
    assert after != before
    return after


def test_a_finger_drags_the_view(touched: browser.Page) -> None:
    box, before = touched.box("#tracks"), view(touched)
    x, y = box["x"] + 400, box["y"] + 150
    Fingers(touched).move(((x, y), (x - 100, y)))
    start, end = moved(touched, before)
    span = before[1] - before[0]
    assert end - start == pytest.approx(span, abs=1.1)
    assert start - before[0] == pytest.approx(span * 100 / box["width"], rel=0.02)


def test_a_finger_scrolls_the_tracks(touched: browser.Page) -> None:
    touched.resize(1000, 500, touch=True)
    touched.frame()
    box = touched.box("#tracks")
    x, y = box["x"] + 400, box["y"] + 200
    Fingers(touched).move(((x, y), (x, y - 120)))
    assert touched.evaluate("document.getElementById('scroll').scrollTop") == pytest.approx(120, abs=2)


def test_two_fingers_zoom_around_what_they_hold(touched: browser.Page) -> None:
    box, before = touched.box("#tracks"), view(touched)
    x, y = box["x"] + box["width"] / 4, box["y"] + 150
    held = before[0] + (before[1] - before[0]) / 4
    Fingers(touched).move(((x - 40, y), (x - 80, y)), ((x + 40, y + 10), (x + 80, y + 10)))
    start, end = moved(touched, before)
    assert end - start == pytest.approx((before[1] - before[0]) / 2, rel=0.03)
    assert start + (end - start) / 4 == pytest.approx(held, abs=(end - start) / 50)


def test_a_tap_selects_and_two_taps_zoom_to_the_slice(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    page = new_page(1000, 800, touch=True)
    path = failing(tmp_path)
    page.open(path)
    page.press("0")
    page.until("location.hash.includes('v=0_')")
    before = view(page)
    at = place(page, 550_000, 1, report.read(path).track("MainThread"))
    fingers = Fingers(page)
    fingers.tap(*at)
    assert page.text(".heading") == "helper" and view(page) == before
    page.evaluate("new Promise(done => setTimeout(done, 400))")  # else it is the first of two
    fingers.tap(*at, times=2)
    start, end = moved(page, before)
    assert (start, end) == (pytest.approx(500_000 - 7_992, abs=1), pytest.approx(599_900 + 7_992, abs=1))
    assert page.text(".heading") == "helper"


def test_a_finger_along_the_ruler_takes_a_range(touched: browser.Page) -> None:
    box, (start, end) = touched.box("#ruler"), view(touched)
    y = box["y"] + 18
    Fingers(touched).move(((box["x"] + 100, y), (box["x"] + 300, y)))
    low, high = (float(text) for text in saved(touched, "r").split("_"))
    ns = (end - start) / box["width"]
    assert (low, high) == (pytest.approx(start + 100 * ns, abs=ns), pytest.approx(start + 300 * ns, abs=ns))
    assert touched.text('[role="tab"][aria-selected="true"]') == "Range"


def wheel(page: browser.Page, selector: str, x: float, y: float, *, held: int = 0) -> None:
    box = page.box(selector)
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    page.call("Input.dispatchMouseEvent", type="mouseWheel", deltaX=x, deltaY=y, modifiers=held, **middle)
    page.frame()


@pytest.mark.parametrize("selector", ["#tracks", "#ruler"])
def test_a_trackpad_pans_and_zooms(tmp_path: Path, page: browser.Page, selector: str) -> None:
    page.open(busy(tmp_path))
    page.press("w", "w", "w")
    page.until("location.hash.includes('v=') && !location.hash.includes('v=0_')")
    before = view(page)
    width = page.box("#tracks")["width"]
    for delta in (40, 25, 12, 5, 2, 1):  # as it runs on by itself
        wheel(page, selector, delta, 1)
    start, end = moved(page, before)
    assert end - start == pytest.approx(before[1] - before[0], abs=1.1)
    assert start - before[0] == pytest.approx((end - start) * 85 / width, rel=0.02)
    wheel(page, selector, 0, -50, held=2)  # a pinch comes as a wheel with Ctrl
    closer = moved(page, (start, end))
    assert closer[1] - closer[0] == pytest.approx((end - start) * 2.718281828 ** (-50 * 0.004), rel=0.01)
    assert sum(closer) / 2 == pytest.approx((start + end) / 2, rel=0.001)
    assert page.evaluate("visualViewport.scale") == 1


def test_a_wheel_scrolls_the_tracks(tmp_path: Path, page: browser.Page) -> None:
    page.resize(1600, 500)
    page.open(busy(tmp_path))
    before = page.text("#status")
    wheel(page, "#tracks", 0, 120)
    page.until("document.getElementById('scroll').scrollTop > 60")
    assert page.text("#status") == before


def test_two_clicks_zoom_to_the_slice_and_out_again(tmp_path: Path, page: browser.Page) -> None:
    path = failing(tmp_path)
    page.open(path)
    page.press("0")
    page.until("location.hash.includes('v=0_')")
    before = view(page)
    at = place(page, 550_000, 1, report.read(path).track("MainThread"))
    page.click_at(*at, count=2)
    start, end = moved(page, before)
    assert (start, end) == (pytest.approx(500_000 - 7_992, abs=1), pytest.approx(599_900 + 7_992, abs=1))
    page.click_at(at[0], page.box("#tracks")["y"] + page.box("#tracks")["height"] - 20, count=2)
    assert moved(page, (start, end)) == before
