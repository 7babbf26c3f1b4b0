"""jinja2's own suite, from its source distribution, has the same outcomes with and without `--timeline`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.runs import environment

PROJECT = "jinja2==3.1.6"
TESTS = 909
NEEDED = ("markupsafe", "trio")  # by jinja2, and by its tests


def pip(*arguments: str) -> None:
    """Run pip; skip the test with what pip says when it cannot."""
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
        pytest.skip(f"needs pip and PyPI for jinja2's source distribution: {said[-1] if said else 'pip failed'}")


@dataclass
class Project:
    """An unpacked source distribution, and the directories that its tests import from."""

    directory: Path
    path: list[Path]

    def run(self, report: Path, *options: str) -> tuple[int, list[tuple[str, str]]]:
        """Run the tests; return the exit status, and each test's (name, outcome) in order."""
        env = environment() | {"PYTHONPATH": os.pathsep.join(map(str, self.path))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *options, "tests"],
            cwd=self.directory, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert report.exists(), done.stdout + done.stderr
        cases = [
            (
                f"{case.get('classname')}::{case.get('name')}",
                " ".join(child.tag for child in case if child.tag != "properties") or "passed",
            )
            for case in ET.parse(report).iter("testcase")
        ]
        return done.returncode, cases


@pytest.fixture(scope="module")
def jinja(tmp_path_factory: pytest.TempPathFactory) -> Project:
    directory = tmp_path_factory.mktemp("jinja2")
    pip("download", "--no-deps", "--no-binary", "jinja2", "-d", str(directory), PROJECT)
    pip("install", "--target", str(directory / "needed"), *NEEDED)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(directory, filter="data")
    source = directory / archive.name.removesuffix(".tar.gz")
    return Project(source, [source / "src", directory / "needed"])


def test_the_outcomes_are_the_same(jinja: Project, tmp_path: Path) -> None:
    status, outcomes = jinja.run(tmp_path / "without.xml")
    output = tmp_path / "timeline"
    recorded_status, recorded = jinja.run(tmp_path / "with.xml", "--timeline", f"--timeline-dir={output}")
    assert len(outcomes) == TESTS
    assert recorded == outcomes
    assert recorded_status == status

    manifest = json.loads((output / "run.json").read_bytes())
    assert manifest["warnings"] == []
    assert manifest["dropped"] == 0
    counted = Counter(outcome for _, outcome in outcomes)
    assert Counter(test["outcome"] for test in manifest["tests"]) == counted
    for suffix in ("html", "pftrace.gz"):
        assert len(list((output / "tests").glob(f"tests-*.{suffix}"))) == TESTS
    assert all(test["slices"] > 0 for test in manifest["tests"])
