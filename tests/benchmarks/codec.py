"""How many slices a second one core takes from the spool to encoded bytes, before gzip."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import Row, row, run

PROGRAM = Path(__file__).parent / "programs" / "spool.py"
TITLE = "Codec"
NOTE = (
    "A spool of about a million slices of `ast.unparse`, left by the recorder, is read, nested and encoded, one thread, "
    "without gzip: slices a second, in millions."
)


def measure(count: int) -> list[Row]:
    """Read one spool `count` times; read it, and encode it in each format."""
    from pytest_timeline.collect.family import Family
    from pytest_timeline.collect.rate import Rate

    from pytest_timeline._codec import Slices, chrome_slices, now, perfetto_slices

    with tempfile.TemporaryDirectory() as scratch:
        recorded = Path(scratch) / "recorded"
        recorded.mkdir()
        run([sys.executable, str(PROGRAM), str(recorded)], Path(scratch))
        taken: dict[str, list[float]] = {"read": [], "perfetto": [], "chrome": []}
        size = {"perfetto": 0, "chrome": 0}
        slices = 0
        for number in range(count):
            print(f"  round {number + 1}/{count}", file=sys.stderr, flush=True)
            family = Family(Path(shutil.copytree(recorded, Path(scratch) / str(number))))
            family.look()
            before = time.perf_counter()
            family.scan()
            assert family.root is not None
            windows = list(family.finish(now(family.root.clock)))
            read = time.perf_counter() - before
            rate = Rate(family.root)
            clock = rate.starting_at(rate.origin)
            tracks = [track for window in windows for process in window.timeline.processes for track in process.tracks]
            slices = sum(len(track.slices) for track in tracks)
            taken["read"].append(read)

            encoders: dict[str, Callable[[Slices, int], bytes]] = {
                "perfetto": lambda part, at: perfetto_slices(
                    part, names[at], clock.origin, clock.ns_per_tick, at + 1, at + 1
                ),
                "chrome": lambda part, at: chrome_slices(
                    part, names[at], clock.origin, clock.ns_per_tick, b'"pid":1,"tid":1'
                ),
            }
            names = [track.names for track in tracks]
            for format, encode in encoders.items():
                before = time.perf_counter()
                size[format] = sum(len(encode(track.slices, at)) for at, track in enumerate(tracks))
                taken[format].append(time.perf_counter() - before)
            family.close()

    def rate_of(*steps: str) -> list[float]:
        return [slices / sum(times) / 1e6 for times in zip(*(taken[step] for step in steps), strict=True)]

    return [
        row("slices", [slices], ""),
        row("spool to columns", rate_of("read"), "M/s"),
        row("spool to Perfetto", rate_of("read", "perfetto"), "M/s", 5, more=True),
        row("spool to Chrome JSON", rate_of("read", "chrome"), "M/s"),
        row("bytes a slice, Perfetto", [size["perfetto"] / slices], "B"),
        row("bytes a slice, Chrome JSON", [size["chrome"] / slices], "B"),
    ]
