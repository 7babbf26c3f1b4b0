"""The pane's account of the slice that is selected."""

from __future__ import annotations

import random
from pathlib import Path

from pytest_timeline._codec import Spool
from pytest_timeline.timeline.model import Flow, Process, Span
from support import browser, report
from support.pages import busy, failing, place, saved, write
from support.spool_writer import RETURN, START, SpoolWriter
from support.timelines import lane_of_processes, lane_of_test, slices, thread, timeline


def test_selecting_a_slice(tmp_path: Path, page: browser.Page) -> None:
    path = failing(tmp_path)
    page.open(path)
    page.press("0")
    read = report.read(path)
    main = read.track("MainThread")
    page.until("location.hash.includes('v=0_')")
    page.click_at(*place(page, 550_000, 1, main))
    assert page.text(".heading") == "helper"
    assert page.texts(".numbers dd") == ["99.9 µs", "99.9 µs", "+500.0 µs", "2"]
    assert page.texts(".pairs button") == ["test_it"]
    assert page.texts(".source .here") == ["5def helper():"]
    assert page.evaluate("document.querySelector('.section a').href").endswith("/test_a.py:5")
    assert "helper, 99.9 µs" in page.text("#live")
    page.click(".pairs button")
    assert page.text(".heading") == "test_it"
    assert page.texts(".numbers dd")[:2] == ["600 µs", "500 µs"]
    page.press("ArrowDown")
    assert page.text(".heading") == "helper"
    page.press("ArrowUp")
    assert page.text(".heading") == "test_it"
    page.press("Escape")
    assert "Nothing selected" in page.text("#pane-body")


def test_callers_and_callees_are_those_of_the_slices(tmp_path: Path, page: browser.Page) -> None:
    path = busy(tmp_path)
    read = report.read(path)
    index = read.track("MainThread")
    rows = read.slices[index]
    ordered = sorted(rows, key=lambda row: (row.depth, row.start))
    (within,) = random.Random(1).sample([row for row in ordered if row.depth == 2 and below(rows, row)], 1)
    page.open(path, f"s={index}.{ordered.index(within)}")
    assert page.text(".heading") == read.name(within)
    called: dict[str, int] = {}
    for row in below(rows, within):
        called[read.name(row)] = called.get(read.name(row), 0) + 1
    callers: dict[str, int] = {}
    for track in read.slices.values():
        opened: list[report.Slice] = []
        for row in track:
            del opened[row.depth :]
            if read.name(row) == read.name(within) and opened:
                callers[read.name(opened[-1])] = callers.get(read.name(opened[-1]), 0) + 1
            opened.append(row)
    assert table(page, "Calls") == called
    assert table(page, "Callers") == callers
    page.click('[aria-label="Callers"] button')
    assert page.text(".heading") in callers


def below(rows: list[report.Slice], above: report.Slice) -> list[report.Slice]:
    return [row for row in rows if row.depth == above.depth + 1 and above.start <= row.start < above.end]


def table(page: browser.Page, label: str) -> dict[str, int]:
    """Return the count of each function in the table of that name."""
    page.evaluate("document.querySelectorAll('.section > .link').forEach(button => button.click())")
    rows = page.evaluate(f"""[...document.querySelectorAll('[aria-label="{label}"] tbody tr')].map(
        row => [...row.cells].map(cell => cell.innerText.trim()))""")
    return {name: int(count.replace("\u2009", "")) for name, count, _ in rows}


def test_its_shares(tmp_path: Path, page: browser.Page) -> None:
    main = slices((1_000, 401_000, 10, 0), (1_000, 101_000, 11, 1))
    made = timeline(thread(main), end=1_001_000, lanes=[lane_of_test(Span("t", "test", 1_000, 1_001_000, 0))])
    path = write(tmp_path, made)
    page.open(path, f"s={report.read(path).track('MainThread')}.1")
    assert "25 % of f0, 10 % of the test" in page.text(".pairs")


def test_an_arrow_is_followed_to_its_other_end(tmp_path: Path, page: browser.Page) -> None:
    main = thread(slices((2_000, 80_000, 10, 0), (3_000, 9_000, 21, 1)))
    main.flows = [Flow(1, 5_000, False), Flow(2, 5_000, False)]
    child = thread(slices((20_000, 70_000, 12, 0)), id=78)
    child.flows = [Flow(1, 20_000, True)]
    lanes = [
        lane_of_test(Span("t", "test", 1_000, 90_000, 0)),
        lane_of_processes(0, Span("sh -c x", "process", 6_000, 85_000, 0, flow=2)),
    ]
    made = timeline(main, end=90_000, lanes=lanes)
    made.processes.append(Process(78, 4711, "child", 4_500, [child]))
    path = write(tmp_path, made)
    page.open(path, f"s={report.read(path).track('processes') + 1}.1")
    assert page.text(".heading") == "c1"
    assert sorted(page.texts(".flow")) == ["f2 in MainThread of child →", "sh -c x →"]
    page.evaluate("[...document.querySelectorAll('.flow')].find(link => link.innerText.startsWith('f2')).focus()")
    page.press("Enter")
    assert page.text(".heading") == "f2"
    assert page.texts(".flow") == ["← c1 in MainThread of pytest"]
    page.click(".flow")
    assert page.text(".heading") == "c1"


def test_it_can_be_copied(tmp_path: Path, page: browser.Page) -> None:
    page.open(failing(tmp_path), "s=1.1")
    saved(page, "v")
    page.evaluate("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
    page.click(".copy")
    assert page.text(".copy") == "Copied"
    name, where, link = page.evaluate("window.copied").split("\n")
    assert (name, where, link) == ("helper", "test_a.py:5", page.evaluate("location.href"))
    assert "s=1.1" in link


def test_what_a_call_was_given_and_gave_back(tmp_path: Path, page: browser.Page) -> None:
    spool = tmp_path / "1-1.spool"
    writer = SpoolWriter(spool, start=1)
    for id, name in (1, "outer"), (2, "Cart.add"):
        writer.code(1, id, name)
    writer.record(1_000, START, 5, 1)
    for at, item in (2_000, "'apple'"), (3_000, "<b>'pear'</b>"):
        writer.record(at, START, 6, 2)
        writer.arguments(at, 2, item=item, count="2")
        writer.result(at + 500, 2, f"[{item}]")
        writer.record(at + 500, RETURN, 6, 2)
    writer.record(9_000, RETURN, 5, 1)
    read = Spool(str(spool))
    assert read.drain(1 << 60) is None
    (((*_, made),), *_) = read.cut(1 << 60)
    page.open(write(tmp_path, timeline(thread(made, read.names), end=10_000)), "s=0.2")
    assert page.text(".heading") == "Cart.add"
    assert page.texts(".pairs .mono") == ["<b>'pear'</b>", "2"]
    assert "[<b>'pear'</b>]" in page.texts(".section > .mono")
    page.press("ArrowUp")
    assert page.text(".heading") == "outer"
    assert page.texts(".mono") == []
