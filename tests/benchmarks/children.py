"""What children cost: the `.pth` line in a Python that is not recorded, the start of one that is, and many of them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import Row, pytest_argv, ratios, rounds, row, run

ROOT = Path(__file__).resolve().parents[2]
LINE = ROOT / "ext" / "pytest_timeline.pth"
STARTS = 40  # of a Python, in a round: too short to be timed alone
TITLE = "Children"
NOTE = (
    "The `.pth` line in a Python that is not recorded, over one that holds a comment, in the same environment; a start "
    "of a Python that is recorded, over one that is not; and a test that starts 200 children, over the same without "
    "`--timeline`. A start is the mean of neighbours in one round."
)
SUITES = {
    "200 programs": """
import subprocess, sys
def test_programs():
    for _ in range(200):
        assert subprocess.call([sys.executable, "-c", "pass"]) == 0
""",
    "200 forks": """
import os
def test_forks():
    for _ in range(200):
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
""",
}


def start(python: Path, environment: dict[str, str]) -> float:
    """Return how long it takes to start this Python and to see its end, in microseconds."""
    before = time.perf_counter()
    subprocess.run([python, "-c", "pass"], env=environment, check=True)
    return (time.perf_counter() - before) * 1e6


def difference(a: Callable[[], float], b: Callable[[], float]) -> float:
    """Return the median of `a` less its neighbour `b`, over many pairs in turn."""
    differences = []
    for number in range(STARTS):
        if number % 2:
            before = b()
            differences.append(a() - before)
        else:
            after = a()
            differences.append(after - b())
    return sorted(differences)[STARTS // 2]


def measure(count: int) -> list[Row]:
    """Compare starts in pairs, and the suites with and without, `count` rounds."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_TIMELINE")}
        pythons = {name: environment(directory / name) for name in ("line", "comment")}
        for name, (_, site) in pythons.items():
            text = LINE.read_text(encoding="utf-8") if name == "line" else "# nothing\n"
            (site / "pytest_timeline.pth").write_text(text, encoding="utf-8")
        lines = (
            functools.partial(start, pythons["line"][0], bare),
            functools.partial(start, pythons["comment"][0], bare),
        )

        family = spool(directory / "timeline")
        recorded = {**bare, "PYTEST_TIMELINE_SPOOL": str(family)}
        python = Path(sys.executable)

        def traced() -> float:
            taken = start(python, recorded)
            for file in family.iterdir():
                file.unlink()
            return taken

        taken = rounds(
            {
                "line": functools.partial(difference, *lines),
                "start": lambda: difference(traced, functools.partial(start, python, bare)) / 1000,
            },
            count,
        )
        rows = [
            row("the `.pth` line, not recorded", taken["line"], "us", 50),
            row("start of a recorded Python, over bare", taken["start"], "ms", 3),
        ]
        for name, source in SUITES.items():
            place = directory / name.replace(" ", "-")
            place.mkdir()
            (place / "pytest.ini").write_text("[pytest]\n")
            (place / "test_it.py").write_text(source)
            walls = rounds(
                {
                    "bare": functools.partial(run, pytest_argv("-p", "no:timeline"), place),
                    "recorded": functools.partial(run, pytest_argv("--timeline"), place),
                },
                count,
            )
            rows.append(row(f"{name}, bare", walls["bare"], "s"))
            rows.append(row(f"{name}, timeline / bare", ratios(walls["recorded"], walls["bare"]), "x"))
        return rows


def environment(place: Path) -> tuple[Path, Path]:
    """Make a virtual environment without pip; return its Python and its site-packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return python, Path(subprocess.check_output([python, "-c", where], text=True).strip())


def spool(place: Path) -> Path:
    """Make a family's directory with the settings that a run leaves for its children."""
    from pytest_timeline import _recorder, spooldir

    family = place / spooldir.DIRECTORY / "main"
    family.mkdir(parents=True)
    own = [("version", str(spooldir.VERSION)), ("clock", str(_recorder.choose_clock())), ("c_calls", "auto")]
    spooldir.write_settings(str(family.parent / spooldir.SETTINGS), own)
    return family
