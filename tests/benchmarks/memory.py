"""How much more memory the test process takes while it is recorded, in a test of many millions of calls."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import Row, pytest_argv, rounds, row, run

PROGRAM = Path(__file__).parent / "programs" / "many_calls.py"
CALLS = [1_000_000, 20_000_000]
TITLE = "Memory of the test process"
NOTE = (
    "Peak of resident memory with `--timeline --timeline-full`, less the same test's without; the mapped spool counts."
)


def measure(count: int) -> list[Row]:
    """Run a test of each number of calls, bare and recorded."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        result = directory / "result"
        (directory / "pytest.ini").write_text("[pytest]\n")

        def peak(calls: int, *options: str) -> Callable[[], float]:
            environment = {"MEMORY_RESULT": str(result), "MEMORY_CALLS": str(calls)}

            def one_run() -> float:
                run(pytest_argv("-c", "pytest.ini", *options, str(PROGRAM)), directory, environment)
                return int(result.read_text()) / 2**20

            return one_run

        rows = []
        for calls in CALLS:
            taken = rounds(
                {"bare": peak(calls, "-p", "no:timeline"), "recorded": peak(calls, "--timeline", "--timeline-full")},
                count,
            )
            growth = [recorded - bare for recorded, bare in zip(taken["recorded"], taken["bare"], strict=True)]
            rows.append(row(f"{calls // 1_000_000} million calls", growth, "MiB", 24))
    return rows
