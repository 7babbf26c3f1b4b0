"""A test's page: its head, its model block and its columns; docs/report-format.md has it all."""

from __future__ import annotations

import binascii
import zlib
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from pytest_timeline._reading import page_rows
from pytest_timeline.read.model import Instant, Name, Names, Process, Trace, Track, Unplaced

VERSION = 1
HEAD = b'<script type="application/json" id="head">'
THROWN = 4
FLAGS = {64: "died", 32: "healed", 1: "resumed", 2: "yielded"}  # in the order of traces
CUTS = {8: "start", 16: "end", 24: "both"}
CATEGORIES = ("python", "c")  # by the kind of a name


def read_page(path: Path) -> Trace:
    """See Reader."""
    page = path.read_bytes()
    head = orjson.loads(element(page, HEAD))
    if head["version"] != VERSION:
        raise ValueError(f"its version is {head['version']}, not {VERSION}")
    blocks = {
        at: _block(about, element(page, b'<script type="text/plain" id="block-%d">' % at))
        for at, about in enumerate(head["blocks"])
        if about["kind"] in ("model", "slices")
    }
    model = orjson.loads(blocks[0])
    names, texts, rows, values = Names(), list(_names(head, model)), model["rows"], model.get("values", {})
    numbers = array("I", [names.number(name) for name in texts])
    processes = [Process(about["pid"], about["name"]) for about in head["processes"]]
    tracks: list[Track] = []
    for at, about in enumerate(head["tracks"]):
        track = Track(about["kind"], about["name"], about["id"])
        track.under = tracks[about["parent"]] if about["parent"] is not None else None
        tracks.append(track)
        processes[about["process"]].tracks.append(track)
        if "block" in about:
            _columns(track, about, blocks[about["block"]], numbers, texts, values.get(str(at), []))
        else:
            _told(track, rows.get(str(at), []), names)
    for at, ns, name, category, args in model["instants"]:
        tracks[at].instants.append(Instant(ns, name, category, args or {}))
    return Trace(names.all, processes, head["root"])


def element(page: bytes, tag: bytes) -> bytes:
    """Return what is in the element of a page that begins with this tag. Raises ValueError when it is not whole."""
    start = page.find(tag)
    end = page.find(b"</script>", start)
    if start < 0 or end < 0:
        raise ValueError("it is no page of a report, or the end of it is missing")
    return page[start + len(tag) : end]


def _block(about: dict[str, Any], text: bytes) -> bytes:
    packed = binascii.a2b_base64(text)
    try:
        raw = zlib.decompress(packed, 31)  # which checks it
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(raw) != about["raw"]:
        raise ValueError("a block has another size than the page says")
    return raw


def _names(head: dict[str, Any], model: dict[str, Any]) -> Iterator[Name]:
    table, paths = model["names"], model["files"]["path"]
    columns = (table["text"], table["kind"], table["file"], table["line"], table["category"])
    for text, kind, file, line, category in zip(*columns, strict=True):
        waits = kind > 1 and head["categories"][category] == "await"
        yield Name(
            text,
            "await" if waits else CATEGORIES[kind] if kind < len(CATEGORIES) else "python",
            paths[file] if file >= 0 else "",
            line,
        )


def _told(track: Track, rows: list[list[Any]], names: Names) -> None:
    slices = Unplaced()
    for start, end, _, name, category, args in rows:
        slices.add(start, end, names.number(Name(name, category)), args)
    slices.fill(track)


def _columns(
    track: Track,
    about: dict[str, Any],
    block: bytes,
    numbers: array[int],
    texts: list[Name],
    values: list[list[Any]],
) -> None:
    """Fill the track; what is told of a slice is in the order in which traces have it."""
    track.starts, track.ends, track.depths, named, mark, fold = page_rows(
        block, about["at"], about["columns"], about["slices"]
    )
    track.names = array("I", map(numbers.__getitem__, named))
    marks = list(_marks(mark))
    told: dict[int, dict[str, Any]] = defaultdict(dict)
    for row, valued in _values(track, values):
        told[row] |= valued
    for row, flags, type in marks:
        if flags & THROWN:
            told[row]["exception"] = texts[type - 1].text if type else "?"
    for row, count, ns in _folds(fold):
        told[row] |= {"folded": count, "folded_ms": ns / 1e6}
    for row, flags, _ in marks:
        if cut := CUTS.get(flags & 24):
            told[row]["cut"] = cut
        for flag, name in FLAGS.items():
            if flags & flag:
                told[row][name] = True
    track.args = dict(told)


def _marks(column: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (row, flags, the place of what was raised + 1 or 0)."""
    numbers = iter(column)
    row = 0
    for skipped in numbers:
        row += skipped
        flags = next(numbers)
        yield row, flags, next(numbers) if flags & THROWN else 0
        row += 1


def _folds(column: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (row, number of slices, ns)."""
    numbers = iter(column)
    row = 0
    for skipped in numbers:
        row += skipped
        yield row, next(numbers), next(numbers)
        row += 1


def _values(track: Track, values: list[list[Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the row of each slice that tells, with what it was called with and what it returned."""
    row = -1
    for start, depth, arguments, *returned in values:  # in order of rows
        row = bisect_left(track.starts, start, row + 1)
        while track.depths[row] != depth:
            row += 1
        if track.starts[row] != start:
            raise ValueError("a slice that tells its arguments is missing")
        yield row, ({"arguments": arguments} if arguments else {}) | ({"returned": returned[0]} if returned else {})
