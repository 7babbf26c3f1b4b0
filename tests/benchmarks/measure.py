"""Runs things in turn, round after round, and turns what they took into ratios within each round.

A ratio of two neighbours in time is steady where the times themselves drift with the machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-timeline-benchmarks"


@dataclass(frozen=True)
class Row:
    """One line of a table: the median over all rounds, its extremes, and the target where there is one."""

    what: str
    value: float
    low: float
    high: float
    unit: str
    target: float | None = None  # at most; at least when `more_is_better`
    more_is_better: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def row(what: str, values: Sequence[float], unit: str, target: float | None = None, *, more: bool = False) -> Row:
    """Sum up the rounds' `values`."""
    return Row(what, statistics.median(values), min(values), max(values), unit, target, more)


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Divide round by round."""
    return [a / b for a, b in zip(over, under, strict=True)]


def rounds(variants: Mapping[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """Run each variant once a round, `count` rounds, forwards and backwards in turn, and return what each gave."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(count):
        names = list(variants)
        for name in names if number % 2 == 0 else reversed(names):
            print(f"  round {number + 1}/{count}: {name}", file=sys.stderr, flush=True)
            taken[name].append(variants[name]())
    return taken


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None, ok: Sequence[int] = (0,)) -> float:
    """Run a command to its end and return its wall time in seconds.

    Raises RuntimeError, with the command's output, when its exit status is not in `ok`.
    """
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # few users set it
    with tempfile.TemporaryFile() as output:
        before = time.perf_counter()
        status = subprocess.run(
            argv, cwd=cwd, env={**ours, **(env or {})}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ).returncode
        wall = time.perf_counter() - before
        if status not in ok:
            output.seek(0)
            text = output.read().decode(errors="replace")
            raise RuntimeError(f"{' '.join(argv)}: exit status {status}\n{text[-4000:]}")
    return wall


def pytest_argv(*arguments: str) -> list[str]:
    """A pytest run without a cache, and with no other plugin than ours."""
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


def size(directory: Path) -> int:
    """Return how many bytes the files below `directory` hold."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
