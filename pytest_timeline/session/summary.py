"""The terminal section at the end: the slowest tests, how much was recorded, what is missing, where the files are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from pytest_timeline.config import Config
from pytest_timeline.outputs import INDEX, MANIFEST, TESTS
from pytest_timeline.spooldir import DIRECTORY

SLOWEST, SLOWEST_VERBOSE = 3, 10
NOTED_TESTS, NOTED = 5, 3  # how many tests, and of each how many of the things that it left, or that blocked its loop
PREFERRED = ("html", "perfetto", "chrome")  # which of a test's files to name
MARKUP: Mapping[str, dict[str, bool]] = {
    "passed": {"green": True},
    "failed": {"red": True},
    "error": {"red": True},
    "crashed": {"red": True},
}


def short(path: str) -> str:
    """Return `path` as seen from the working directory, where that is shorter."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return path
    return relative if len(relative) < len(path) else path


def write(reporter: pytest.TerminalReporter, settings: Config, warnings: list[str], problem: str | None) -> None:
    """Write the section about the run.

    `warnings` are this process's, which the manifest has too if all went well; `problem` is why it did not.
    """
    directory = settings.directory
    reporter.write_sep("=", "timeline")
    remedy = f"make timelines of what is left with: python -m pytest_timeline collect {short(directory)}"
    if problem is None:
        try:
            with open(os.path.join(directory, MANIFEST), "rb") as file:
                run = orjson.loads(file.read())
        except (OSError, ValueError) as error:
            problem = f"the collector left no manifest ({error})"
        else:
            _write_run(reporter, settings, run)
            warnings = [*run["warnings"], *(text for text in warnings if text not in run["warnings"])]
    for warning in warnings:
        reporter.write_line(warning, yellow=True)
    if problem is not None:
        reporter.write_line(problem, red=True)
        if os.path.isdir(os.path.join(directory, DIRECTORY)):
            reporter.write_line(remedy)


def _write_run(reporter: pytest.TerminalReporter, settings: Config, run: dict[str, Any]) -> None:
    tests = run["tests"]
    _write_slowest(reporter, settings.directory, tests)
    _write_totals(reporter, settings.directory, run)
    _write_noted(reporter, tests, "leaks", "leaked", "leaked", "leaked: and {} more tests left something running")
    blocked = "blocked its event loop"
    _write_noted(reporter, tests, "blocks", "blocked", blocked, "blocked: the event loops of {} more tests")
    folded = [test for test in tests if test["folded"]]
    if folded:
        remedy = "a larger --timeline-max-slices"
        if settings.min_duration_ns:
            remedy = f"a smaller --timeline-min-duration, {remedy}"
        count = sum(test["folded"] for test in folded)
        reporter.write_line(
            f"folded {_count(count, 'short call')} into their callers in {_count(len(folded), 'test')}; "
            f"more is kept with {remedy}, or look closer with --timeline-include",
            yellow=True,
        )


def _write_slowest(reporter: pytest.TerminalReporter, directory: str, tests: list[dict[str, Any]]) -> None:
    limit = SLOWEST_VERBOSE if reporter.verbosity > 0 else SLOWEST
    slowest = sorted(tests, key=lambda test: test["duration"], reverse=True)[:limit]
    if not slowest:
        return
    reporter.write_line("slowest     slices  processes  threads", bold=True)
    for test in slowest:
        figures = (
            f"{_duration(test['duration']):>7} {test['slices']:>10,}  {test['processes']:>9}  {test['threads']:>7}  "
        )
        reporter.write(figures)
        name = test["nodeid"] + (f" (rerun {test['rerun']})" if test["rerun"] else "")
        room = max(reporter._tw.fullwidth - len(figures) - 1, 20)
        reporter.write_line(name if len(name) <= room else "…" + name[1 - room :], **MARKUP.get(test["outcome"], {}))
        if file := _preferred(test["files"]):
            reporter.write_line("        " + os.path.join(short(directory), os.path.normpath(file)), light=True)


def _write_totals(reporter: pytest.TerminalReporter, directory: str, run: dict[str, Any]) -> None:
    tests = run["tests"]
    timelines = sum(bool(test["files"]) for test in tests)
    combined = _preferred(run["combined"])
    reporter.write(f"recorded {_count(len(tests), 'test')}", bold=True)
    line = f", {_count(sum(test['slices'] for test in tests), 'slice')}"
    if tests:
        processes, threads = (max(test[key] for test in tests) for key in ("processes", "threads"))
        line += f"; at most {_count(processes, 'process')} and {_count(threads, 'thread')} in a test"
    reporter.write_line(line)
    places = []
    if timelines:
        places.append(os.path.join(short(directory), TESTS, ""))
    if combined:
        places.append(os.path.join(short(directory), combined))
    if INDEX in run.get("report", []):
        reporter.write_line(f"report: {os.path.join(short(directory), INDEX)}")
    if places:
        html = any("html" in test["files"] for test in tests)
        how = "open a page in a browser" if html else "open one in https://ui.perfetto.dev"
        reporter.write_line(f"timelines in {' and '.join(places)}: {how}")


def _write_noted(
    reporter: pytest.TerminalReporter, tests: list[dict[str, Any]], key: str, names: str, what: str, more: str
) -> None:
    """Write of the tests that have `key` the `names` of what was found, as far as there is room."""
    found = [test for test in tests if test[key]]
    for test in found[:NOTED_TESTS]:
        named = test[names][:NOTED]
        rest = f" and {test[key] - len(named):,} more" if test[key] > len(named) else ""
        reporter.write_line(f"{what}: {', '.join(named)}{rest}  in {test['nodeid']}", yellow=True)
    if len(found) > NOTED_TESTS:
        reporter.write_line(more.format(f"{len(found) - NOTED_TESTS:,}"), yellow=True)


def _preferred(files: dict[str, str]) -> str | None:
    return next((files[name] for name in PREFERRED if name in files), None)


def _count(number: int, what: str) -> str:
    if number == 1:
        return f"1 {what}"
    return f"{number:,} {what}{'es' if what.endswith('s') else 's'}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2f}s" if seconds >= 1 else f"{seconds * 1e3:.3g}ms"
