"""The section "timeline" of a failure's report: what every thread and task was doing then, and where the timeline is.

It is added when the session is over, for then the collector has found it out, and before the terminal prints failures.
It belongs to the failure, as the traceback does: --show-capture, which is of what the test printed, leaves it alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from _pytest._code.code import ExceptionRepr

from pytest_timeline.outputs import preferred
from pytest_timeline.session.summary import short
from pytest_timeline.text import TIME, Line, count, duration, printable, shortened, table

TITLE = "timeline"
SHOWN = ("failed", "error", "rerun")
NOT_SHOWN = ("line", "no")  # --tb
NARROWEST = 40  # columns


def add_sections(reporter: pytest.TerminalReporter, run: dict[str, Any], directory: str) -> None:
    """Add it to each failure's report that the terminal is to print; `run` is the manifest in `directory`."""
    reports = [report for outcome in SHOWN for report in reporter.stats.get(outcome, ())]
    if not reports or reporter.config.option.tbstyle in NOT_SHOWN:
        return
    attempts: dict[tuple[str, str | None], list[dict[str, Any]]] = {}
    for test in run["tests"]:
        attempts.setdefault((test["nodeid"], test["worker"]), []).append(test)
    told: dict[tuple[int, str], int] = {}  # failures of an attempt's phase, of which each report has one
    width = max(reporter._tw.fullwidth - 1, NARROWEST)
    for report in reports:
        test = _attempt(attempts, report) if isinstance(report, pytest.TestReport) else None
        if test is None:
            continue
        failures = [failure for failure in test.get("failures", ()) if failure["phase"] in ("", report.when)]
        number = told.get(key := (id(test), str(report.when)), 0)
        told[key] = number + 1
        lines = list(_lines(failures[number], width)) if number < len(failures) else []
        if page := preferred(test["files"]) or preferred(run["combined"]):
            lines.append(f"timeline: {os.path.join(short(directory), os.path.normpath(page))}")
        if lines:
            _add(report, "\n".join(lines))


def _attempt(
    attempts: dict[tuple[str, str | None], list[dict[str, Any]]], report: pytest.TestReport
) -> dict[str, Any] | None:
    """Return which attempt at a test the report is of."""
    found = attempts.get((report.nodeid, _worker(report)))
    if not found:
        return None
    number = getattr(report, "rerun", None)  # pytest-rerunfailures says
    return next((test for test in found if test["rerun"] == number), found[-1])


def _worker(report: pytest.TestReport) -> str | None:
    """Return which pytest-xdist worker reported it, or died of it."""
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    return str(gateway.id) if gateway is not None else None


def _add(report: pytest.TestReport, text: str) -> None:
    if isinstance(report.longrepr, ExceptionRepr):
        report.longrepr.addsection(TITLE, text)
    else:  # text, as of a worker that died
        report.sections.append((TITLE, text))


def _lines(moment: dict[str, Any], width: int) -> Iterator[str]:
    failing = moment["failing"]
    yield f"{duration(moment['seconds'])} into the test:"
    if failing is not None and failing["frames"]:
        yield shortened(f"  {printable(failing['name'])}", width)
        lines = list(table([_line(frame) for frame in failing["frames"]], width))
        yield lines[0]
        if failing["hidden"]:
            yield f"{'':{TIME}}  ... {failing['hidden']} more"
        yield from lines[1:]
    if failing is not None and failing["spent"]:
        spent = ", ".join(f"{printable(each['name'])} {duration(each['seconds'])}" for each in failing["spent"])
        yield shortened(f"  its last {duration(moment['lately'])}: {spent}", width)
    for blocked in moment["blocked"]:
        yield shortened(f"  blocked: {printable(blocked)}", width)
    if moment["others"]:
        yield "  others"
        names = [_name(other) for other in moment["others"]]
        column = min(max(map(len, names)), (width - TIME) // 2)
        named = zip((f"{shortened(name, column).ljust(column)}  " for name in names), moment["others"], strict=True)
        yield from table([_line(other["does"], name) for name, other in named], width)
    if moment["more"]:
        yield f"{'':{TIME}}  ... {moment['more']} more"
    if moment["idle"]:
        yield f"  idle since before the test: {count(moment['idle'], 'other')}"


def _name(other: dict[str, Any]) -> str:
    name = printable(other["name"])
    return f"{name}, GIL {duration(other['gil'])}" if other["gil"] else name


def _line(frame: dict[str, Any], who: str = "") -> Line:
    return Line(frame["seconds"], who + printable(frame["name"]), frame["file"], frame["line"])
