"""Real pytest in a subprocess, and what it leaves."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# Plugins that load slowly or change the order, blocked but where a test asks for them.
BLOCKED = ("anyio", "asyncio", "benchmark", "hypothesispytest", "pytest_cov", "randomly", "timeout", "trio")

# Beginnings of the names of what an outer run and a CI set: pytest and hypothesis go other ways in a CI.
OUTER = ("PYTEST_TIMELINE", "PYTEST_XDIST", "PYTEST_ADDOPTS", "CI", "BUILD_NUMBER", "GITHUB_")


@dataclasses.dataclass
class Run:
    """One finished pytest in `directory`."""

    directory: Path
    ret: int
    stdout: str
    stderr: str

    def wait_for_the_collector(self) -> None:
        """Wait until all is written of a run that died."""
        deadline = time.monotonic() + 300
        while (self.directory / "timeline" / ".spool").exists():
            assert time.monotonic() < deadline, "the collector did not finish"
            time.sleep(0.01)

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


def environment(*wanted: str) -> dict[str, str]:
    """Return this process's environment without what an outer run put there, for a pytest with those plugins."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OUTER)}
    return kept | {"PYTEST_ADDOPTS": without(*wanted)}


def without(*wanted: str) -> str:
    """Return the options that block plugins, but not those that are `wanted`."""
    return " ".join(f"-p no:{name}" for name in BLOCKED if name not in wanted)


def run_in(directory: Path, *arguments: str, **extra: str) -> Run:
    """Run pytest with the given arguments in `directory`; nothing of the outer run reaches it."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=directory,
        env={**environment(), **extra},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=600,
        check=False,
    )
    return Run(directory, done.returncode, done.stdout, done.stderr)
