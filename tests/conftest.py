"""Runs real pytest in a subprocess and reads what it left."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run pytest with the given arguments in the pytester directory; nothing of the outer run reaches it."""
    for name in [name for name in os.environ if name.startswith(("PYTEST_TIMELINE", "PYTEST_XDIST", "PYTEST_ADDOPTS"))]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **environment: str) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=pytester.path,
            env={**os.environ, **environment},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
            check=False,
        )
        return Run(pytester.path, done.returncode, done.stdout, done.stderr)

    return run
