"""The readers: one module per format, each the counterpart of an exporter, that give one plain model.

Nothing here imports a format before it is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pytest_timeline.outputs import SUFFIXES
from pytest_timeline.read.model import Trace


class Damaged(ValueError):
    """A file is not, or not all of, what its name says."""


class Reader(Protocol):
    """Reads files of one format."""

    def __call__(self, path: Path) -> Trace:
        """Return all that the file has, its tracks in the order of the file. Raises OSError, ValueError, EOFError."""


def read(path: Path) -> Trace:
    """Return what is in a file, which may be a page of a test, a trace of one, or a combined trace.

    Raises OSError; ValueError when its name is that of no format; Damaged.
    """
    format = next((format for format, suffix in SUFFIXES.items() if path.name.endswith(suffix)), None)
    if format is None:
        raise ValueError(f"{path} is no timeline: the name ends in none of {', '.join(SUFFIXES.values())}")
    try:
        return _reader(format)(path)
    except (ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        raise Damaged(f"{path} is damaged: {error}") from error


def _reader(format: str) -> Reader:
    if format == "html":
        from pytest_timeline.read.html import read_page

        return read_page
    if format == "perfetto":
        from pytest_timeline.read.perfetto import read_perfetto

        return read_perfetto
    from pytest_timeline.read.chrome import read_chrome

    return read_chrome
