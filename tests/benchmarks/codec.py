"""How many slices a second one core takes from the spool to encoded bytes, before gzip."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Row, row, run

if TYPE_CHECKING:
    from pytest_timeline.timeline.model import Clock, Timeline, Track

PROGRAM = Path(__file__).parent / "programs" / "spool.py"
TITLE = "Codec"
NOTE = (
    "A spool of about a million slices of `ast.unparse`, left by the recorder, is read, nested and encoded by one "
    "thread, without gzip unless it says so. In millions of slices a second."
)


def encode(format: str, tracks: list[Track], clock: Clock) -> int:
    """Encode all tracks' slices and return how many bytes they became."""
    from pytest_timeline._codec import chrome_slices, html_slices, perfetto_slices
    from pytest_timeline.export.names import PageNames
    from pytest_timeline.timeline.category import Categories

    if format == "html":
        names = PageNames(tracks, Categories())
        encoded = [
            html_slices(track.slices, track.names, clock.origin, clock.ns_per_tick, names.places(track.names))
            for track in tracks
        ]
        return sum(len(column) for columns, *_ in encoded for column in columns)
    sizes: list[int] = []

    def write(data: bytes) -> None:
        sizes.append(len(data))

    for at, track in enumerate(tracks, 1):
        if format == "perfetto":
            perfetto_slices(track.slices, track.names, clock.origin, clock.ns_per_tick, at, at, write)
        else:
            lane = b'"pid":1,"tid":%d' % at
            chrome_slices(track.slices, track.names, clock.origin, clock.ns_per_tick, lane, write)
    return sum(sizes)


def write_pages(timelines: list[Timeline], clock: Clock, directory: Path) -> int:
    """Write a page of each timeline and return how many bytes they became."""
    from pytest_timeline.export import make

    exporter = make("html")
    path = directory / "tests" / "page.html"
    path.parent.mkdir(exist_ok=True)
    size = 0
    for timeline in timelines:
        exporter.write(timeline, clock, path)
        size += path.stat().st_size
    return size


def measure(count: int) -> list[Row]:
    """Read one spool `count` times, and encode it in each format."""
    from pytest_timeline._codec import now
    from pytest_timeline.collect.family import Family
    from pytest_timeline.collect.rate import Rate

    taken: dict[str, list[float]] = {"read": [], "html": [], "page": [], "perfetto": [], "chrome": []}
    size: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        recorded = Path(scratch) / "recorded"
        recorded.mkdir()
        run([sys.executable, str(PROGRAM), str(recorded)], Path(scratch))
        for number in range(count):
            print(f"  round {number + 1}/{count}", file=sys.stderr, flush=True)
            for step in ("page", "read"):  # what a page made of the slices is remembered by them
                family = Family(Path(shutil.copytree(recorded, Path(scratch) / f"{number}-{step}")))
                before = time.perf_counter()
                family.scan()
                assert family.root is not None
                windows = list(family.finish(now(family.root.clock)))
                read = time.perf_counter() - before
                rate = Rate(family.root)
                clock = rate.starting_at(rate.origin)
                if step == "page":
                    before = time.perf_counter()
                    size["page"] = write_pages([window.timeline for window in windows], clock, Path(scratch))
                    taken["page"].append(time.perf_counter() - before)
                    family.close()
            taken["read"].append(read)
            tracks = [track for window in windows for process in window.timeline.processes for track in process.tracks]
            for format in ("html", "perfetto", "chrome"):
                before = time.perf_counter()
                size[format] = encode(format, tracks, clock)
                taken[format].append(time.perf_counter() - before)
            family.close()

    slices = sum(len(track.slices) for track in tracks)

    def speed(*steps: str) -> list[float]:
        return [slices / sum(times) / 1e6 for times in zip(*(taken[step] for step in steps), strict=True)]

    return [
        row("slices", [slices], ""),
        row("spool to columns", speed("read"), "M/s"),
        row("spool to Perfetto", speed("read", "perfetto"), "M/s", 15, more=True),
        row("spool to Chrome JSON", speed("read", "chrome"), "M/s"),
        row("columns to those of a page", speed("html"), "M/s", 15, more=True),
        row("columns to a page, gzip and all", speed("page"), "M/s"),
        row("bytes a slice, columns of a page", [size["html"] / slices], "B"),
        row("bytes a slice, page", [size["page"] / slices], "B", 4.5),
        row("bytes a slice, Perfetto", [size["perfetto"] / slices], "B"),
        row("bytes a slice, Chrome JSON", [size["chrome"] / slices], "B"),
    ]
