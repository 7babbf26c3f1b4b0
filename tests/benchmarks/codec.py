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
    from pytest_timeline.timeline.model import Clock, Track

PROGRAM = Path(__file__).parent / "programs" / "spool.py"
TITLE = "Codec"
NOTE = (
    "A spool of about a million slices of `ast.unparse`, left by the recorder, is read, nested and encoded by one "
    "thread, without gzip. In millions of slices a second."
)


def encode(format: str, tracks: list[Track], clock: Clock) -> int:
    """Encode all tracks' slices and return how many bytes they became."""
    from pytest_timeline._codec import chrome_slices, perfetto_slices

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


def measure(count: int) -> list[Row]:
    """Read one spool `count` times, and encode it in each format."""
    from pytest_timeline._codec import now
    from pytest_timeline.collect.family import Family
    from pytest_timeline.collect.rate import Rate

    taken: dict[str, list[float]] = {"read": [], "perfetto": [], "chrome": []}
    size: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        recorded = Path(scratch) / "recorded"
        recorded.mkdir()
        run([sys.executable, str(PROGRAM), str(recorded)], Path(scratch))
        for number in range(count):
            print(f"  round {number + 1}/{count}", file=sys.stderr, flush=True)
            family = Family(Path(shutil.copytree(recorded, Path(scratch) / str(number))))
            before = time.perf_counter()
            family.scan()
            assert family.root is not None
            windows = list(family.finish(now(family.root.clock)))
            taken["read"].append(time.perf_counter() - before)

            rate = Rate(family.root)
            clock = rate.starting_at(rate.origin)
            tracks = [track for window in windows for process in window.timeline.processes for track in process.tracks]
            for format in ("perfetto", "chrome"):
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
        row("spool to Perfetto", speed("read", "perfetto"), "M/s", 5, more=True),
        row("spool to Chrome JSON", speed("read", "chrome"), "M/s"),
        row("bytes a slice, Perfetto", [size["perfetto"] / slices], "B"),
        row("bytes a slice, Chrome JSON", [size["chrome"] / slices], "B"),
    ]
