"""The exporters: one module per format over the one model, behind this small protocol.

Nothing here imports a format before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from pytest_timeline.outputs import SUFFIXES
from pytest_timeline.timeline.model import Clock, Timeline

FORMATS = tuple(SUFFIXES)


@dataclass(frozen=True, slots=True)
class About:
    """What the files of a run say of it, or depend on."""

    root: str = ""  # pytest's root directory
    formats: tuple[str, ...] = ()  # all that are written
    versions: Mapping[str, str] = field(default_factory=dict)  # of "python" and "pytest"
    standalone: bool = False  # each page holds all that it needs


class Combined(Protocol):
    """A trace of many windows, written as they come, in memory that does not grow with their number."""

    def add(self, timeline: Timeline) -> None:
        """Append a window. Those of one pytest process come in order of time; processes may take turns."""

    def close(self) -> None:
        """End what is still open and put the file in its place. Raises OSError, and leaves no file behind then."""


class Exporter(Protocol):
    """Writes timelines in one format."""

    suffix: str
    """What the file names end in, with the dot."""

    shared: list[str]
    """The files made so far that are of no test, relative to the run's directory."""

    def write(self, timeline: Timeline, clock: Clock, path: Path) -> None:
        """Write one timeline to `path`, in a directory of the run's, which is there in whole or not at all.

        What several timelines need is written beside that directory with the first. Raises OSError.
        """


@runtime_checkable
class TraceExporter(Exporter, Protocol):
    """One whose format can hold many windows."""

    def combined(self, path: Path, clock: Clock) -> Combined:
        """Begin a combined trace, which is at `path` when it is closed. Raises OSError."""


def make(format: str, about: About | None = None) -> Exporter:
    """Return the exporter of `format`, one of FORMATS. Raises ValueError for any other."""
    if format == "html":
        from pytest_timeline.export.html import HtmlExporter

        return HtmlExporter(about or About())
    if format == "perfetto":
        from pytest_timeline.export.perfetto import PerfettoExporter

        return PerfettoExporter()
    if format == "chrome":
        from pytest_timeline.export.chrome import ChromeExporter

        return ChromeExporter()
    raise ValueError(f"no such format: {format!r}")


def traces(formats: Iterable[str]) -> dict[str, TraceExporter]:
    """Return the exporters of combined traces, by format: of those in `formats`, of Perfetto's where none has any."""
    made = {format: make(format) for format in formats if format != "html"} or {"perfetto": make("perfetto")}
    return {format: exporter for format, exporter in made.items() if isinstance(exporter, TraceExporter)}
