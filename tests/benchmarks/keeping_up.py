"""Whether the collector keeps up with two processes that write as fast as they can."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from collector import Watch
from measure import Row, pytest_argv, row, run

PROGRAM = Path(__file__).parent / "programs" / "busy.py"
CALLS = 60_000_000  # of both
TITLE = "Keeping up"
NOTE = (
    f"A test of two processes that make {CALLS:,} calls of tiny functions under `--timeline-full`, which records every "
    "one: two records a call. By default such functions are muted long before. Written: from the test's begin to its "
    "end. Caught up: from there until the run is over, with its files."
)


def measure(count: int) -> list[Row]:
    taken: dict[str, list[float]] = {}

    def take(**values: float) -> None:
        for name, value in values.items():
            taken.setdefault(name, []).append(value)

    for _ in range(count):
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch)
            result = directory / "result"
            (directory / "pytest.ini").write_text("[pytest]\n")
            environment = {"BUSY_RESULT": str(result), "BUSY_COUNT": "2", "BUSY_CALLS": str(CALLS)}
            timeline = directory / "timeline"
            options = ("-c", "pytest.ini", "--timeline", "--timeline-full", f"--timeline-dir={timeline}")
            watch = Watch(timeline)
            begin = time.perf_counter()
            run(pytest_argv(*options, f"{PROGRAM}::test_processes"), directory, environment)
            whole = time.perf_counter() - begin
            collector = watch.end()
            (test,) = json.loads((timeline / "run.json").read_bytes())["tests"]
            busy = float(result.read_text())
            records = 2 * (test["slices"] + test["folded"]) + test["dropped"]
            take(
                rate=records / busy / 1e6,
                dropped=test["dropped"] / records * 100,
                busy=busy,
                rest=whole - busy,
                memory=collector.memory / 2**20,
                spool=collector.spool / 2**20,
                cpu=collector.seconds,
            )
    return [
        row("records written", taken["rate"], "M/s"),
        row("records dropped", taken["dropped"], "%", 0),
        row("written in", taken["busy"], "s"),
        row("caught up in, with the start", taken["rest"], "s"),
        row("processor time of the collector", taken["cpu"], "s"),
        row("peak of the collector", taken["memory"], "MiB", 256),
        row("peak of the spools", taken["spool"], "MiB", 256),
    ]
