"""Makes pages of tests without a recording, and finds in an open one what it says and where things lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_timeline._codec import Names
from pytest_timeline.export import About, make
from pytest_timeline.timeline.model import Instant, Span, Timeline
from support import browser
from support.timelines import CLOCK, CODE, THROWN, lane_of_test, random_rows, slices, thread, timeline

END = 1_000_000  # ns
FAILED_AT = 600_000
SOURCE = "def test_it():\n    helper()\n\n\ndef helper():\n    assert 1 == 2\n"


def write(directory: Path, made: Timeline, **about: Any) -> Path:
    path = directory / "page.html"
    make("html", About(standalone=True, **about)).write(made, CLOCK, path)
    return path


def exception(type: str, message: str, *traceback: str, **more: Any) -> dict[str, Any]:
    """Return what is told of an exception."""
    return {"exception": type, "message": message, "traceback": list(traceback), **more}


def failing(directory: Path, *failures: dict[str, Any], **args: Any) -> Path:
    """A test that failed 0.6 ms after its start, in the second of two functions of its own; or so often, of that."""
    source = directory / "test_a.py"
    source.write_text(SOURCE, encoding="utf-8")
    known = Names()
    known.add(1, str(source))
    known.add(10, "test_it", CODE, 1, 1)
    known.add(11, "helper", CODE, 1, 5)
    known.add(30, "AssertionError")
    main = slices((1_000, 601_000, 10, 0, THROWN, 30), (500_000 + 1_000, 600_900, 11, 1, THROWN, 30))
    other = slices((100_000, 400_000, 11, 0))
    usual = exception("AssertionError", "1 == 2\nsecond", f"{source}:2 test_it", f"{source}:6 helper")
    instants = [
        Instant(told["exception"], "test", FAILED_AT + 1_200 + 100_000 * at, told)
        for at, told in enumerate(failures or [usual])
    ]
    spans = [Span("test_a.py::test_it", "test", 1_000, END, 0), Span("call", "test", 2_000, END - 1_000, 1)]
    return write(
        directory,
        timeline(
            thread(main, known),
            thread(other, known, name="worker", id=4712, serial=2),
            lanes=[lane_of_test(*spans, instants=instants)],
            args={"outcome": "failed"} | args,
        ),
        root=str(directory),
    )


def busy(directory: Path, *, seed: int = 1, count: int = 3_000) -> Path:
    """Two threads with random trees of slices, whose functions call themselves too."""
    rows = random_rows(seed, count, first=1_000, shortest=1)
    more = random_rows(seed + 1, count // 3, first=20_000, shortest=1)
    end = max(row[1] for row in rows + more) + 100
    tracks = thread(slices(*rows)), thread(slices(*more), name="worker", id=4712, serial=2)
    return write(directory, timeline(*tracks, end=end, lanes=[lane_of_test(Span("t", "test", 1_000, end, 0))]))


def saved(page: browser.Page, key: str) -> str:
    """Return what the address says under `key`, once it says so."""
    page.until(f"new URLSearchParams(location.hash.slice(1)).has({json.dumps(key)})")
    return str(page.evaluate(f"new URLSearchParams(location.hash.slice(1)).get({json.dumps(key)})"))


def view(page: browser.Page) -> tuple[float, float]:
    start, end = saved(page, "v").split("_")
    return float(start), float(end)


def place(page: browser.Page, ns: float, depth: int, track: int) -> tuple[float, float]:
    """Return where on the screen the slice of that depth lies at that moment; the label says where its track begins."""
    start, end = view(page)
    canvas = page.box("#tracks")
    label = page.box(f'[data-key="t{track}"]')
    return canvas["x"] + (ns - start) / (end - start) * canvas["width"], label["y"] + 4 + depth * 17 + 8
