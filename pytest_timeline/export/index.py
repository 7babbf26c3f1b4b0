"""The run's page: what is known of each test, in columns, put into its template; docs/report-format.md has it all."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

from pytest_timeline.export import SUFFIXES, About
from pytest_timeline.export.lanes import clean
from pytest_timeline.export.page import Template, json_script, text
from pytest_timeline.export.whole import WholeFile
from pytest_timeline.outputs import ASSETS, INDEX, TESTS
from pytest_timeline.timeline.category import CATEGORIES, Categories, main_thread
from pytest_timeline.timeline.model import Clock, Span, Timeline

TEMPLATE = "run.html"
PHASES = ("setup", "call", "teardown")
LONGEST_SET_UPS = 20  # of each fixture
TEAR_DOWN = " tear-down"


class Index:
    """Gathers the tests as they are written; memory grows with their number, not with what they did."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._categories = Categories(about.root)
        self._tests: list[_Test] = []
        self._fixtures: dict[tuple[str, str], _Fixture] = {}

    def add(self, entry: dict[str, Any], timeline: Timeline, clock: Clock, markers: list[str]) -> None:
        """Add a test, with its entry in the manifest."""
        main = main_thread(timeline)
        test = _Test(entry, self._categories.times(main, clock) if main is not None else {}, markers)
        test.exception = clean(str(timeline.args.get("exception") or ""))
        self._tests.append(test)
        outer = 0  # depth of the fixture that all deeper ones belong to
        for span in timeline.story.spans if timeline.story else []:
            if span.depth <= outer:
                outer = 0
            if span.depth == 0:
                test.line = span.args.get("line") or 0
            elif span.category == "fixture":
                ns = clock.ns(span.end) - clock.ns(span.start)
                if not outer:
                    outer = span.depth
                    test.fixtures += ns
                self._add_fixture(test, span, ns)

    def _add_fixture(self, test: _Test, span: Span, ns: int) -> None:
        name, scope = clean(span.name.removesuffix(TEAR_DOWN)), str(span.args.get("scope", ""))
        fixture = self._fixtures.setdefault((name, scope), _Fixture())
        if span.name.endswith(TEAR_DOWN):
            fixture.tear_down += ns
            return
        fixture.count += 1
        fixture.total += ns
        heapq.heappush(fixture.longest, (ns, fixture.count, test))
        if len(fixture.longest) > LONGEST_SET_UPS:
            heapq.heappop(fixture.longest)

    def data(self, run: dict[str, Any], lanes: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what the page carries, of a manifest and of the pytest processes, which `lanes` describes."""
        tests = sorted(self._tests, key=lambda test: float(test.entry["start"]))
        places = {id(test): place for place, test in enumerate(tests)}
        files: dict[str, int] = {}
        markers: dict[str, int] = {}
        also: dict[tuple[str, ...], int] = {}
        workers = {lane["worker"]: place for place, lane in enumerate(lanes)}
        columns: dict[str, list[Any]] = {key: [] for key in _COLUMNS}
        for test in tests:
            entry = test.entry
            file, _, name = clean(entry["nodeid"]).partition("::")
            others = tuple(format for format in entry["files"] if format != "html")
            page = entry["files"].get("html", "")
            row = {
                "file": files.setdefault(file, len(files)),
                "line": test.line,
                "name": name,
                "outcome": entry["outcome"],
                "worker": workers.get(entry["worker"], -1),
                "rerun": entry["rerun"],
                "start": _micro(entry["start"]),
                "duration": _micro(entry["duration"]),
                "phases": [_micro(entry["phases"].get(phase, 0)) for phase in PHASES],
                "times": [test.times.get(category, 0) // 1000 for category in CATEGORIES],
                "fixtures": test.fixtures // 1000,
                "markers": [markers.setdefault(marker, len(markers)) for marker in test.markers],
                "leaked": [clean(str(text)) for text in entry["leaked"]],
                "blocked": [clean(str(text)) for text in entry["blocked"]],
                "exception": test.exception,
                "page": page.removeprefix(f"{TESTS}/").removesuffix(SUFFIXES["html"]),
                "also": also.setdefault(others, len(also)),
            }
            for key, column in columns.items():
                column.append(row[key] if key in row else entry[key])
        return {key: run[key] for key in run if key not in ("tests", "report")} | {
            "root": clean(self._about.root),
            "categories": CATEGORIES,
            "lanes": lanes,
            "files": list(files),
            "markers": list(markers),
            "suffixes": [[[format, SUFFIXES[format]] for format in others] for others in also],
            "tests": columns,
            "fixtures": [
                fixture.row(name, scope, places)
                for (name, scope), fixture in sorted(self._fixtures.items(), key=lambda item: -item[1].total)
            ],
        }

    def write(self, directory: Path, run: dict[str, Any], lanes: list[dict[str, Any]]) -> list[str]:
        """Write the page into `directory`; return the files made, relative to it. Raises OSError."""
        if not Template.exists(TEMPLATE):
            return []
        template = Template.named(TEMPLATE, standalone=self._about.standalone)
        files = template.write_assets(directory / ASSETS)
        counts = ", ".join(f"{count} {outcome}" for outcome, count in _outcomes(self._tests).items())
        with WholeFile(directory / INDEX) as file:
            template.fill(
                file.write,
                {
                    "title": [text(f"{counts or 'no tests'} in {Path(clean(self._about.root)).name}")],
                    "summary": [b"<p>%s</p>" % text(counts)],
                    "data": [json_script("run", self.data(run, lanes))],
                },
            )
        return [*files, INDEX]


class _Test:
    """What the page says of a test beside its entry in the manifest."""

    __slots__ = ("entry", "exception", "fixtures", "line", "markers", "times")

    def __init__(self, entry: dict[str, Any], times: dict[str, int], markers: list[str]) -> None:
        self.entry = entry
        self.times = times
        self.markers = markers
        self.exception = ""
        self.fixtures = 0  # ns
        self.line = 0


class _Fixture:
    """The set-ups of one fixture, in ns."""

    __slots__ = ("count", "longest", "tear_down", "total")

    def __init__(self) -> None:
        self.count = self.total = self.tear_down = 0
        self.longest: list[tuple[int, int, _Test]] = []

    def row(self, name: str, scope: str, places: dict[int, int]) -> list[Any]:
        longest = [[places[id(test)], ns // 1000] for ns, _, test in sorted(self.longest, reverse=True)]
        return [name, scope, self.count, self.total // 1000, self.tear_down // 1000, longest]


_COLUMNS = (
    "file", "line", "name", "outcome", "worker", "rerun", "start", "duration", "phases", "times", "fixtures", "markers",
    "slices", "folded", "dropped", "processes", "threads", "tasks", "leaks", "leaked", "exception", "page",
    "also", "blocks", "blocked",
)  # fmt: skip


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)


def _outcomes(tests: list[_Test]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for test in tests:
        outcome = str(test.entry["outcome"])
        counts[outcome] = counts.get(outcome, 0) + 1
    return counts
