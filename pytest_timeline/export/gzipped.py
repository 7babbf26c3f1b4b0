"""A gzip file that appears under its name only when it is whole."""

from __future__ import annotations

from pathlib import Path

from pytest_timeline.export.deflate import compressor
from pytest_timeline.export.whole import WholeFile

MEMBER_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16  # less than that is not compressed by itself: a compressor may begin a block with each call


class GzippedFile(WholeFile):
    """Compresses what is written; see WholeFile."""

    def __init__(self, path: Path, level: int) -> None:
        self._level = level  # zlib's
        self._waiting = bytearray()
        super().__init__(path)
        self._begin_member()

    def _begin_member(self) -> None:
        self._compressor = compressor(self._level)
        self._member = 0

    def write(self, data: bytes | memoryview) -> None:
        self._member += len(data)
        self._waiting += data
        if len(self._waiting) >= BLOCK_BYTES:
            self._compress()

    def _compress(self) -> None:
        super().write(self._compressor.compress(self._waiting))
        self._waiting = bytearray()

    def _end_member(self) -> None:
        self._compress()
        super().write(self._compressor.flush())

    def checkpoint(self) -> None:
        """Make what was written readable whatever comes after, when it is enough for a gzip member of its own."""
        if self._member >= MEMBER_BYTES:
            self._end_member()
            self._begin_member()

    def close(self) -> None:
        """Finish the file and put it in its place; remove it where that fails."""
        try:
            self._end_member()
        except BaseException:
            self.discard()
            raise
        super().close()
