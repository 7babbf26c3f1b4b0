"""Makes the pictures of the report in this directory: `python docs/images/make.py`, where the package is installed with
its `test` extra and a Chromium is at hand. The other pictures here are of the Perfetto UI, by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parent
ROOT = IMAGES.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import chromium  # noqa: E402

WIDE, NARROW = (1600, 1000), (375, 800)


def main() -> None:
    binary = chromium.find()
    if binary is None:
        sys.exit("no Chromium here: install it, or name it in BROWSER_BINARY")
    with tempfile.TemporaryDirectory() as scratch, chromium.running(binary) as running:
        tour, failing = (record(Path(scratch) / name, ROOT / "docs" / name) for name in ("tour", "example"))
        take(running, tour["index"], "tour-run", WIDE)
        take(running, tour["test_three_threads"], "tour-threads", WIDE)
        take(running, tour["test_three_processes"], "tour-processes-dark", WIDE, dark=True)
        take(running, failing["index"], "failing-run", WIDE)
        take(running, failing["test_concurrent_capture"], "failing", WIDE)
        take(running, failing["test_concurrent_capture"], "failing-dark", WIDE, dark=True)
        take(running, failing["test_concurrent_capture"], "failing-375", NARROW, touch=True)


def record(directory: Path, suite: Path) -> dict[str, Path]:
    """Run the suite; return its pages: of the run as "index", of each test by its function's name."""
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeline"]
    subprocess.run([*command, f"--timeline-dir={directory}", str(suite)], cwd=ROOT, check=False)
    tests = json.loads((directory / "run.json").read_bytes())["tests"]
    pages = {test["nodeid"].rpartition("::")[2]: directory / test["files"]["html"] for test in tests}
    return {"index": directory / "index.html", **pages}


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
