"""Run pages of made-up runs, with as many tests and as many kinds of them as a test of the page wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_timeline.export import About
from pytest_timeline.export.index import Index
from pytest_timeline.timeline.model import Span, Timeline
from support.timelines import CLOCK, lane_of_test, slices, thread, timeline

OUTCOMES = ["passed", "failed", "passed", "skipped", "error", "passed", "xfailed", "crashed"]
FAILURES = {"failed", "error", "crashed"}
FILE = "/home/shopfront/tests/conftest.py"


def entry(number: int, **fields: Any) -> dict[str, Any]:
    """Return what the manifest says of a test; those of a worker follow each other without overlapping."""
    outcome = OUTCOMES[number % len(OUTCOMES)]
    return {
        "nodeid": f"test_{number % 3}.py::test_{number}", "outcome": outcome, "worker": f"gw{number % 2}", "rerun": 0,
        "start": 1 + number / 10, "duration": 0.01 * (1 + number * 7 % 11), "phases": {"setup": 0.001, "call": 0.005},
        "slices": 7, "folded": 0, "dropped": 0, "processes": 1, "threads": 2, "tasks": 0, "leaks": 0, "leaked": [],
        "blocks": 0, "blocked": [], "kept": True,
        "files": {"html": f"tests/t-{number}.html"},
    } | fields  # fmt: skip


def told(*spans: Span, **args: Any) -> Timeline:
    """Return the timeline of a test that ran half a millisecond of code."""
    test = Span("t", "test", 1_000, 900_000, 0)
    return timeline(thread(slices((2_000, 502_000, 10, 0))), lanes=[lane_of_test(test, *spans)], args=args)


def fixture(name: str, start: int, end: int, scope: str = "session", **args: Any) -> Span:
    """Return the set-up of a fixture, from nanosecond to nanosecond of its test."""
    return Span(name, "fixture", start, end, 2, {"scope": scope, "file": FILE, "line": 18, **args})


def write(
    directory: Path,
    entries: list[dict[str, Any]],
    *,
    markers: list[str] | None = None,
    fixtures: dict[int, list[Span]] | None = None,
    lanes: dict[str, dict[str, Any]] | None = None,
    **run: Any,
) -> Path:
    """Write a page of two workers: `fixtures` are set up in the tests of these numbers, `lanes` add to the workers."""
    index = Index(About(root="/home/shopfront", standalone=True))
    for number, each in enumerate(entries):
        spans = (fixtures or {}).get(number, [])
        failed = {"exception": f"Oops: {number}"} if each["outcome"] in FAILURES - {"crashed"} else {}
        made = told(*spans, outcome=each["outcome"], **failed)
        uses = ["client"] * (number % 2) + [span.name for span in spans]
        index.add(each, made, CLOCK, markers or (["slow"] if number % 4 == 0 else []), uses)
    end = max((each["start"] + each["duration"] for each in entries), default=0) + 1
    micro = round(end * 1e6)
    known = [
        {"worker": name, "pid": 10 + number, "begin": 0, "end": micro, "collection": [100_000, 900_000]}
        | (lanes or {}).get(name, {})
        for number, name in enumerate(["gw0", "gw1", *((lanes or {}).keys() - {"gw0", "gw1"})])
    ]
    manifest = {
        "version": 1, "pytest": "9.2.0", "python": "3.13.1", "argv": ["-n", "2"], "start": "2026-01-02T03:04:05+00:00",
        "platform": "Linux 6.8, x86_64", "plugins": ["pytest-xdist 3.8.0"], "duration": end, "exitstatus": 1,
        "workers": [{"id": lane["worker"], "pid": lane["pid"]} for lane in known], "combined": {}, "dropped": 0,
        "warnings": ["gw0/1 is damaged and was left out"],
    } | run  # fmt: skip
    index.write(directory, manifest, known)
    return directory / "index.html"
