"""What event loops cost: an echo server with clients on loopback, and a storm of tasks."""

from __future__ import annotations

import functools
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from collector import Watch
from measure import Row, pytest_argv, ratios, rounds, row, run, size

PROGRAM = Path(__file__).parent / "programs" / "tasks.py"
TRIPS = 50_000
TASKS = 100_000
TITLE = "Event loops"
NOTE = (
    "50,000 round trips of 50 clients with an asyncio server in the same loop, and 100,000 tasks that run at once, "
    "each in two steps; one test each. The time is that of `asyncio.run` in the test; with `--timeline` the collector "
    "runs beside it. VizTracer runs as `viztracer --log_async -m pytest`, with its ring of a million events. The "
    "collector's memory is its peak of resident memory."
)


def measure(count: int) -> list[Row]:
    """Run both tests bare and recorded, the echo under VizTracer too, `count` rounds."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "pytest.ini").write_text("[pytest]\n")
        shutil.copy(PROGRAM, directory / "test_it.py")
        result = directory / "result"
        environment = {"LOOPS_RESULT": str(result), "LOOPS_TRIPS": str(TRIPS), "LOOPS_TASKS": str(TASKS)}

        def taken(argv: list[str]) -> float:
            run(argv, directory, environment)
            return float(result.read_text())

        def variant(test: str, *options: str) -> Callable[[], float]:
            return functools.partial(taken, pytest_argv(*options, f"test_it.py::{test}"))

        echo = {"bare": variant("test_echo", "-p", "no:timeline"), "timeline": variant("test_echo", "--timeline")}
        if importlib.util.find_spec("viztracer"):
            tracer = [sys.executable, "-m", "viztracer", "-q", "--log_async", "-o", str(directory / "v.json"), "-m"]
            bare = pytest_argv("-p", "no:timeline", "test_it.py::test_echo")
            echo["viztracer"] = functools.partial(taken, [*tracer, *bare[2:]])
        seconds = rounds(echo, count)
        added = {
            name: [value - base for value, base in zip(values, seconds["bare"], strict=True)]
            for name, values in seconds.items()
        }
        rows = [row("50,000 round trips, bare", seconds["bare"], "s")]
        for name in [name for name in echo if name != "bare"]:
            rows.append(row(f"50,000 round trips, {name} / bare", ratios(seconds[name], seconds["bare"]), "x"))
        if "viztracer" in echo:
            label = "added by timeline / added by viztracer"
            rows.append(row(label, ratios(added["timeline"], added["viztracer"]), "x", 0.5))
        return rows + storm(count, directory, variant)


def storm(count: int, directory: Path, variant: Callable[..., Callable[[], float]]) -> list[Row]:
    """Measure the storm's time, the collector's memory and the output."""
    output = directory / "timeline"
    peaks: list[float] = []

    def recorded() -> float:
        watch = Watch(output)
        seconds = variant("test_storm", "--timeline")()
        peaks.append(watch.end().memory / 2**20)
        return seconds

    seconds = rounds({"bare": variant("test_storm", "-p", "no:timeline"), "timeline": recorded}, count)
    (test,) = json.loads((output / "run.json").read_bytes())["tests"]
    return [
        row("100,000 tasks, bare", seconds["bare"], "s"),
        row("100,000 tasks, timeline / bare", ratios(seconds["timeline"], seconds["bare"]), "x"),
        row("100,000 tasks: peak of the collector", peaks, "MiB"),
        row("100,000 tasks: output", [size(output) / 1e6], "MB"),
        row("100,000 tasks: found", [test["tasks"]], ""),
        row("100,000 tasks: records dropped", [test["dropped"]], "", 0),
    ]
