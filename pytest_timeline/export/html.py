"""A test's page: the template, a small head in JSON, and blocks of compressed columns; docs/report-format.md has it all."""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytest_timeline._codec import html_slices
from pytest_timeline.export import SUFFIXES, About
from pytest_timeline.export.names import PageNames
from pytest_timeline.export.page import Template, dumps, json_script, text, text_script
from pytest_timeline.export.source import excerpts
from pytest_timeline.export.story import arguments, clean, place
from pytest_timeline.export.whole import WholeFile
from pytest_timeline.outputs import ASSETS, INDEX
from pytest_timeline.timeline.category import CATEGORIES, Categories, main_thread
from pytest_timeline.timeline.model import Clock, Process, Timeline, Track

VERSION = 1
LEVEL = 1  # zlib: 6 saves a tenth for five times the time; docs/report-format.md has the figures
BLOCK_BYTES = 1 << 20  # a block that has as many gets no further track
LINE = re.compile(r"(.*):(\d+) (.*)", re.DOTALL)  # of a traceback
EXACT = 1 << 53  # JavaScript's numbers are exact below


class HtmlExporter:
    """One `.html` for each timeline, which draws itself."""

    suffix = SUFFIXES["html"]

    def __init__(self, about: About) -> None:
        """Raises OSError when the viewer's files are missing."""
        self._about = about
        self._template = Template.named("test.html", standalone=about.standalone)
        self._categories = Categories(about.root)

    def prepare(self, directory: Path) -> list[str]:
        """See Exporter."""
        return self._template.write_assets(directory / ASSETS)

    def write(self, timeline: Timeline, clock: Clock, path: Path) -> None:
        """See Exporter."""
        page = _Page(timeline, clock, self._categories)
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

    def combined(self, path: Path, clock: Clock) -> None:
        """None: the run page shows all tests side by side, and a page of all slices would open nowhere."""

    def _others(self, name: str) -> dict[str, str]:
        stem = name.removesuffix(self.suffix)
        return {format: stem + SUFFIXES[format] for format in self._about.formats if format != "html"}


class _Page:
    """One timeline, encoded: the blocks come first, since the head tells their sizes."""

    def __init__(self, timeline: Timeline, clock: Clock, categories: Categories) -> None:
        self._timeline = timeline
        self._clock = clock
        self._categories = categories
        self._tracks: list[dict[str, Any]] = []
        self._rows: dict[str, list[list[Any]]] = {}
        self._instants: list[list[Any]] = []
        self._blocks: list[tuple[dict[str, Any], bytes]] = []
        self._phases: list[dict[str, Any]] = []
        threads = [track for process in timeline.processes for track in process.tracks]
        self._names = PageNames(threads, categories)
        self._tell_story()
        slices = self._encode()
        self._add_block("model", dumps(self._model()))
        for block in slices:
            self._add_block("slices", block)
        source = self._source()
        if source:
            self._add_block("source", dumps(source))

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
        if timeline.spans:
            head |= {key: _plain(value) for key, value in timeline.spans[0].args.items() if key in ("file", "line")}
        failure = self._failure()
        return head | {"failure": failure} if failure else head

    def _process(self, process: Process) -> dict[str, Any]:
        pids = [each.pid for each in self._timeline.processes]
        parent = pids.index(process.parent_pid) if process.parent_pid in pids else None
        name = clean(process.name)
        return {"pid": process.pid, "parent_pid": process.parent_pid, "parent": parent, "name": name}

    def _folded(self, totals: tuple[int, int]) -> tuple[int, int]:
        return totals[0], round(totals[1] * self._clock.ns_per_tick)

    def _failure(self) -> dict[str, Any] | None:
        for instant in self._timeline.instants:
            if instant.category == "test":
                args = {key: _plain(value) for key, value in arguments(self._timeline, instant).items()}
                failure = {
                    "at": self._clock.ns(instant.tick),
                    "type": clean(instant.name),
                    "message": args.get("message", ""),
                }
                lines = [LINE.fullmatch(line) for line in args.get("traceback", [])]
                return failure | {"traceback": [[match[1], int(match[2]), match[3]] for match in lines if match]}
        return None

    def _tell_story(self) -> None:
        """Make the test's own track."""
        timeline = self._timeline
        if not timeline.spans and not timeline.instants:
            return
        rows = []
        for placed in place(timeline, self._clock):
            span = placed.span
            args = _plain(arguments(timeline, span))
            name = clean(span.name)
            rows.append([placed.start, placed.end, span.depth, name, span.category, args or None])
            if span.depth == 1 and span.category == "test":
                self._phases.append({"name": name, "start": placed.start, "end": placed.end})
        for instant in sorted(timeline.instants, key=lambda instant: instant.tick):
            args = _plain(arguments(timeline, instant))
            ns = self._clock.ns(instant.tick)
            self._instants.append([len(self._tracks), ns, clean(instant.name), instant.category, args or None])
        self._rows[str(len(self._tracks))] = rows
        track = {"process": 0, "kind": "test", "name": "test", "id": 0, "serial": 0, "parent": None}
        self._tracks.append(track | _extent(rows))

    def _encode(self) -> list[bytes]:
        """Make the tracks that have columns; return the raw blocks, the first of which is the page's second."""
        blocks: list[list[bytes]] = []
        size = BLOCK_BYTES
        for place, process in enumerate(self._timeline.processes):
            for track in process.tracks:
                if size >= BLOCK_BYTES:
                    blocks.append([])
                    size = 0
                about, columns = self._track(place, track)
                about |= {"block": len(blocks), "at": size, "columns": [len(column) for column in columns]}
                self._tracks.append(about)
                blocks[-1] += columns
                size += sum(about["columns"])
        return [b"".join(columns) for columns in blocks]

    def _track(self, process: int, track: Track) -> tuple[dict[str, Any], list[bytes]]:
        columns, slices, levels, first, last, busy = html_slices(
            track.slices, track.names, self._clock.origin, self._clock.ns_per_tick, self._names.index(track.names)
        )
        about: dict[str, Any] = {
            "process": process,
            "kind": track.kind,
            "name": clean(track.name),
            "id": track.native_id,
            "serial": track.serial,
            "parent": None,
            "slices": slices,
            "levels": levels,
            "first": first,
            "last": last,
            "busy": busy,
        }
        folded, folded_ns = self._folded(track.slices.folded_totals)
        return about | ({"folded": folded, "folded_ns": folded_ns} if folded else {}), columns

    def _model(self) -> dict[str, Any]:
        return {
            "names": self._names.names_table(),
            "files": self._names.files_table(),
            "rows": self._rows,
            "instants": self._instants,
            "flows": [],
            "counters": {},
        }

    def _source(self) -> dict[str, Any]:
        found = excerpts(self._categories.root, self._names.own_functions())
        return {str(self._names.file_place(path)): ranges for path, ranges in found.items()}

    def _add_block(self, kind: str, raw: bytes) -> None:
        packed = zlib.compress(raw, LEVEL, 31)  # 31: gzip
        about = {"kind": kind, "packed": len(packed), "raw": len(raw), "crc32": zlib.crc32(raw)}
        self._blocks.append((about, packed))


def _extent(rows: list[list[Any]]) -> dict[str, int]:
    """Return what a track's entry says of its slices, which are in order of begin."""
    return {
        "slices": len(rows),
        "levels": max((row[2] for row in rows), default=-1) + 1,
        "first": rows[0][0] if rows else 0,
        "last": max((row[1] for row in rows), default=0),
        "busy": sum(row[1] - row[0] for row in rows if row[2] == 0),
    }


def _plain(value: Any) -> Any:
    """Return the value with integers that JavaScript would round as text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, int) and abs(value) >= EXACT else value


def _title(timeline: Timeline) -> str:
    return f"{timeline.args.get('outcome') or ''} {clean(timeline.name)}".strip()


def _summary(timeline: Timeline) -> bytes:
    exception = timeline.args.get("exception")
    lines = [b"<h1>%s</h1>" % text(clean(timeline.name)), b"<p>%s</p>" % text(str(timeline.args.get("outcome")))]
    return b"".join(lines + ([b"<pre>%s</pre>" % text(clean(str(exception)))] if exception else []))
