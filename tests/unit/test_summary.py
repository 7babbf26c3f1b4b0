"""The terminal's section at the end: what it says of the collection, and of what is missing."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pytest_timeline.session import summary


class Lines:
    """Stands in for the terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str, **markup: bool) -> None:
        self.text += text

    def write_line(self, text: str, **markup: bool) -> None:
        self.text += text + "\n"


def said(**collection: Any) -> list[str]:
    lines = Lines()
    run = {"collection": {"worker": None, "duration": 3.21, "imports": [], "files": {}} | collection}
    summary._write_collection(cast(pytest.TerminalReporter, lines), "timeline", run)
    return lines.text.splitlines()


def test_slow_imports() -> None:
    imports = [
        ["pandas", 0.812, 1.2, "pandas/__init__.py", "tests/conftest.py", 1312],
        ["shop.cart", 0.05, 0.05, "shop/cart.py", "", 1],
        *[["more", 0.01, 0.01, "more.py", "", 1]] * 20,
    ]
    lines = said(imports=imports, files={"perfetto": "tests/collection.pftrace.gz", "html": "tests/collection.html"})
    assert lines[:3] == [
        "collection took 3.2 s, slowest imports:",
        " 812 ms of 1.2 s    pandas (1,312 modules), for tests/conftest.py",
        "  50 ms             shop.cart",
    ]
    assert len(lines) == 1 + 5 + 1
    assert lines[-1].split() == ["timeline/tests/collection.html"]


def test_a_worker_that_imported_nothing() -> None:
    assert said(worker="gw1") == ["collection took 3.2 s on gw1"]


def test_a_short_collection_is_not_worth_a_line() -> None:
    assert said(duration=0.99, imports=[["a", 0.5, 0.5, "a.py", "", 1]]) == []


@pytest.mark.parametrize(
    ("left_out", "line"),
    [
        ([{"values": 1}, {"spans": 1200, "values": 2}], "left out 1,200 spans, 3 counter values in 2 tests"),
        (
            [{"log": 7, "output": 1, "gc": 2, "instants": 1}],
            "left out 1 instant, 7 log records, 1 output line, 2 garbage collections in 1 test; more is kept with a "
            "larger --timeline-max-instants",
        ),
        ([], ""),
    ],
)
def test_what_was_left_out(left_out: list[dict[str, int]], line: str) -> None:
    lines = Lines()
    summary._write_left_out(cast(pytest.TerminalReporter, lines), [{"left_out": each} for each in left_out])
    assert lines.text == (line and line + "\n")
