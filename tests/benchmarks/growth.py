"""How the cost grows with the calls, tests, threads, processes and tasks of a run: rows, and curves in docs/images."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from collector import Watch
from measure import Row, pytest_argv, ratios, rounds, row, run, size
from report import DOCS

PROGRAM = Path(__file__).parent / "programs" / "busy.py"
CURVES = DOCS / "images" / "growth.svg"
CALLS = 4_000_000  # of all threads or processes together
SERIES = {
    "calls": [10_000, 100_000, 1_000_000, 10_000_000, 50_000_000],
    "tests": [10, 100, 1_000, 10_000],
    "threads": [1, 4, 16, 64],
    "processes": [1, 4, 16, 64],
    "tasks": [100, 1_000, 10_000, 100_000],
}
TITLE = "Growth"
NOTE = (
    "Wall time of a whole `pytest -q` run of one test, or of so many empty ones, over the same without `--timeline`; "
    f"what it writes, and its collector's memory. Threads and processes make {CALLS:,} calls together.\n\n"
    "![Cost against calls, tests, threads, processes and tasks](images/growth.svg)"
)


def measure(count: int) -> list[Row]:
    """Measure every series and draw the curves."""
    rows: list[Row] = []
    points: dict[str, list[tuple[int, float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "pytest.ini").write_text("[pytest]\n")
        for what, numbers in SERIES.items():
            for number in numbers:
                taken, output, peaks = measure_point(directory, what, number, count)
                over = ratios(taken["timeline"], taken["bare"])
                label = f"{number:,} {what}"
                rows.append(row(f"{label}: timeline / bare", over, "x"))
                rows.append(row(f"{label}: output", [output], "MB"))
                rows.append(row(f"{label}: peak of the collector", peaks, "MiB", 256))
                point = (number, statistics.median(over), output, statistics.median(peaks))
                points.setdefault(what, []).append(point)
    draw(points)
    return rows


def measure_point(
    directory: Path, what: str, number: int, count: int
) -> tuple[dict[str, list[float]], float, list[float]]:
    """Return the seconds of each variant, the megabytes written and the collector's peaks in MiB."""
    environment = {"BUSY_RESULT": os.devnull, "BUSY_COUNT": str(number), "BUSY_CALLS": str(CALLS)}
    test = f"{PROGRAM}::test_{what}"
    if what == "tests":
        test = str(directory / "test_empty.py")
        Path(test).write_text("\n\n".join(f"def test_{each}():\n    pass\n" for each in range(number)))
    timeline = directory / "timeline"
    peaks: list[float] = []

    def variant(*options: str) -> Callable[[], float]:
        return lambda: run(pytest_argv("-c", "pytest.ini", *options, test), directory, environment)

    def recorded() -> float:
        watch = Watch(timeline)
        seconds = variant("--timeline", f"--timeline-dir={timeline}")()
        peaks.append(watch.end().memory / 2**20)
        return seconds

    taken = rounds({"bare": variant("-p", "no:timeline"), "timeline": recorded}, count)
    return taken, size(timeline) / 1e6, peaks


def draw(points: dict[str, list[tuple[int, float, float, float]]]) -> None:
    """Draw a column of curves for each series."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "growth", "font.size": 8, "axes.spines.top": False})
    from matplotlib import pyplot

    titles = ("time over bare", "output, MB", "collector, MiB")
    figure, axes = pyplot.subplots(len(titles), len(points), figsize=(11, 6), sharex="col", sharey="row")
    for column, (what, found) in enumerate(points.items()):
        numbers = [point[0] for point in found]
        for line, title in enumerate(titles):
            axis = axes[line][column]
            axis.plot(numbers, [point[line + 1] for point in found], marker="o", markersize=3, color="#2f6f9f")
            axis.set_xscale("log")
            axis.grid(alpha=0.3)
            if line == 1:
                axis.set_yscale("log")
            if column == 0:
                axis.set_ylabel(title)
        axes[-1][column].set_xlabel(what)
    axes[0][0].set_ylim(bottom=0.9)
    figure.suptitle(f"CPython {sys.version_info.major}.{sys.version_info.minor}")
    figure.tight_layout()
    figure.savefig(CURVES, metadata={"Date": None})
