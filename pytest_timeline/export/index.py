"""The run's page: what is known of each test, in columns, put into its template; docs/report-format.md has it all."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_timeline.export import About
from pytest_timeline.export.lanes import clean
from pytest_timeline.export.page import Template, json_script, text
from pytest_timeline.export.whole import WholeFile
from pytest_timeline.outputs import ASSETS, INDEX, SUFFIXES, TESTS
from pytest_timeline.timeline.category import CATEGORIES, Categories, main_thread
from pytest_timeline.timeline.model import Clock, Span, Timeline

TEMPLATE = "run.html"
PHASES = ("setup", "call", "teardown")
LONGEST_SET_UPS = 20  # of each fixture
WIDE = 2000  # set-ups and tear-downs of wider scopes, the longest, that are drawn in the lanes
TEAR_DOWN = " tear-down"


class Index:
    """Gathers the tests as they are written; memory grows with their number, not with what they did."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._categories = Categories(about.root)
        self._tests: list[_Test] = []
        self._fixtures: dict[tuple[str, str], _Fixture] = {}
        self._wide: list[tuple[int, int, int, _Fixture, bool, _Test]] = []  # heap of ns, serial, start in us, ...
        self._serial = itertools.count()  # nothing beyond it is compared
        self._names = _Interned()

    def add(
        self, entry: dict[str, Any], timeline: Timeline, clock: Clock, markers: list[str], fixtures: Sequence[str] = ()
    ) -> None:
        """Add a test, with its entry in the manifest; `fixtures` are the names of those that it uses."""
        main = main_thread(timeline)
        uses = tuple(sorted({self._names[clean(name)] for name in fixtures}))
        test = _Test(entry, self._categories.times(main, clock) if main is not None else {}, markers, uses)
        test.exception = clean(timeline.failed_by or "")
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
                if not span.args.get("reused"):
                    self._add_fixture(test, span, ns, _micro(entry["start"]) + clock.ns(span.start) // 1000)

    def _add_fixture(self, test: _Test, span: Span, ns: int, start: int) -> None:
        """Add a set-up or tear-down that took `ns` and began at `start` us of the run."""
        args = span.args
        tear_down = span.name.endswith(TEAR_DOWN)
        if not tear_down and "param" in args and "file" not in args:
            return  # the value of a parameter, which pytest hands over by a fixture of its own
        name, scope = clean(span.name.removesuffix(TEAR_DOWN)), str(args.get("scope", ""))
        fixture = self._fixtures.get((name, scope))
        if fixture is None:
            fixture = self._fixtures[name, scope] = _Fixture()
        if "file" in args:
            fixture.place = f"{clean(self._categories.file(args['file']).short)}:{args.get('line')}"
        if scope != "function":
            heapq.heappush(self._wide, (ns, next(self._serial), start, fixture, tear_down, test))
            if len(self._wide) > WIDE:
                heapq.heappop(self._wide)
        if tear_down:
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
        entries = [test.entry for test in tests]
        places = {id(test): place for place, test in enumerate(tests)}
        files: dict[str, int] = {}
        markers: dict[str, int] = {}
        also: dict[tuple[str, ...], int] = {}
        uses: dict[tuple[int, ...], int] = {}
        workers = {lane["worker"]: place for place, lane in enumerate(lanes)}
        fixtures = sorted(self._fixtures.items(), key=lambda item: -item[1].total - item[1].tear_down)
        fixture_places = {id(fixture): place for place, (_, fixture) in enumerate(fixtures)}
        names = [clean(entry["nodeid"]).partition("::") for entry in entries]
        pages = [entry["files"].get("html", "") for entry in entries]
        others = [tuple(format for format in entry["files"] if format != "html") for entry in entries]
        columns: dict[str, list[Any]] = {
            "file": [files.setdefault(file, len(files)) for file, _, _ in names],
            "line": [test.line for test in tests],
            "name": [name for _, _, name in names],
            "worker": [workers.get(entry["worker"], -1) for entry in entries],
            "start": [_micro(entry["start"]) for entry in entries],
            "duration": [_micro(entry["duration"]) for entry in entries],
            "phases": [[_micro(entry["phases"].get(phase, 0)) for phase in PHASES] for entry in entries],
            "times": [[test.times.get(category, 0) // 1000 for category in CATEGORIES] for test in tests],
            "fixtures": [test.fixtures // 1000 for test in tests],
            "uses": [uses.setdefault(test.uses, len(uses)) for test in tests],
            "markers": [[markers.setdefault(marker, len(markers)) for marker in test.markers] for test in tests],
            "leaked": [[clean(str(text)) for text in entry["leaked"]] for entry in entries],
            "blocked": [[clean(str(text)) for text in entry["blocked"]] for entry in entries],
            "exception": [test.exception for test in tests],
            "page": [page.removeprefix(f"{TESTS}/").removesuffix(SUFFIXES["html"]) for page in pages],
            "off": [entry.get("off", False) for entry in entries],
            "also": [also.setdefault(formats, len(also)) for formats in others],
        }
        columns |= {key: [entry[key] for entry in entries] for key in _AS_IN_THE_MANIFEST}
        return {key: run[key] for key in run if key not in ("tests", "report")} | {
            "root": clean(self._about.root),
            "categories": CATEGORIES,
            "lanes": lanes,
            "files": list(files),
            "markers": list(markers),
            "suffixes": [[[format, SUFFIXES[format]] for format in others] for others in also],
            "uses": [[self._names.texts[name] for name in names] for names in uses],
            "tests": columns,
            "fixtures": [fixture.row(name, scope, places) for (name, scope), fixture in fixtures],
            "wide": sorted(
                [fixture_places[id(fixture)], start, ns // 1000, places[id(test)], int(tear_down)]
                for ns, _, start, fixture, tear_down, test in self._wide
            ),
        }

    def write(self, directory: Path, run: dict[str, Any], lanes: list[dict[str, Any]]) -> list[str]:
        """Write the page into `directory`; return the files made, relative to it. Raises OSError."""
        return write_page(directory, self.data(run, lanes), standalone=self._about.standalone)


def write_page(directory: Path, data: dict[str, Any], *, standalone: bool = False) -> list[str]:
    """Write the page that carries `data` into `directory`; return the files made, relative to it. Raises OSError."""
    if not Template.exists(TEMPLATE):
        return []
    template = Template.named(TEMPLATE, standalone=standalone)
    files = template.write_assets(directory / ASSETS)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in Counter(data["tests"]["outcome"]).items())
    with WholeFile(directory / INDEX) as file:
        template.fill(
            file.write,
            {
                "title": [text(f"{counts or 'no tests'} in {Path(data['root']).name}")],
                "summary": [b"<p>%s</p>" % text(counts)],
                "data": [json_script("run", data)],
            },
        )
    return [*files, INDEX]


class _Test:
    """What the page says of a test beside its entry in the manifest."""

    __slots__ = ("entry", "exception", "fixtures", "line", "markers", "times", "uses")

    def __init__(self, entry: dict[str, Any], times: dict[str, int], markers: list[str], uses: tuple[int, ...]) -> None:
        self.entry = entry
        self.times = times
        self.markers = markers
        self.uses = uses  # numbers of fixtures' names
        self.exception = ""
        self.fixtures = 0  # ns
        self.line = 0


class _Fixture:
    """The set-ups of one fixture, in ns."""

    __slots__ = ("count", "longest", "place", "tear_down", "total")

    def __init__(self) -> None:
        self.place = ""  # file:line
        self.count = self.total = self.tear_down = 0
        self.longest: list[tuple[int, int, _Test]] = []

    def row(self, name: str, scope: str, places: dict[int, int]) -> list[Any]:
        longest = [[places[id(test)], ns // 1000] for ns, _, test in sorted(self.longest, reverse=True)]
        return [name, scope, self.count, self.total // 1000, self.tear_down // 1000, longest, self.place]


class _Interned:
    """Texts by number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def __getitem__(self, text: str) -> int:
        number = self._numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number


_AS_IN_THE_MANIFEST = (
    "outcome", "rerun", "slices", "folded", "dropped", "processes", "threads", "tasks", "leaks", "blocks", "kept",
)  # fmt: skip


def _micro(seconds: float) -> int:
    return round(seconds * 1e6)
