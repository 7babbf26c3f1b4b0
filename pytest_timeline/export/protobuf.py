"""Protocol Buffers, as much as descriptors and spans need; the slices are encoded by the codec."""

from __future__ import annotations

import struct


def varint(value: int) -> bytes:
    """Return an unsigned integer, or the 64-bit two's complement of a negative one, seven bits a byte."""
    value &= 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def uint(field: int, value: int) -> bytes:
    """Return an integer, boolean or enumeration field."""
    return varint(field << 3) + varint(value)


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def fixed64(field: int, value: int) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<Q", value)


def message(field: int, *parts: bytes) -> bytes:
    """Return a field that holds a message, of which `parts` are the fields."""
    encoded = b"".join(parts)
    return varint(field << 3 | 2) + varint(len(encoded)) + encoded


def text(field: int, value: str) -> bytes:
    """Return a string field. Raises UnicodeEncodeError for a lone surrogate."""
    return message(field, value.encode())
