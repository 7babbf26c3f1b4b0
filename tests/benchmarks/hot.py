"""Tests of very many calls, over bare: `fib(30)`, and programs of the pyperformance suite."""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import Row, pytest_argv, ratios, rounds, row, run
from programs.hot import LOOPS

PROGRAM = Path(__file__).parent / "programs" / "hot.py"
TITLE = "Hot code"
NOTE = (
    "`fib(30)`, and eight programs of pyperformance, each for about a second, timed from inside: one test each under "
    "`pytest --timeline`, with its collector; the others in a process of their own. The set has the median of its "
    "programs' in one round. `--timeline-full` records every call."
)


def measure(count: int) -> list[Row]:
    """Run every program under every recorder that is installed, `count` rounds."""
    peers = [name for name in ("viztracer", "trace0") if importlib.util.find_spec(name)]
    peers.append("cprofile")
    rows = []
    over: dict[str, dict[str, list[float]]] = {}
    programs = ["fib", *(LOOPS if importlib.util.find_spec("pyperformance") else ())]
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "pytest.ini").write_text("[pytest]\n")
        for program in programs:
            taken = rounds(variants(program, directory, peers), count)
            bare = taken.pop("bare")
            over[program] = {name: ratios(values, bare) for name, values in taken.items()}
            for name, values in over[program].items():
                aim = 1.3 if program == "fib" and name == "timeline" and sys.version_info >= (3, 12) else None
                rows.append(row(f"{'fib(30)' if program == 'fib' else program}, {name} / bare", values, "x", aim))
    for name in over["fib"] if len(programs) > 1 else ():
        medians = [statistics.median(over[program][name][i] for program in LOOPS) for i in range(count)]
        aim = 1.1 if name == "timeline" and sys.version_info >= (3, 12) else None
        rows.append(row(f"pyperformance's, {name} / bare", medians, "x", aim))
    return rows


def variants(program: str, directory: Path, peers: list[str]) -> dict[str, Callable[[], float]]:
    """Return how to run the program, by recorder; each gives the seconds that it took."""
    result = directory / "result"

    def alone(recorder: str) -> Callable[[], float]:
        def one_run() -> float:
            run([sys.executable, str(PROGRAM), recorder, program, str(result)], directory)
            return float(result.read_text())

        return one_run

    def ours(*options: str) -> Callable[[], float]:
        environment = {"HOT_PROGRAM": program, "HOT_RESULT": str(result)}

        def one_run() -> float:
            run(pytest_argv("-c", "pytest.ini", *options, str(PROGRAM)), directory, environment)
            return float(result.read_text())

        return one_run

    return {
        "bare": ours("-p", "no:timeline"),
        "timeline": ours("--timeline", "--timeline-dir", "timeline"),
        "timeline full": ours("--timeline", "--timeline-dir", "timeline", "--timeline-full"),
        **{name: alone(name) for name in peers},
    }
