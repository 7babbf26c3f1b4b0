"""Reads the report's pages as docs/report-format.md has them; shares no code with what writes them."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple


class Slice(NamedTuple):
    start: int
    end: int
    depth: int
    name: int
    flags: int = 0
    raised: int | None = None  # a name; None = none or not known
    folded: int = 0
    folded_ns: int = 0


class Elements(HTMLParser):
    """The tags of a page with their attributes, and the text of its scripts by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.title = ""
        self.within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.within = tag

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within == "script":
            id = self.tags[-1][1].get("id") or ""
            self.scripts[id] = self.scripts.get(id, "") + data
        elif self.within == "title":
            self.title += data


@dataclass
class Page:
    head: dict[str, Any]
    blocks: list[bytes]
    slices: dict[int, list[Slice]]  # by track, of those with columns
    model: dict[str, Any]
    source: dict[str, Any]
    elements: Elements = field(repr=False)

    def name(self, slice: Slice) -> str:
        return str(self.model["names"]["text"][slice.name])

    def track(self, name: str) -> int:
        """Return the index of the track of that name."""
        (found,) = (at for at, track in enumerate(self.head["tracks"]) if track["name"] == name)
        return found


class Damaged(ValueError):
    """A block is not what the head says."""


def read(path: Path) -> Page:
    """Read and check a test's page. Raises Damaged."""
    elements = Elements(path.read_text(encoding="utf-8"))
    head = json.loads(elements.scripts["head"])
    blocks = [block(about, elements.scripts.get(f"block-{at}", "")) for at, about in enumerate(head["blocks"])]
    kinds = [about["kind"] for about in head["blocks"]]
    assert re.fullmatch("model(,slices)*(,source)?", ",".join(kinds)), kinds
    assert f"block-{len(kinds)}" not in elements.scripts
    slices = {}
    used = [0] * len(blocks)
    for at, track in enumerate(head["tracks"]):
        if "block" in track:
            assert track["at"] == used[track["block"]]
            used[track["block"]] += sum(track["columns"])
            slices[at] = decode(track, blocks[track["block"]])
    assert used == [len(each) if kind == "slices" else 0 for each, kind in zip(blocks, kinds, strict=True)]
    source = json.loads(blocks[-1]) if kinds[-1] == "source" else {}
    return Page(head, blocks, slices, json.loads(blocks[0]), source, elements)


def block(about: dict[str, Any], text: str) -> bytes:
    if len(text) != -(-about["packed"] // 3) * 4:
        raise Damaged(f"{len(text)} characters for {about['packed']} bytes")
    packed = base64.b64decode(text, validate=True)
    raw = gzip.decompress(packed)
    if (len(packed), len(raw), zlib.crc32(raw)) != (about["packed"], about["raw"], about["crc32"]):
        raise Damaged("sizes or checksum")
    return raw


def varints(data: bytes) -> list[int]:
    values, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
    assert shift == 0
    return values


def decode(track: dict[str, Any], data: bytes) -> list[Slice]:
    """Return a track's slices, with what the format promises of them checked."""
    count, at, columns = track["slices"], track["at"], []
    for length in track["columns"]:
        columns.append(varints(data[at : at + length]))
        at += length
    gap, tail, up, name, mark, fold = columns
    assert [len(each) for each in (gap, tail, up, name)] == [count] * 4
    start, end, depth = [0] * count, [0] * count, [0] * count
    last, opened = {0: 0}, []

    def close() -> None:
        row = opened.pop()
        end[row] = last[depth[row]] = last[depth[row] + 1] + tail[row]

    for row in range(count):
        for _ in range(up[row]):
            close()
        depth[row] = len(opened)
        start[row] = last[depth[row]] + gap[row]
        opened.append(row)
        last[depth[row] + 1] = start[row]
    while opened:
        close()
    flags, raised = marks(mark)
    folded = folds(fold)
    slices = [
        Slice(start[row], end[row], depth[row], name[row], flags.get(row, 0), raised.get(row), *folded.get(row, (0, 0)))
        for row in range(count)
    ]
    outermost = [slice for slice in slices if slice.depth == 0]
    assert track["levels"] == max((slice.depth + 1 for slice in slices), default=0) <= 512
    assert all(slice.end > slice.start for slice in slices)
    assert track["busy"] == sum(slice.end - slice.start for slice in outermost)
    assert (track["first"], track["last"]) == ((outermost[0].start, outermost[-1].end) if slices else (0, 0))
    return slices


def marks(values: list[int]) -> tuple[dict[int, int], dict[int, int | None]]:
    flags, raised, row = {}, {}, 0
    each = iter(values)
    for delta in each:
        row += delta
        flags[row] = next(each)
        assert 0 < flags[row] < 128
        if flags[row] & 4:
            type = next(each)
            raised[row] = type - 1 if type else None
        row += 1
    return flags, raised


def folds(values: list[int]) -> dict[int, tuple[int, int]]:
    found, row = {}, 0
    for delta, count, ns in triples(values):
        row += delta
        found[row] = (count, ns)
        row += 1
    return found


def triples(values: list[int]) -> Iterator[tuple[int, int, int]]:
    return zip(values[::3], values[1::3], values[2::3], strict=True)
