"""Makes the pictures of the report in this directory: `python docs/images/make.py`, where the package is installed with
its `test` extra and a Chromium is at hand. The other pictures here are of the Perfetto UI, by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parent
ROOT = IMAGES.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import chromium  # noqa: E402

SUITES = ("tour", "example")
WIDE, NARROW = (1600, 1000), (375, 800)


def main() -> None:
    binary = chromium.find()
    if binary is None:
        sys.exit("no Chromium here: install it, or name it in BROWSER_BINARY")
    with tempfile.TemporaryDirectory() as scratch, chromium.running(binary) as running:
        tour, failing = (record(Path(scratch) / "pytest-timeline" / name, ROOT / "docs" / name) for name in SUITES)
        take(running, tour["index"], "tour-run", WIDE)
        take(running, tour["test_cpu.py::test_three_threads"], "tour-threads", WIDE)
        take(running, tour["test_cpu.py::test_three_processes"], "tour-processes-dark", WIDE, dark=True)
        take(running, failing["index"], "failing-run", WIDE)
        test = failing["test_orders.py::test_concurrent_capture"]
        take(running, test, "failing", WIDE)
        take(running, test, "failing-dark", WIDE, dark=True)
        take(running, test, "failing-375", NARROW, touch=True)


def record(directory: Path, suite: Path) -> dict[str, Path]:
    """Run a copy of the suite; return its pages: of the run as "index", of each test by its node id."""
    shutil.copytree(suite, directory, ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = {**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:randomly"}
    subprocess.run([sys.executable, "-P", "-m", "pytest", "--timeline"], cwd=directory, env=environment, check=False)
    output = directory / "timeline"
    tests = json.loads((output / "run.json").read_bytes())["tests"]
    return {"index": output / "index.html", **{test["nodeid"]: output / test["files"]["html"] for test in tests}}


def take(
    running: chromium.Chromium,
    page: Path,
    name: str,
    size: tuple[int, int],
    *,
    dark: bool = False,
    touch: bool = False,
) -> None:
    shown = running.page(*size, dark=dark, touch=touch)
    shown.open(page)
    shown.frame()
    shown.screenshot(IMAGES / f"{name}.png")
    shown.close()


if __name__ == "__main__":
    main()
