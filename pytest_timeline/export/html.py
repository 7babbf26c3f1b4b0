"""A test's page: the template, a small head, and blocks of compressed columns; docs/report-format.md has it all."""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

from pytest_timeline._codec import html_slices
from pytest_timeline.export import About
from pytest_timeline.export.deflate import compress
from pytest_timeline.export.flows import Flows
from pytest_timeline.export.lanes import (
    PlacedInstant,
    PlacedLane,
    clean,
    place_counters,
    place_instants,
    place_lanes,
    plain,
)
from pytest_timeline.export.names import PageNames
from pytest_timeline.export.page import Template, dumps, json_script, text, text_script
from pytest_timeline.export.source import excerpts, script
from pytest_timeline.export.span_lanes import SpanLanes
from pytest_timeline.export.tree import in_order
from pytest_timeline.export.whole import WholeFile
from pytest_timeline.outputs import ASSETS, INDEX, SUFFIXES
from pytest_timeline.timeline.category import CATEGORIES, Categories, main_thread
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

VERSION = 1
LEVEL = 1  # zlib: 6 saves a tenth for five times the time; docs/report-format.md has the figures
BLOCK_BYTES = 1 << 20  # a block that has as many gets no further track
LINE = re.compile(r"(.*):(\d+) (.*)", re.DOTALL)  # of a traceback
GAP = re.compile(r"\.\.\. (\d+) frames left out")
EXACT = 1 << 53  # JavaScript's numbers are exact below


class HtmlExporter:
    """One `.html` for each timeline, which draws itself."""

    suffix = SUFFIXES["html"]

    def __init__(self, about: About) -> None:
        """Raises OSError when the viewer's files are missing."""
        self._about = about
        self._template = Template.named("test.html", standalone=about.standalone)
        self._categories = Categories(about.root)
        self.shared: list[str] = []
        self._sources: dict[str, str] = {}  # by path: the shared file's key, "" = there is none

    def write(self, timeline: Timeline, clock: Clock, path: Path) -> None:
        """See Exporter."""
        if not self.shared:
            self.shared += self._template.write_assets(path.parent.parent / ASSETS)
        page = _Page(timeline, clock, self._categories)
        if self._about.standalone:
            page.pack({}, excerpts(self._about.root, page.names.own_functions()))
        else:
            page.pack(self._share_sources(page.names.own_files(), path), {})
        head = page.head() | {
            "root": clean(self._about.root),
            "versions": dict(self._about.versions),
            "files": self._others(path.name),
            "run": f"../{INDEX}",
        }
        with WholeFile(path) as file:
            self._template.fill(
                file.write,
                {
                    "title": [text(_title(timeline))],
                    "summary": [_summary(timeline)],
                    "head": [json_script("head", head)],
                    "blocks": page.blocks(),
                },
            )

    def _share_sources(self, paths: list[str], page: Path) -> dict[str, str]:
        """Write the files that no page before this one needed; return the keys of all of them."""
        for path in paths:
            if path not in self._sources:
                key, text = script(self._about.root, path)
                self._sources[path] = key
                file = f"{ASSETS}/source-{key}.js"
                if key and file not in self.shared:
                    run = page.parent.parent
                    (run / ASSETS).mkdir(exist_ok=True)
                    (run / file).write_bytes(text)
                    self.shared.append(file)
        return self._sources

    def _others(self, name: str) -> dict[str, str]:
        stem = name.removesuffix(self.suffix)
        return {format: stem + SUFFIXES[format] for format in self._about.formats if format != "html"}


class _Page:
    """One timeline, encoded: the blocks come first, since the head tells their sizes."""

    def __init__(self, timeline: Timeline, clock: Clock, categories: Categories) -> None:
        tracks = [track for process in timeline.processes for track in process.tracks]
        self.names = PageNames(tracks, categories)
        self._timeline = timeline
        self._clock = clock
        self._categories = categories
        self._tracks: list[dict[str, Any]] = []
        self._places: dict[int, int] = {}  # of a model's track, by its identity
        self._rows: dict[str, list[list[Any]]] = {}
        self._counters: dict[str, dict[str, Any]] = {}
        self._values: dict[str, list[list[Any]]] = {}
        self._instants: list[list[Any]] = []
        self._blocks: list[tuple[dict[str, Any], bytes]] = []
        self._phases: list[dict[str, Any]] = []
        self._departures: list[tuple[int, int, int]] = []  # id of the flow, track, ns
        self._arrivals: list[tuple[int, int, int]] = []
        self._chains: dict[int, list[tuple[int, int]]] = {}  # (track, ns) in order
        self._add_lanes()

    def pack(self, sources: Mapping[str, str], excerpts: Mapping[str, list[tuple[int, str]]]) -> None:
        """Make the blocks, with the keys of shared sources by path, or with sources."""
        slices = self._encode()
        self._add_block("model", dumps(self._model(sources)))
        for block in slices:
            self._add_block("slices", block)
        if excerpts:
            by_file = {str(self.names.file_place(path)): ranges for path, ranges in excerpts.items()}
            self._add_block("source", dumps(by_file))

    def blocks(self) -> Iterable[bytes]:
        """Yield the blocks' elements."""
        for number, (_, packed) in enumerate(self._blocks):
            yield text_script(f"block-{number}", binascii.b2a_base64(packed, newline=False))

    def head(self) -> dict[str, Any]:
        """Return what this timeline adds to the head."""
        timeline, clock, args = self._timeline, self._clock, self._timeline.args
        slices = [track.slices for process in timeline.processes for track in process.tracks if track.kind == "thread"]
        folded = [self._folded(each.folded_totals) for each in slices]
        outer = [self._folded(each.outer_folded) for each in slices]
        main = main_thread(timeline)
        head: dict[str, Any] = {
            "version": VERSION,
            "nodeid": clean(timeline.name),
            "outcome": args.get("outcome"),
            "rerun": args.get("rerun", 0),
            "worker": args.get("worker"),
            "duration": clock.ns(timeline.end) - clock.ns(timeline.start),
            "phases": self._phases,
            "folded": sum(count for count, _ in folded),
            "folded_ns": sum(ns for _, ns in folded),
            "outer_folded": sum(count for count, _ in outer),
            "outer_folded_ns": sum(ns for _, ns in outer),
            "dropped": args.get("dropped", 0),
            "categories": CATEGORIES,
            "times": self._categories.times(main, clock) if main else {},
            "processes": [self._process(process) for process in timeline.processes],
            "tracks": self._tracks,
            "blocks": [about for about, _ in self._blocks],
        }
        if timeline.story is not None and timeline.story.spans:
            head |= {
                key: value for key, value in plain(timeline.story.spans[0].args).items() if key in ("file", "line")
            }
        if args.get("not_recorded"):
            head["not_recorded"] = [clean(text) for text in args["not_recorded"]]
        if args.get("reason"):
            head["reason"] = clean(str(args["reason"]))
        story = place_instants(timeline.story.instants, clock) if timeline.story else []
        failures = [_failure(each) for each in story if each.category == "test"]
        return head | {"failures": failures} if failures else head

    def _process(self, process: Process) -> dict[str, Any]:
        pids = [each.pid for each in self._timeline.processes]
        parent = pids.index(process.parent_pid) if process.parent_pid in pids else None
        name = clean(process.name)
        about = {"pid": process.pid, "parent_pid": process.parent_pid, "parent": parent, "name": name}
        return about | ({"args": _exact(plain(process.args))} if process.args else {})

    def _folded(self, totals: tuple[int, int]) -> tuple[int, int]:
        return totals[0], round(totals[1] * self._clock.ns_per_tick)

    def _add_lanes(self) -> None:
        """Make the tracks that are rows: the test's own, and the processes'."""
        for lane in place_lanes(self._timeline, Flows(self._timeline, self._clock), self._clock):
            self._arrivals += [(span.flow, len(self._tracks), span.start) for span in lane.spans if span.flow]
            for span in lane.spans:
                if span.chain:
                    self._chains.setdefault(span.chain, []).append((len(self._tracks), span.start))
            self._add_instants(lane.instants)
            if lane.kind == "test":
                outermost = 1 if "outcome" in self._timeline.args else 0  # the test itself, if it is one
                self._phases = [
                    {"name": span.name, "start": span.start, "end": span.end}
                    for span in lane.spans
                    if span.depth == outermost and span.category == "test"
                ]
            self._add_lane(lane, process=0, id=0, parent=None)

    def _add_lane(self, lane: PlacedLane, **about: Any) -> None:
        rows = [
            [span.start, span.end, span.depth, span.name, span.category, _exact(span.args) or None]
            for span in lane.spans
        ]
        self._rows[str(len(self._tracks))] = rows
        about |= {"kind": lane.kind, "name": lane.name, "serial": lane.row}
        self._tracks.append(about | _extent(rows))

    def _add_counters(self, process: int) -> None:
        for serial, counter in enumerate(place_counters(self._timeline.processes[process], self._clock)):
            self._counters[str(len(self._tracks))] = {
                "unit": counter.unit,
                "ns": counter.ns,
                "value": counter.values,
            }
            about = {"process": process, "kind": "counter", "name": counter.name, "id": 0, "serial": serial}
            self._tracks.append(about | {"parent": None} | _extent([]))

    def _add_instants(self, instants: list[PlacedInstant]) -> None:
        """Add those of the track that comes next."""
        at = len(self._tracks)
        self._instants += [[at, each.ns, each.name, each.category, _exact(each.args) or None] for each in instants]

    def _flows(self) -> list[list[Any]]:
        """Return the arrows both of whose ends are in this timeline."""
        left = {id: (at, ns) for id, at, ns in self._departures}
        flows = [[*left[id], at, ns, ""] for id, at, ns in self._arrivals if id in left]
        return flows + [[*one, *next, ""] for chain in self._chains.values() for one, next in pairwise(chain)]

    def _encode(self) -> list[bytes]:
        """Make the tracks that have columns; return the raw blocks, the first of which is the page's second."""
        blocks: list[list[bytes]] = []
        size = BLOCK_BYTES
        spans: dict[tuple[int, int, int], list[PlacedLane]] = {}
        for lane in SpanLanes(self._clock).arrive(self._timeline):
            spans.setdefault((lane.pid, lane.process_start, lane.thread), []).append(lane)
        for at, process in enumerate(self._timeline.processes):
            self._add_counters(at)
            for track in in_order(process.tracks):
                if size >= BLOCK_BYTES:
                    blocks.append([])
                    size = 0
                about, columns = self._track(at, track)
                about |= {"block": len(blocks), "at": size, "columns": [len(column) for column in columns]}
                self._add_instants(place_instants(track.instants, self._clock))
                for flow in track.flows:
                    ends = self._arrivals if flow.enters else self._departures
                    ends.append((flow.id, len(self._tracks), self._clock.ns(flow.tick)))
                self._places[id(track)] = len(self._tracks)
                self._tracks.append(about)
                if track.spans:
                    for lane in spans[process.pid, process.start, track.serial]:
                        self._add_lane(lane, process=at, id=track.native_id, parent=self._places[id(track)])
                blocks[-1] += columns
                size += sum(about["columns"])
        return [b"".join(columns) for columns in blocks]

    def _track(self, process: int, track: Track) -> tuple[dict[str, Any], list[bytes]]:
        columns, slices, levels, first, last, busy, values = html_slices(
            track.slices, track.names, self._clock.origin, self._clock.ns_per_tick, self.names.places(track.names)
        )
        if values:
            self._values[str(len(self._tracks))] = [
                [ns, depth, _shown(arguments), *([] if result is None else [clean(result)])]
                for ns, depth, arguments, result in values
            ]
        about: dict[str, Any] = {
            "process": process,
            "kind": track.kind,
            "name": clean(track.name),
            "id": track.native_id,
            "serial": track.serial,
            "parent": self._places.get(id(track.under)),
            "slices": slices,
            "levels": levels,
            "first": first,
            "last": last,
            "busy": busy,
        }
        folded, folded_ns = self._folded(track.slices.folded_totals)
        about |= {"folded": folded, "folded_ns": folded_ns} if folded else {}
        return about | ({"args": _exact(plain(track.args))} if track.args else {}), columns

    def _model(self, sources: Mapping[str, str]) -> dict[str, Any]:
        return {
            "names": self.names.names_table(),
            "files": self.names.files_table(sources),
            "rows": self._rows,
            "values": self._values,
            "instants": sorted(self._instants, key=itemgetter(1)),
            "flows": self._flows(),
            "counters": self._counters,
        }

    def _add_block(self, kind: str, raw: bytes) -> None:
        packed = compress(raw, LEVEL)
        about = {"kind": kind, "packed": len(packed), "raw": len(raw), "crc32": zlib.crc32(raw)}
        self._blocks.append((about, packed))


def _failure(instant: PlacedInstant) -> dict[str, Any]:
    failure = {"at": instant.ns} | _exception({"exception": instant.name, **instant.args})
    if "others" in failure:
        failure["others"] = [_exception(other) for other in failure["others"]]
    return failure


def _exception(told: dict[str, Any]) -> dict[str, Any]:
    """Return what was told of an exception with its frames in parts."""
    exception = {key: value for key, value in told.items() if key not in ("exception", "traceback")}
    frames: list[Any] = []
    for line in map(str, told.get("traceback") or ()):
        if gap := GAP.fullmatch(line):
            frames.append(int(gap[1]))
        elif match := LINE.fullmatch(line):
            frames.append([match[1], int(match[2]), match[3]])
    return {"message": ""} | exception | {"type": told["exception"], "traceback": frames}


def _shown(arguments: dict[str, str]) -> dict[str, str]:
    return {clean(name): clean(text) for name, text in arguments.items()}


def _extent(rows: list[list[Any]]) -> dict[str, int]:
    """Return what a track's entry says of its slices, which are in order of begin."""
    return {
        "slices": len(rows),
        "levels": max((row[2] for row in rows), default=-1) + 1,
        "first": rows[0][0] if rows else 0,
        "last": max((row[1] for row in rows), default=0),
        "busy": sum(row[1] - row[0] for row in rows if row[2] == 0),
    }


def _exact(value: Any) -> Any:
    """Return the value with integers that JavaScript would round as text."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return str(value) if isinstance(value, int) and abs(value) >= EXACT else value


def _title(timeline: Timeline) -> str:
    return f"{timeline.args.get('outcome') or ''} {clean(timeline.name)}".strip()


def _summary(timeline: Timeline) -> bytes:
    exception = timeline.args.get("exception")
    lines = [b"<h1>%s</h1>" % text(clean(timeline.name)), b"<p>%s</p>" % text(str(timeline.args.get("outcome") or ""))]
    return b"".join(lines + ([b"<pre>%s</pre>" % text(clean(str(exception)))] if exception else []))
