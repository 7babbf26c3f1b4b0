"""Protocol Buffers, as much as descriptors and spans need; see ext/protobuf.pxi."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, value) of each field: an integer, or the bytes of all else. Raises ValueError."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        wire = key & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(message, at)
        else:
            if wire == 2:
                length, at = _varint(message, at)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise ValueError("a packet is damaged")
            value = message[at : at + length]
            at += length
            if at > end:
                raise ValueError("a packet is damaged")
        yield key >> 3, value


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def double(value: bytes) -> float:
    return float(struct.unpack("<d", value)[0])


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("a packet is damaged")
