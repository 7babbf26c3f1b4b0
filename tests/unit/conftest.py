"""A run whose spools a test writes itself, and the family that reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_timeline.collect.family import Family
from support.run_writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    return RunWriter(tmp_path / "timeline", pid=os.getpid())


@pytest.fixture
def family(run: RunWriter) -> Iterator[Family]:
    family = Family(run.spool_dir / "main")
    yield family
    family.close()
