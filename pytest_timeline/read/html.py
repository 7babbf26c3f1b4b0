"""A test's page: its head, its model block and its columns; docs/report-format.md has it all."""

from __future__ import annotations

import binascii
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from pytest_timeline._reading import page_rows
from pytest_timeline.read.model import Instant, Name, Names, Process, Trace, Track, Unplaced

VERSION = 1
HEAD = b'<script type="application/json" id="head">'
THROWN = 4
FLAGS = {1: "resumed", 2: "yielded", 32: "healed", 64: "died"}
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
    names, texts, rows = Names(), list(_names(head, model)), model["rows"]
    numbers = array("I", [names.number(name) for name in texts])
    processes = [Process(about["pid"], about["name"]) for about in head["processes"]]
    tracks: list[Track] = []
    for at, about in enumerate(head["tracks"]):
        track = Track(about["kind"], about["name"], about["id"])
        track.under = tracks[about["parent"]] if about["parent"] is not None else None
        tracks.append(track)
        processes[about["process"]].tracks.append(track)
        if "block" in about:
            _columns(track, about, blocks[about["block"]], numbers, texts)
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


def _columns(track: Track, about: dict[str, Any], block: bytes, numbers: array[int], texts: list[Name]) -> None:
    track.starts, track.ends, track.depths, named, mark, fold = page_rows(
        block, about["at"], about["columns"], about["slices"]
    )
    track.names = array("I", map(numbers.__getitem__, named))
    numbers_of_fold = iter(fold)
    row = 0
    for skipped in numbers_of_fold:
        row += skipped
        count, ns = next(numbers_of_fold), next(numbers_of_fold)
        track.args[row] = {"folded": count, "folded_ms": ns / 1e6}
        row += 1
    numbers_of_mark = iter(mark)
    row = 0
    for skipped in numbers_of_mark:
        row += skipped
        flags = next(numbers_of_mark)
        args: dict[str, Any] = {}
        if flags & THROWN:
            type = next(numbers_of_mark)
            args["exception"] = texts[type - 1].text if type else "?"
        if cut := CUTS.get(flags & 24):
            args["cut"] = cut
        args |= {name: True for flag, name in FLAGS.items() if flags & flag}
        track.args[row] = args | track.args.get(row, {})
        row += 1
