"""Runs a program under the recorder alone, in a process of its own, and reads the spool that it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from support.spool_reader import SpoolFile, read_directory

ROOT = Path(__file__).resolve().parents[2]
PROLOGUE = """\
import sys
from pytest_timeline import _recorder
def start(**options):
    _recorder.start(sys.argv[1], clock=_recorder.choose_clock(), **options)
"""


def environment() -> dict[str, str]:
    """Return an environment in which a child finds the package where this process does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def run(directory: Path, program: str, *, status: int = 0) -> dict[int, SpoolFile]:
    """Run `program` (source; it calls `start(...)` itself) and return the spools it left, by pid.

    The program runs where the package is importable the way it is in this process. `status` is the exit status
    that it must have.
    """
    directory.mkdir(exist_ok=True)
    script = directory / "program.py"
    script.write_text(PROLOGUE + textwrap.dedent(program) + "\n_recorder.stop()  # before the interpreter's own end\n")
    done = subprocess.run(
        [sys.executable, str(script), str(directory)], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return read_directory(directory)


def run_one(directory: Path, program: str, *, status: int = 0) -> SpoolFile:
    """Like `run`, for a program of one process."""
    (spool,) = run(directory, program, status=status).values()
    return spool


def spools(directory: Path) -> list[SpoolFile]:
    """Return those that are in the directory."""
    return list(read_directory(directory).values())
