"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

BUFFER_BYTES = 1 << 16  # a small page is one write


class WholeFile:
    """Writes a temporary file beside `path`, and renames it on `close`.

    As a context manager it closes, or after an exception removes what it wrote. Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path)
        directory, name = os.path.split(self._path)
        self._temporary = os.path.join(directory, f".{name}.{os.getpid()}")
        self._file = open(self._temporary, "wb", BUFFER_BYTES)  # noqa: SIM115 - closed by close() and discard()

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def close(self) -> None:
        """Put the file in its place; remove it where that fails."""
        try:
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
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
