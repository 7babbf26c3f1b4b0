"""run.json: what was run, how it ended, and where each test's files are."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from pytest_timeline._codec import Spool
from pytest_timeline.collect import leaks
from pytest_timeline.collect.family import Family, Window
from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.tasks import MOST_BLOCKED, Blocked
from pytest_timeline.export.index import Index
from pytest_timeline.outputs import MANIFEST

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
            "phases": result.get("phases", {}),
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
            self._index.add(entry, timeline, rate.starting_at(timeline.start), markers)

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
        roots = sorted(((family.name, family.root) for family in families), key=lambda root: (len(root[0]), root[0]))
        start_ns = min((root.start_unix_ns for _, root in roots if root), default=0)
        run = {
            "version": VERSION,
            "pytest": session.get("pytest"),
            "python": session.get("python"),
            "argv": session.get("argv", []),
            "start": session.get("start") or datetime.fromtimestamp(start_ns / 1e9, UTC).isoformat(),
            "duration": rate.seconds(end - rate.origin) if rate else 0.0,
            "exitstatus": main.end.get("exitstatus") if main and main.end else None,
            "workers": [_worker(name, root) for name, root in roots if root and name != "main"],
            "tests": sorted(self.tests, key=lambda test: float(test["start"])),
            "combined": self.combined,
            "report": self.report,
            "dropped": dropped,
            "warnings": self.warnings,
        }
        if self._index is not None:
            try:
                made = self._index.write(directory, run, _lanes(families, rate))
                self.report += [file for file in made if file not in self.report]
            except OSError as error:  # the manifest is worth more
                self.warn(f"not written: index.html: {error}")
        draft = directory / f".{MANIFEST}"
        draft.write_bytes(orjson.dumps(run))
        os.replace(draft, directory / MANIFEST)


def _lanes(families: list[Family], rate: Rate | None) -> list[dict[str, Any]]:
    """Return the pytest processes that ran tests, and from when to when they were there, in microseconds."""
    lanes = []
    for family in families:
        if family.root is not None and rate is not None and family.story.tests:
            begin, end = (
                round(rate.seconds(tick - rate.origin) * 1e6) for tick in (family.root.start_tick, family.end)
            )
            lanes.append({"worker": family.worker, "pid": family.root.pid, "begin": begin, "end": end})
    return lanes


def _worker(name: str, root: Spool) -> dict[str, Any]:
    worker: dict[str, Any] = {"id": name, "pid": root.pid}
    if root.clock_error_ns:
        worker["clock_error_us"] = root.clock_error_ns / 1e3
    return worker
