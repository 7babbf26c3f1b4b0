"""A segment: news of the spools of one family, packed so that it can be sent.

    zlib( length of the head, 4 bytes, big-endian | head, JSON | headers and records that the head tells the sizes of )

The head has `ns_per_tick` (of the clock there), `until` (a tick: all records up to it have now been told, null in a
round that goes on in the next segment), and `spools`: each with `name`, `gone` (the process is, and this is all of it),
`header` (its size) and `chunks`: what `_relay.Source.take` gave, with the records' size in the place of the records.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Any

import orjson

LEVEL = 1
LARGEST = 64 << 20  # unpacked; more is damage
NAME = re.compile(r"[0-9]{1,10}-[0-9a-f]{1,16}\.spool")  # a file name, which must not lead elsewhere

Chunk = tuple[int, int, int, int, int, bytes]
"""thread, seq, native id, position, used (-1 = not full), records"""


@dataclass(slots=True)
class News:
    """What there is to tell of one spool."""

    name: str
    header: bytes
    gone: bool = False
    chunks: list[Chunk] = field(default_factory=list)


@dataclass(slots=True)
class Segment:
    ns_per_tick: float
    until: int | None
    spools: list[News]


def pack(segment: Segment) -> bytes:
    """Return the segment's bytes."""
    spools: list[dict[str, Any]] = []
    blobs = []
    for news in segment.spools:
        chunks = [[*chunk[:5], len(chunk[5])] for chunk in news.chunks]
        spools.append({"name": news.name, "gone": news.gone, "header": len(news.header), "chunks": chunks})
        blobs += [news.header, *(chunk[5] for chunk in news.chunks)]
    head = orjson.dumps({"ns_per_tick": segment.ns_per_tick, "until": segment.until, "spools": spools})
    return zlib.compress(b"".join([len(head).to_bytes(4, "big"), head, *blobs]), LEVEL)


def unpack(data: bytes) -> Segment:
    """Return what `pack` packed. Raises ValueError when it is no such thing."""
    try:
        decompress = zlib.decompressobj()
        raw = decompress.decompress(data, LARGEST)
        if not decompress.eof:
            raise ValueError("it does not end where it should")
        at = 4 + int.from_bytes(raw[:4], "big")
        head = orjson.loads(raw[4:at])
        spools = []
        for told in head["spools"]:
            header, at = raw[at : at + told["header"]], at + _count(told["header"])
            news = News(str(told["name"]), header, told["gone"] is True)
            if not NAME.fullmatch(news.name):
                raise ValueError(f"{news.name!r} is no name of a spool")
            for thread, seq, native_id, position, used, size in told["chunks"]:
                records, at = raw[at : at + size], at + _count(size)
                news.chunks.append((thread, seq, native_id, position, used, records))
            spools.append(news)
        until = None if head["until"] is None else _count(head["until"])
        ns_per_tick = float(head["ns_per_tick"])
    except (zlib.error, LookupError, TypeError) as error:
        raise ValueError(f"no segment: {error}") from None
    if not 1e-3 < ns_per_tick < 1e6:
        raise ValueError(f"no segment: ticks of {ns_per_tick} ns")
    return Segment(ns_per_tick, until, spools)


def _count(number: int) -> int:
    if not isinstance(number, int) or not 0 <= number < 1 << 64:
        raise ValueError(f"no segment: {number!r} is no count")
    return number
