"""The viewer's scripts that need no page, by Node's own test runner on `tests/viewer/*.test.js`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1] / "viewer"
OLDEST = 20


def missing() -> str | None:
    """Return why there is no running them, None when there is."""
    if shutil.which("node") is None:
        return "the viewer's scripts are tested with node"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return None if int(version[1:].partition(".")[0]) >= OLDEST else f"node {OLDEST} is needed, {version} is here"


def test_the_scripts() -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    files = sorted(path.name for path in TESTS.glob("*.test.js"))
    assert files
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", *files], cwd=TESTS, capture_output=True, encoding="utf-8", check=False
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0 and "\n# pass 0\n" not in done.stdout
