"""The pane's account of a stretch of time, as a table and as a flame graph."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from support import browser, report
from support.pages import busy, saved, write
from support.timelines import slices, thread, timeline


@dataclasses.dataclass
class Line:
    count: int = 0
    total: float = 0
    self: float = 0
    below: dict[str, Line] = dataclasses.field(default_factory=dict)

    @property
    def average(self) -> float:
        return self.total / self.count


def sums(read: report.Page, start: float, end: float) -> dict[str, Line]:
    """Sum up the threads between two moments, slice by slice: count, total without recursion, self."""
    lines: dict[str, Line] = {}
    for index, rows in read.slices.items():
        if read.head["tracks"][index]["kind"] != "thread":
            continue
        opened: list[report.Slice] = []
        for row in rows:
            del opened[row.depth :]
            part = min(row.end, end) - max(row.start, start)
            if part > 0:
                line = lines.setdefault(read.name(row), Line())
                line.count += 1
                line.self += part
                if not any(read.name(above) == read.name(row) for above in opened):
                    line.total += part
                if opened:
                    lines[read.name(opened[-1])].self -= part
            opened.append(row)
    return lines


def shown(text: str) -> float:
    """Return a time as the page writes it, in ns."""
    digits, unit = re.fullmatch(r"([\d.]+) ?(\w+)", text).groups()
    return float(digits) * {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit]


def tree(read: report.Page, start: float, end: float) -> Line:
    """Sum up the threads between two moments as a tree of calls."""
    root = Line()
    for index, rows in read.slices.items():
        if read.head["tracks"][index]["kind"] != "thread":
            continue
        opened = [root]
        for row in rows:
            del opened[row.depth + 1 :]
            part = min(row.end, end) - max(row.start, start)
            if part > 0:
                here = opened[-1].below.setdefault(read.name(row), Line())
                here.count += 1
                here.total += part
                here.self += part
                opened[-1].self -= part
            else:
                here = Line()  # nothing below it lies in the range either
            opened.append(here)
    root.total = sum(line.total for line in root.below.values())
    return root


def select(page: browser.Page, path: Path, start: float, end: float) -> tuple[float, float]:
    """Open the page with that range selected; return the range as the page has it."""
    page.open(path, f"r={start}_{end}&tab=range")
    saved(page, "v")
    assert page.text('[role="tab"][aria-selected="true"]') == "Range"
    start, end = (float(text) for text in saved(page, "r").split("_"))
    return start, end


def shown_rows(page: browser.Page) -> list[list[str]]:
    rows: list[list[str]] = page.evaluate(
        "[...document.querySelectorAll('.functions tbody tr')].map(r => [...r.cells].map(c => c.innerText.trim()))"
    )
    return rows


@pytest.mark.parametrize("key", ["self", "total", "count", "average"])
def test_the_sums_of_a_range_are_those_of_the_slices(tmp_path: Path, page: browser.Page, key: str) -> None:
    path = busy(tmp_path)
    page.open(path)
    ruler = page.box("#ruler")
    left, width, y = ruler["x"], ruler["width"], ruler["y"] + 8
    page.drag((left + width * 0.2, y), (left + width * 0.7, y))
    assert page.text('[role="tab"][aria-selected="true"]') == "Range"
    page.click(f"[data-sort={key}]")
    if key == "self":
        page.click("[data-sort=self]")  # it was sorted by it, the greatest first
    start, end = (float(text) for text in saved(page, "r").split("_"))
    expected = sums(report.read(path), start, end)
    rows = shown_rows(page)
    assert {name for name, *_ in rows} == expected.keys()
    for name, count, total, self, average in rows:
        line = expected[name]
        assert int(count.replace("\u2009", "")) == line.count
        assert shown(total) == pytest.approx(line.total, rel=0.006, abs=1.5)  # the address rounds the range to 1 ns
        assert shown(self) == pytest.approx(line.self, rel=0.006, abs=line.count + 1.5)
        assert shown(average) == pytest.approx(line.average, rel=0.006, abs=1.5)
    values = [getattr(expected[name], key) for name, *_ in rows]
    assert values == pytest.approx(sorted(values, reverse=True), abs=3)


def test_a_range_that_cuts_slices(tmp_path: Path, page: browser.Page) -> None:
    main = slices((1_000, 11_000, 10, 0), (2_000, 9_000, 11, 1), (3_000, 4_000, 20, 2), (6_000, 8_000, 20, 2))
    path = write(tmp_path, timeline(thread(main), end=12_000))
    select(page, path, 2_500, 6_500)  # from within the first c0 to within the second
    rows = {row[0]: row[1:] for row in shown_rows(page)}
    assert {name: (int(row[0]), *map(shown, row[1:])) for name, row in rows.items()} == {
        "f0": (1, 4_000, 0, 4_000),
        "f1": (1, 4_000, 2_000, 4_000),
        "c0": (2, 2_000, 2_000, 1_000),
    }
    page.click("[data-key=flame]")
    assert page.texts(".flame button") == ["f0", "f1", "c0"]
    assert [box["said"][1:] for box in boxes(page)] == [(4_000, 0, 1), (4_000, 2_000, 1), (2_000, 2_000, 2)]


def test_the_table_is_sorted_and_filtered_by_keyboard(tmp_path: Path, page: browser.Page) -> None:
    select(page, busy(tmp_path), 0, 10_000)
    heads = "document.querySelector('th[aria-sort]')"
    assert page.evaluate(f"[{heads}.innerText, {heads}.getAttribute('aria-sort')]") == ["Self ↓", "descending"]
    page.evaluate("document.querySelector('[data-sort=name]').focus()")
    page.press("Enter")
    assert page.evaluate(f"[{heads}.innerText, {heads}.getAttribute('aria-sort')]") == ["Function ↑", "ascending"]
    names = [name for name, *_ in shown_rows(page)]
    assert len(names) > 5 and names == sorted(names)
    page.press("Enter")  # the head has kept the focus
    assert page.evaluate(f"{heads}.getAttribute('aria-sort')") == "descending"
    assert [name for name, *_ in shown_rows(page)] == names[::-1]
    page.evaluate("document.querySelector('.filter').focus()")
    page.write("F7")
    assert [name for name, *_ in shown_rows(page)] == ["f7"]
    page.write("7")
    assert shown_rows(page) == [] and "None of these functions" in page.text("#pane-body")


Box = dict[str, Any]


def boxes(page: browser.Page) -> list[Box]:
    """Return the flame graph's boxes: left and width as shares, depth, and what each says: name, total, self, count."""
    found = page.evaluate(
        """[...document.querySelectorAll('.flame button')].map(each => ({
            left: parseFloat(each.style.left) / 100, width: parseFloat(each.style.width) / 100,
            depth: parseFloat(each.style.top) / 19, said: each.title }))"""
    )
    for box in found:
        name, figures = box["said"].split("\n")
        total, self, count = re.fullmatch(r".*?, (.*), self (.*), (.*) calls?", figures).groups()
        box["said"] = (name, shown(total), shown(self), int(count.replace("\u2009", "")))
    return list(found)


def assert_drawn(page: browser.Page, root: Line, zoomed: list[str]) -> None:
    """Check the boxes against the tree, of which the call at that path is the whole width."""
    expected: dict[tuple[int, float], tuple[str, Line, float]] = {}

    def put(line: Line, left: float, whole: float, depth: int) -> None:
        path = zoomed[depth : depth + 1]
        for name, below in sorted(line.below.items(), key=lambda item: -item[1].total):
            if path and name != path[0]:
                continue
            width = 1 if path else below.total / whole
            if width < 0.0031:  # just above what is drawn: the range in the page has fractions of a nanosecond
                break
            expected[depth, round(left, 2)] = (name, below, width)
            put(below, left, below.total if path else whole, depth + 1)
            left += width

    put(root, 0, root.total, 0)
    drawn = {(round(box["depth"]), round(box["left"], 2)): box for box in boxes(page)}
    for place, (name, line, width) in expected.items():
        box = drawn[place]
        assert box["width"] == pytest.approx(width, abs=0.005)
        if width < 0.02:
            continue  # those of one width may have changed places
        said, total, self, count = box["said"]
        assert (said, count) == (name, line.count)
        assert total == pytest.approx(line.total, rel=0.006, abs=1.5)
        assert self == pytest.approx(line.self, rel=0.006, abs=line.count + 1.5)


def test_the_flame_graph_is_the_tree_of_the_slices(tmp_path: Path, page: browser.Page) -> None:
    path = busy(tmp_path)
    read = report.read(path)
    middle = read.head["duration"] / 2
    start, end = select(page, path, middle, middle + 9_001)
    root = tree(read, start, end)
    page.click("[data-key=flame]")
    assert_drawn(page, root, [])
    outer, line = max(root.below.items(), key=lambda item: item[1].total)
    page.click(".flame button")  # the widest is the first
    assert_drawn(page, root, [outer])
    inner = max(line.below, key=lambda name: line.below[name].total)
    page.click(".flame button:nth-child(2)")
    assert_drawn(page, root, [outer, inner])
    assert page.evaluate("document.querySelectorAll('.flame .above').length") == 1
    page.press("Enter")  # the zoomed box has the focus: out again
    assert_drawn(page, root, [outer])
    page.press("Enter")
    assert_drawn(page, root, [])
