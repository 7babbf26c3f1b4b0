"""The terminal section at the end: the slowest tests, how much was recorded, what is missing, where the files are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from pytest_timeline.config import KEEP_ALL, Config
from pytest_timeline.outputs import INDEX, MANIFEST, TESTS, preferred
from pytest_timeline.spooldir import DIRECTORY
from pytest_timeline.text import count, duration

SLOWEST, SLOWEST_VERBOSE = 3, 10
NOTED_TESTS, NOTED = 5, 3  # how many tests, and of each how many of the things that it left, or that blocked its loop
WORTH_SECONDS = 1.0  # a shorter collection is not worth a line
SLOWEST_IMPORTS = 5
TELLING_SECONDS = 0.001  # that what a module imports took, beside its own time
TOLD = {"spans": "span", "instants": "instant", "values": "counter value"}  # of which there is one bound
SAID = {
    "log": "log record",
    "warning": "warning",
    "output": "output line",
    "subtest": "subtest",
    "example": "example",
    "gc": "garbage collection",
}
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


def manifest(directory: str) -> dict[str, Any]:
    """Return what run.json says. Raises OSError or ValueError."""
    with open(os.path.join(directory, MANIFEST), "rb") as file:
        run: dict[str, Any] = orjson.loads(file.read())
    return run


def attempts(tests: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the last attempt at each test, which counts, and those after which there was another one."""
    last: dict[tuple[str, str | None], int] = {}
    for test in tests:
        key = test["nodeid"], test["worker"]
        last[key] = max(last.get(key, 0), test["rerun"])
    found: tuple[list[dict[str, Any]], list[dict[str, Any]]] = [], []
    for test in tests:
        found[test["rerun"] < last[test["nodeid"], test["worker"]]].append(test)
    return found


def write(
    reporter: pytest.TerminalReporter, settings: Config, run: dict[str, Any], warnings: list[str], problem: str | None
) -> None:
    """Write the section about the run, whose manifest is `run`.

    `warnings` are this process's, which the manifest has too if all went well; `problem` is why it did not.
    """
    directory = settings.directory
    reporter.write_sep("=", "timeline")
    remedy = f"make timelines of what is left with: python -m pytest_timeline collect {short(directory)}"
    if problem is None:
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
    _write_collection(reporter, settings.directory, run)
    _write_noted(reporter, tests, "leaks", "leaked", "leaked", "leaked: and {} more tests left something running")
    blocked = "blocked its event loop"
    _write_noted(reporter, tests, "blocks", "blocked", blocked, "blocked: the event loops of {} more tests")
    _write_left_out(reporter, [test for test in tests if test["left_out"]])
    hot = "too hot to record"
    _write_noted(reporter, tests, "muted", "unrecorded", hot, "too hot to record: functions in {} more tests")
    if any(test["muted"] for test in tests):
        reporter.write_line("--timeline-full records every call", yellow=True)
    folded = [test for test in tests if test["folded"]]
    if folded:
        remedy = "a larger --timeline-max-slices"
        if settings.min_duration_ns:
            remedy = f"a smaller --timeline-min-duration, {remedy}"
        calls = sum(test["folded"] for test in folded)
        reporter.write_line(
            f"folded {count(calls, 'short call')} into their callers in {count(len(folded), 'test')}; "
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
            f"{duration(test['duration']):>7} {test['slices']:>10,}  {test['processes']:>9}  {test['threads']:>7}  "
        )
        reporter.write(figures)
        name = test["nodeid"] + (f" (rerun {test['rerun']})" if test["rerun"] else "")
        room = max(reporter._tw.fullwidth - len(figures) - 1, 20)
        reporter.write_line(name if len(name) <= room else "…" + name[1 - room :], **MARKUP.get(test["outcome"], {}))
        if file := preferred(test["files"]):
            reporter.write_line("        " + os.path.join(short(directory), os.path.normpath(file)), light=True)


def _write_totals(reporter: pytest.TerminalReporter, directory: str, run: dict[str, Any]) -> None:
    tests = run["tests"]
    timelines = sum(bool(test["files"]) for test in tests)
    combined = preferred(run["combined"])
    last, again = attempts(tests)
    reruns = f" and {count(len(again), 'rerun')}" if again else ""
    reporter.write(f"recorded {count(len(last), 'test')}{reruns}", bold=True)
    line = f", {count(sum(test['slices'] for test in tests), 'slice')}"
    if tests:
        processes, threads = (max(test[key] for test in tests) for key in ("processes", "threads"))
        line += f"; at most {count(processes, 'process')} and {count(threads, 'thread')} in a test"
    reporter.write_line(line)
    if run["keep"] not in ([], [KEEP_ALL]):
        recorded = sum(not test.get("off") for test in tests)
        keep = ",".join(run["keep"])
        reporter.write_line(f"kept {timelines:,} of {count(recorded, 'timeline')} (--timeline-keep={keep})")
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


def _write_collection(reporter: pytest.TerminalReporter, directory: str, run: dict[str, Any]) -> None:
    """Write what was slow to import, if the collection was slow."""
    collection = run.get("collection")
    if not collection or collection["duration"] < WORTH_SECONDS:
        return
    worker = f" on {collection['worker']}" if collection["worker"] else ""
    slowest = collection["imports"][:SLOWEST_IMPORTS]
    reporter.write(f"collection took {duration(collection['duration'])}{worker}", bold=True)
    reporter.write_line(", slowest imports:" if slowest else "")
    for name, own, total, _, via, modules in slowest:
        many = f" ({modules:,} modules)" if modules > 1 else ""
        of = f" of {duration(total)}" if total - own >= TELLING_SECONDS else ""
        reporter.write_line(f"{duration(own):>7}{of:<11}  {name}{many}{f', for {via}' if via else ''}")
    if file := preferred(collection["files"]):
        reporter.write_line("        " + os.path.join(short(directory), os.path.normpath(file)), light=True)


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


def _write_left_out(reporter: pytest.TerminalReporter, tests: list[dict[str, Any]]) -> None:
    """Write how much is missing of what programs told, and of what tests said."""
    counts = {kind: sum(test["left_out"].get(kind, 0) for test in tests) for kind in TOLD | SAID}
    told = ", ".join(count(number, (TOLD | SAID)[kind]) for kind, number in counts.items() if number)
    if told:
        remedy = "; more is kept with a larger --timeline-max-instants" if any(counts[kind] for kind in SAID) else ""
        reporter.write_line(f"left out {told} in {count(len(tests), 'test')}{remedy}", yellow=True)
