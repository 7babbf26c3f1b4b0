"""run.json: what was run, how it ended, and where each test's files are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from pytest_timeline.collect import imports, leaks
from pytest_timeline.collect.family import Family, Window
from pytest_timeline.collect.moment import moments
from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.story import Story
from pytest_timeline.collect.tasks import MOST_BLOCKED
from pytest_timeline.export.index import PHASES, Index
from pytest_timeline.export.lanes import clean
from pytest_timeline.outputs import MANIFEST, MANIFEST_VERSION, SUFFIXES, TESTS
from pytest_timeline.timeline.category import Categories
from pytest_timeline.timeline.model import Timeline

MOST_MUTED = 50  # functions of a test that are named


class Manifest:
    """Gathers what run.json says."""

    def __init__(self, index: Index | None = None, root: str = "") -> None:
        """`index` is the run page to write beside the manifest, `root` the directory from which files are named."""
        self.tests: list[dict[str, Any]] = []
        self.combined: dict[str, str] = {}
        self.report: list[str] = []  # the report's files that are no test's
        self.warnings: list[str] = []
        self.keep: list[str] = []  # the words of --timeline-keep; none where no test has files of its own
        self._collections: dict[str | None, _Collection] = {}  # by worker
        self._categories = Categories(root)
        self._index = index
        self._root = root

    def add(self, window: Window, kept: bool, files: dict[str, str], rate: Rate) -> dict[str, Any] | None:
        """Add a test, `kept` or not, and return its entry; or the collection, and None; or what is between tests."""
        timeline, test, result = window.alone, window.test, window.result
        if window.collection:
            self.report += files.values()
            modules = imports.imported(timeline, self._categories)
            rows = imports.table(modules, self._categories)
            self._collections[timeline.args["worker"]] = _Collection(files, rows, imports.outermost(modules))
        if test is None:
            return None
        children = [span for lane in timeline.lanes if lane.kind == "process" for span in lane.spans if not span.depth]
        threads = [track for process in timeline.processes for track in process.tracks if track.kind == "thread"]
        entry = {
            "nodeid": timeline.name,
            "outcome": timeline.args["outcome"],
            "exception": timeline.failed_by,
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
            "left_out": timeline.args.get("left_out", {}),
            "blocks": len(blocked := window.concurrency.blocked),
            "blocked": [block.told(rate, self._root) for block in blocked[:MOST_BLOCKED]],
            "muted": len(window.muted),
            "unrecorded": [muted.placed(self._categories) for muted in window.muted[:MOST_MUTED]],
            "kept": kept,
            "files": files,
        }
        if test.get("off"):
            entry["off"] = True
        try:
            if failures := moments(window, rate, self._categories):
                entry["failures"] = failures
        except Exception as error:
            self.warn(f"what went on when {timeline.name} failed is missing: {error!r}")
        self.tests.append(entry)
        if self._index is not None:
            markers = [str(marker) for marker in test.get("markers", [])]
            fixtures = [str(fixture) for fixture in test.get("fixtures", [])]
            self._index.add(entry, timeline, rate.starting_at(timeline.start), markers, fixtures)
        return entry

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
            if family.remarks.damaged:
                self.warn(f"{family.name}: {family.remarks.damaged} spans, instants or counters could not be read")
            for name in family.damaged:
                self.warn(f"{family.name}/{name} is damaged and was left out")
        start_ns = min((family.root.start_unix_ns for family in families if family.root), default=0)
        run = {
            "version": MANIFEST_VERSION,
            "pytest": session.get("pytest"),
            "python": session.get("python"),
            "platform": session.get("platform"),
            "plugins": session.get("plugins", []),
            "argv": session.get("argv", []),
            "root": clean(self._root),
            "start": session.get("start") or datetime.fromtimestamp(start_ns / 1e9, UTC).isoformat(),
            "duration": rate.seconds((main.ended if main and main.ended else end) - rate.origin) if rate else 0.0,
            "exitstatus": main.end.get("exitstatus") if main and main.end else None,
            "workers": _workers(families),
            "keep": self.keep,
            "tests": sorted(self.tests, key=lambda test: float(test["start"])),
            "collection": self._slowest(families, rate),
            "combined": self.combined,
            "report": self.report,
            "dropped": dropped,
            "errors": list(dict.fromkeys(each for family in families for each in family.story.not_collected)),
            "warnings": self.warnings,
        }
        if self._index is not None:
            try:
                made = self._index.write(directory, run, self._lanes(families, rate, run["workers"]))
                self.report += [file for file in made if file not in self.report]
            except OSError as error:  # the manifest is worth more
                self.warn(f"not written: index.html: {error}")
        draft = directory / f".{MANIFEST}"
        draft.write_bytes(orjson.dumps(run))
        os.replace(draft, directory / MANIFEST)

    def _slowest(self, families: list[Family], rate: Rate | None) -> dict[str, Any] | None:
        """Return what is known of the collection; of several processes', of that which took longest."""
        took = {
            family.worker: rate.seconds(family.story.collection.end - _looks_from(family.story))
            for family in families
            if rate is not None and family.story.collection is not None
        }
        if not took:
            return None
        assert rate is not None
        worker = max(took, key=lambda worker: took[worker])
        found = self._collections.get(worker) or _Collection({}, [], [])
        return {
            "worker": worker,
            "duration": took[worker],
            "imports": [row.seconds(rate.fixed()) for row in found.rows],
            "files": found.files,
        }

    def _lanes(self, families: list[Family], rate: Rate | None, workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the pytest processes that are there to run tests, and from when to when, in microseconds."""
        lanes: list[dict[str, Any]] = []
        if rate is None:
            return lanes

        def micro(tick: int) -> int:
            return round(rate.seconds(tick - rate.origin) * 1e6)

        def span(ticks: int) -> int:
            return round(rate.seconds(ticks) * 1e6)

        known = {worker["id"]: worker for worker in workers}
        for family in sorted(families, key=_order):
            story = family.story
            if family.root is None or not (story.tests or family.worker):
                continue
            lane: dict[str, Any] = {
                "worker": family.worker,
                "pid": family.root.pid,
                "begin": micro(family.root.start_tick),
            }
            lane["end"] = micro(story.ended or family.end)
            if story.collection is not None:
                lane["collection"] = [micro(_looks_from(story)), micro(story.collection.end)]
            if (found := self._collections.get(family.worker)) is not None:
                lane["page"] = found.files.get("html", "").removeprefix(f"{TESTS}/").removesuffix(SUFFIXES["html"])
                lane["modules"] = [
                    [
                        each.name,
                        self._categories.file(each.file).short,
                        micro(each.start),
                        *map(span, (each.total, each.own)),
                    ]
                    for each in found.modules
                ]
            if story.end is None:
                lane["died"] = family.died(_statuses(families)) or {}
            if replaced := known.get(family.name, {}).get("replaces"):
                lane["replaces"] = replaced
            lanes.append(lane)
        return lanes


@dataclass(slots=True)
class _Collection:
    files: dict[str, str]
    rows: list[imports.Row]
    modules: list[imports.Module]  # that no other imported


def _looks_from(story: Story) -> int:
    """Return the tick from which a process looks for tests: pytest's start-up belongs to it, as far as it is told."""
    first = story.start_up or story.collection
    assert first is not None
    return first.start


def _phases(timeline: Timeline, rate: Rate) -> dict[str, float]:
    """Return how long the phases took of a test that was not reported: it crashed."""
    spans = timeline.story.spans if timeline.story else []
    return {span.name: rate.seconds(span.end - span.start) for span in spans if span.depth == 1 and span.name in PHASES}


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
