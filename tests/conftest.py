"""Runs real pytest in a subprocess and reads what it left."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # under nohup; what the tests start would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Run:
    """One finished pytest in `directory`."""

    directory: Path
    ret: int
    stdout: str
    stderr: str

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.directory / "timeline" / "run.json").read_text(encoding="utf-8"))

    @property
    def tests(self) -> dict[str, dict[str, Any]]:
        """The manifest's tests by the last part of their node ids; a rerun's has "#1" and so on."""
        return {
            test["nodeid"].split("::", 1)[-1] + (f"#{test['rerun']}" if test["rerun"] else ""): test
            for test in self.manifest["tests"]
        }

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: test["outcome"] for name, test in self.tests.items()}


def environment() -> dict[str, str]:
    """Return this process's environment without what an outer run put there, and without plugins that load slowly."""
    ours = ("PYTEST_TIMELINE", "PYTEST_XDIST", "PYTEST_ADDOPTS")
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return theirs | {"PYTEST_ADDOPTS": "-p no:anyio -p no:asyncio -p no:trio"}


def run_in(directory: Path, *arguments: str, **extra: str) -> Run:
    """Run pytest with the given arguments in `directory`; nothing of the outer run reaches it."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=directory,
        env={**environment(), **extra},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=False,
    )
    return Run(directory, done.returncode, done.stdout, done.stderr)


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run pytest in the pytester directory."""
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)
    return functools.partial(run_in, pytester.path)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run pytest on files given by name, for all tests of a module: `run_once({"test_a.py": ...}, *arguments)`."""

    def run(files: dict[str, str], *arguments: str, **extra: str) -> Run:
        directory = tmp_path_factory.mktemp("run")
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
        return run_in(directory, *arguments, **extra)

    return run
