"""run.json: what was run, how it ended, and where each test's files are."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from pytest_timeline.collect import leaks
from pytest_timeline.collect.family import Family, Window
from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.tasks import MOST_BLOCKED, Blocked
from pytest_timeline.export.index import PHASES, Index
from pytest_timeline.outputs import MANIFEST
from pytest_timeline.timeline.model import Timeline

VERSION = 1


class Manifest:
    """Gathers what run.json says."""

    def __init__(self, index: Index | None = None, root: str = "") -> None:
        """`index` is the run page to write beside the manifest, `root` the directory from which files are named."""
        self.tests: list[dict[str, Any]] = []
        self.combined: dict[str, str] = {}
        self.report: list[str] = []  # the report's files that are no test's
        self.warnings: list[str] = []
        self._index = index
        self._root = root

    def add(self, window: Window, files: dict[str, str], rate: Rate) -> None:
        """Add a test."""
        timeline, test, result = window.timeline, window.test, window.result
        if test is None:
            return
        children = [span for lane in timeline.lanes if lane.kind == "process" for span in lane.spans if not span.depth]
        threads = [track for process in timeline.processes for track in process.tracks if track.kind == "thread"]
        entry = {
            "nodeid": timeline.name,
            "outcome": timeline.args["outcome"],
            "worker": timeline.args["worker"],
            "start": rate.seconds(timeline.start - rate.origin),
            "duration": rate.seconds(timeline.end - timeline.start),
            "rerun": timeline.args["rerun"],
            "phases": result.get("phases") or _phases(timeline, rate),
            "slices": sum(len(track.slices) for track in threads),
            "folded": timeline.args["folded"],
            "dropped": window.dropped,
            "processes": 1 + len(children),
            "threads": len(threads),
            "tasks": window.concurrency.tasks,
            "leaks": leaks.count(result),
            "leaked": [leak.text for leak in leaks.told(result)],
            "blocks": len(blocked := window.concurrency.blocked),
            "blocked": [self._blocked(block, rate) for block in blocked[:MOST_BLOCKED]],
            "files": files,
        }
        self.tests.append(entry)
        if self._index is not None:
            markers = [str(marker) for marker in test.get("markers", [])]
            fixtures = [str(fixture) for fixture in test.get("fixtures", [])]
            self._index.add(entry, timeline, rate.starting_at(timeline.start), markers, fixtures)

    def _blocked(self, block: Blocked, rate: Rate) -> str:
        """Return it for people, such as "time.sleep in io_task for 61 ms (tests/test_io.py:27)"."""
        milliseconds = rate.seconds(block.end - block.start) * 1e3
        file = block.file.removeprefix(os.path.join(self._root, "")) if self._root else block.file
        place = f" ({file}:{block.line})" if file else ""
        return f"{block.what} for {milliseconds:.3g} ms{place}"

    def warn(self, text: str) -> None:
        """Add a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def write(self, directory: Path, families: list[Family], rate: Rate | None, end: int) -> None:
        """Write the run page, if there is to be one, and run.json into `directory`. Raises OSError."""
        stories = {family.name: family.story for family in families}
        main = stories.get("main")
        session = main.session if main else {}
        dropped = sum(family.dropped for family in families)
        if dropped:
            self.warn(f"{dropped} records found no room and are missing from the timelines")
        for family in families:
            ended = family.story.end or {}
            for warning in ended.get("warnings", []):
                self.warn(str(warning))
            lost = int(ended.get("tests", 0)) - family.story.tests
            if lost > 0:
                self.warn(f"{family.name}: {lost} of its tests found no room to be told of and are missing")
            if family.story.damaged:
                self.warn(f"{family.name}: {family.story.damaged} marks of the test run could not be read")
            for name in family.damaged:
                self.warn(f"{family.name}/{name} is damaged and was left out")
        start_ns = min((family.root.start_unix_ns for family in families if family.root), default=0)
        run = {
            "version": VERSION,
            "pytest": session.get("pytest"),
            "python": session.get("python"),
            "platform": session.get("platform"),
            "plugins": session.get("plugins", []),
            "argv": session.get("argv", []),
            "start": session.get("start") or datetime.fromtimestamp(start_ns / 1e9, UTC).isoformat(),
            "duration": rate.seconds((main.ended if main and main.ended else end) - rate.origin) if rate else 0.0,
            "exitstatus": main.end.get("exitstatus") if main and main.end else None,
            "workers": _workers(families),
            "tests": sorted(self.tests, key=lambda test: float(test["start"])),
            "combined": self.combined,
            "report": self.report,
            "dropped": dropped,
            "errors": list(dict.fromkeys(each for family in families for each in family.story.not_collected)),
            "warnings": self.warnings,
        }
        if self._index is not None:
            try:
                made = self._index.write(directory, run, _lanes(families, rate, run["workers"]))
                self.report += [file for file in made if file not in self.report]
            except OSError as error:  # the manifest is worth more
                self.warn(f"not written: index.html: {error}")
        draft = directory / f".{MANIFEST}"
        draft.write_bytes(orjson.dumps(run))
        os.replace(draft, directory / MANIFEST)


def _phases(timeline: Timeline, rate: Rate) -> dict[str, float]:
    """Return how long the phases took of a test that was not reported: it crashed."""
    spans = timeline.story.spans if timeline.story else []
    return {span.name: rate.seconds(span.end - span.start) for span in spans if span.depth == 1 and span.name in PHASES}


def _lanes(families: list[Family], rate: Rate | None, workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pytest processes that are there to run tests, and from when to when, in microseconds."""
    lanes: list[dict[str, Any]] = []
    if rate is None:
        return lanes

    def micro(tick: int) -> int:
        return round(rate.seconds(tick - rate.origin) * 1e6)

    known = {worker["id"]: worker for worker in workers}
    for family in sorted(families, key=_order):
        story = family.story
        if family.root is None or not (story.tests or family.worker):
            continue
        lane: dict[str, Any] = {"worker": family.worker, "pid": family.root.pid, "begin": micro(family.root.start_tick)}
        lane["end"] = micro(story.ended or family.end)
        if story.collection is not None:
            lane["collection"] = [micro(story.collection.start), micro(story.collection.end)]
        if story.end is None:
            lane["died"] = family.died(_statuses(families)) or {}
        if replaced := known.get(family.name, {}).get("replaces"):
            lane["replaces"] = replaced
        lanes.append(lane)
    return lanes


def _workers(families: list[Family]) -> list[dict[str, Any]]:
    """Return what is known of each worker.

    pytest-xdist starts one for each that dies, and does not say for which: the first that comes after it.
    """
    found = [(family, family.root) for family in sorted(families, key=_order) if family.worker]
    workers = []
    dead: list[tuple[int, str]] = []  # when, and who
    for family, root in found:
        if root is None:
            continue
        worker: dict[str, Any] = {"id": family.name, "pid": root.pid}
        if root.clock_error_ns:
            worker["clock_error_us"] = root.clock_error_ns / 1e3
        before = [each for each in dead if each[0] <= root.start_tick]
        if before:
            dead.remove(min(before))
            worker["replaces"] = min(before)[1]
        died = family.died(_statuses(families))
        if died is not None:
            worker["died"] = died
            dead.append((family.end, family.name))
        workers.append(worker)
    return workers


def _statuses(families: list[Family]) -> dict[int, int | None]:
    """Return the statuses of pytest processes that another one has reaped."""
    return {pid: status for family in families for pid, status in family.processes.foreign_status.items()}


def _order(family: Family) -> tuple[int, str]:
    """gw10 comes after gw9."""
    return len(family.name), family.name
