"""A gzip file that appears under its name only when it is whole."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

MEMBER_BYTES = 1 << 20


class GzippedFile:
    """Compresses what is written into a temporary file beside `path`, and renames it on `close`.

    As a context manager it closes, or after an exception removes what it wrote. Raises OSError.
    """

    def __init__(self, path: Path, level: int) -> None:
        self._level = level  # zlib's
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        self._file = open(self._temporary, "wb")  # noqa: SIM115 - closed by close() and discard()
        self._begin_member()

    def _begin_member(self) -> None:
        self._compressor = zlib.compressobj(self._level, zlib.DEFLATED, 31)  # 31: a gzip member with no time in it
        self._member = 0

    def write(self, data: bytes | memoryview) -> None:
        self._member += len(data)
        self._file.write(self._compressor.compress(data))

    def checkpoint(self) -> None:
        """Make what was written readable whatever comes after, when it is enough for a gzip member of its own."""
        if self._member >= MEMBER_BYTES:
            self._file.write(self._compressor.flush())
            self._begin_member()

    def close(self) -> None:
        """Finish the file and put it in its place; remove it where that fails."""
        try:
            self._file.write(self._compressor.flush())
            self._file.close()
            os.replace(self._temporary, self._path)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove what was written."""
        try:
            self._file.close()
        finally:
            self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
