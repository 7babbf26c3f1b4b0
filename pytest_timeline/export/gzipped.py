"""A gzip file that appears under its name only when it is whole."""

from __future__ import annotations

import zlib
from pathlib import Path

from pytest_timeline.export.whole import WholeFile

MEMBER_BYTES = 1 << 20


class GzippedFile(WholeFile):
    """Compresses what is written; see WholeFile."""

    def __init__(self, path: Path, level: int) -> None:
        self._level = level  # zlib's
        super().__init__(path)
        self._begin_member()

    def _begin_member(self) -> None:
        self._compressor = zlib.compressobj(self._level, zlib.DEFLATED, 31)  # 31: a gzip member with no time in it
        self._member = 0

    def write(self, data: bytes | memoryview) -> None:
        self._member += len(data)
        super().write(self._compressor.compress(data))

    def checkpoint(self) -> None:
        """Make what was written readable whatever comes after, when it is enough for a gzip member of its own."""
        if self._member >= MEMBER_BYTES:
            super().write(self._compressor.flush())
            self._begin_member()

    def close(self) -> None:
        """Finish the file and put it in its place; remove it where that fails."""
        try:
            super().write(self._compressor.flush())
        except BaseException:
            self.discard()
            raise
        super().close()
