"""One recorded Python call over bare, against the floor and against other recorders."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import Row, pytest_argv, ratios, rounds, row, run

HERE = Path(__file__).parent
PROGRAM = HERE / "programs" / "calls.py"
TITLE = "One recorded call"
NOTE = (
    "A call of an empty Python function and its return, less the same call unrecorded. The floor is a C callback that "
    "reads the clock and stores 16 bytes. Each recorder runs in a process of its own; ours under `pytest --timeline "
    "--timeline-full`, with its collector."
)


def build_floor(target: Path) -> None:
    """Compile the extension module `floor` into `target`."""
    from setuptools import Distribution, Extension

    extension = Extension("floor", [str(HERE / "floor" / "floor.c")])
    command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
    command.build_lib = str(target)
    command.build_temp = str(target / "temp")
    command.ensure_finalized()
    command.run()


def measure(count: int) -> list[Row]:
    """Run every recorder that is installed, `count` rounds."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        result = directory / "result"
        environment = {"PYTHONPATH": scratch, "CALLS_RESULT": str(result)}
        build_floor(directory)

        def alone(recorder: str) -> Callable[[], float]:
            def one_run() -> float:
                run([sys.executable, str(PROGRAM), recorder, str(result)], directory, environment)
                return float(result.read_text())

            return one_run

        def ours(*options: str) -> Callable[[], float]:
            def one_run() -> float:
                run(pytest_argv("-c", "pytest.ini", *options, str(PROGRAM)), directory, environment)
                return float(result.read_text())

            return one_run

        (directory / "pytest.ini").write_text("[pytest]\n")
        variants: dict[str, Callable[[], float]] = {
            "bare": alone("bare"),
            "floor": alone("floor"),
            "timeline": ours("--timeline", "--timeline-full", "--timeline-dir", "timeline"),
        }
        if importlib.util.find_spec("viztracer"):
            variants["viztracer"] = alone("viztracer")
            variants["viztracer-no-c"] = alone("viztracer-no-c")
        if importlib.util.find_spec("trace0"):
            variants["trace0"] = alone("trace0")
        variants["cprofile"] = alone("cprofile")
        taken = rounds(variants, count)

    bare = taken.pop("bare")
    over = {name: [value - base for value, base in zip(values, bare, strict=True)] for name, values in taken.items()}
    monitoring = sys.version_info >= (3, 12)
    rows = [row(f"{name}, over bare", values, "ns") for name, values in over.items()]
    rows.append(row("timeline / floor", ratios(over["timeline"], over["floor"]), "x", 1.15 if monitoring else None))
    for name in [name for name in over if name not in ("timeline", "floor")]:
        target = {"viztracer": 0.55 if monitoring else 0.6}.get(name)
        rows.append(row(f"timeline / {name}", ratios(over["timeline"], over[name]), "x", target))
    return rows
