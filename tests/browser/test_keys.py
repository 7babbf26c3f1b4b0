"""The keyboard on a test's page: each key that the help lists does what it says, and keys alone reach everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_timeline.timeline.model import Flow, Span, Track
from support import browser
from support.pages import END, FAILED_AT, busy, failing, view, write
from support.timelines import lane_of_test, names, slices, timeline

WHERE = "(e => e === document.body ? 'BODY' : e.id || e.dataset.key || e.tagName)(document.activeElement)"


def page_of(directory: Path) -> Path:
    """A test of two threads; an arrow leads from the first to the second."""
    main = slices(
        (2_000, 300_000, 10, 0), (3_000, 100_000, 11, 1), (120_000, 200_000, 12, 1), (130_000, 150_000, 11, 2),
        (400_000, 900_000, 11, 0),
    )  # fmt: skip
    other = Track("thread", "worker", 4712, 2, slices((210_000, 800_000, 13, 0)), names(), [Flow(1, 220_000, True)])
    leaving = Track("thread", "MainThread", 4711, 1, main, names(), [Flow(1, 140_000, False)])
    return write(directory, timeline(leaving, other, lanes=[lane_of_test(Span("t", "test", 1_000, END, 0))]))


def chosen(page: browser.Page) -> str:
    return page.text("#pane-body").split("\n")[0]


def listed(page: browser.Page) -> set[str]:
    """Return the keys of the help."""
    page.press("?")
    keys = page.texts("#help kbd")
    page.press("Escape")
    return {*keys}


def test_each_key_of_the_help_does_what_it_says(tmp_path: Path, page: browser.Page) -> None:
    page.open(page_of(tmp_path))
    known = listed(page)
    done = {"?", "Esc", "Ctrl", "wheel", "Shift", "drag", "pinch", "double-click"}  # the last by other tests

    def after(key: str, says: str) -> str:
        done.add(
            {"ArrowUp": "↑", "ArrowDown": "↓", "ArrowLeft": "←", "ArrowRight": "→", "N": "Shift+N"}.get(
                key, key.upper()
            )
        )
        page.press(key)
        page.frame()
        return page.text(says)

    whole = page.text("#status")
    near = after("w", "#status")
    assert near != whole != after("a", "#status") != after("d", "#status")
    assert page.text("#status") == near
    after("s", "#status")
    assert after("0", "#status") == whole
    page.evaluate("document.getElementById('tracks').focus()")
    assert after("ArrowRight", ".heading") == "f0"
    assert after("ArrowDown", ".heading") == "f1"
    assert after("ArrowRight", ".heading") == "f2"
    assert after("ArrowLeft", ".heading") == "f1"
    assert after(".", "#live").startswith("f1, 20.0 µs")
    assert after(",", "#live").startswith("f1, 97.0 µs")
    assert after(".", "#live").startswith("f1, 20.0 µs")
    assert after("]", ".heading") == "f3"
    assert after("[", ".heading") == "f1"
    assert after("ArrowUp", ".heading") == "f2"
    assert after("f", "#status") != whole
    assert "Selected\n80.0 µs" in after("m", "#pane-body")
    page.press("Escape")
    assert "No range selected" in page.text("#pane-body")
    page.press("Escape")
    page.evaluate("document.getElementById('tab-slice').click()")
    page.frame()
    assert "Nothing selected" in page.text("#pane-body")
    page.press("0", "ArrowRight")
    main = '[data-key="t1"]'
    high = page.box(main)["height"]
    page.evaluate("document.getElementById('tracks').focus()")
    page.press(" ")
    done.add("Space")
    assert page.box(main)["height"] < high
    page.press(" ")
    after("p", main)
    assert page.evaluate("document.querySelector('.label').dataset.key") == "t1"
    after("p", main)
    page.evaluate("document.querySelector('[data-key=t2]').focus()")
    page.press_with("Alt", "ArrowUp")
    done.add("Alt+↑")
    assert page.box('[data-key="t2"]')["y"] < page.box(main)["y"]
    page.press_with("Alt", "ArrowDown")
    done.add("Alt+↓")
    assert page.box('[data-key="t2"]')["y"] > page.box(main)["y"]
    page.press("i")
    done.add("I")
    assert page.evaluate("document.querySelector('.pane').offsetWidth") == 0
    page.press("i", "/")
    done.add("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.write("f1")
    page.press("Enter")
    page.evaluate("document.getElementById('tracks').focus()")
    assert after("n", "#found").startswith("2 of 3")
    assert after("N", "#found").startswith("1 of 3")
    done.add("X")  # below: this test passed
    assert known == done


def test_the_failure_is_a_key_away(tmp_path: Path, page: browser.Page) -> None:
    page.open(failing(tmp_path))
    page.press("0", "w", "w", "w", "a", "a", "a", "x")
    page.until("location.hash.includes('tab=failure')")
    start, end = view(page)
    assert start < FAILED_AT < end


def test_the_tree_of_tracks_by_keys(tmp_path: Path, page: browser.Page) -> None:
    page.open(busy(tmp_path))
    page.press("?")
    assert page.evaluate("document.querySelector('dialog').open")
    page.press("Escape")
    assert not page.evaluate("document.querySelector('dialog').open")
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
    page.press("ArrowRight")
    assert page.box(label)["height"] == high
    page.press("End", "Home")
    assert page.evaluate("document.activeElement.dataset.key") == focused


def test_tab_reaches_every_control_and_shows_where_it_is(tmp_path: Path, new_page: Callable[..., browser.Page]) -> None:
    page = new_page()
    page.open(page_of(tmp_path))
    seen: list[str] = []
    while len(seen) < 60:
        page.press("Tab")
        where = page.evaluate(WHERE)
        if where == "BODY" or (seen and where == seen[0]):
            break
        seen.append(where)
        outlined = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert outlined in ("solid", "auto") and width >= 1, where
    wanted = {"back", "minimum", "search", "pane-button", "help-button", "zoom-out", "zoom-in", "whole", "t0", "tracks"}
    assert wanted | {"tab-slice", "pane-body"} <= {*seen}
    assert sum(each in ("t0", "p0", "t1", "t2") for each in seen) == 1, "one stop for the whole tree"
