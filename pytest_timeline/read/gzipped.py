"""A gzip file, piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 18


def pieces(path: Path) -> Iterator[bytes]:
    """Yield what the file's members hold. Raises OSError, ValueError where it is cut off or damaged."""
    with open(path, "rb") as file:
        member = zlib.decompressobj(31)
        whole = False  # whether a member has ended, and no other begun
        while data := file.read(PIECE):
            while data:
                try:
                    yield member.decompress(data)
                except zlib.error as error:
                    raise ValueError(str(error)) from error
                data, whole = member.unused_data, member.eof
                if whole:
                    member = zlib.decompressobj(31)
        if not whole:
            raise ValueError("its end is missing")
