"""A suite of empty tests: what the plugin itself costs, switched off and on."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from measure import Row, pytest_argv, ratios, rounds, row, run

TITLE = "Empty tests"
NOTE = "Wall time of a `pytest -q` run over the same run with the plugin blocked (`-p no:timeline`)."


def measure(count: int, tests: int = 10_000) -> list[Row]:
    """Run a file of `tests` empty tests with the plugin blocked, installed, and enabled."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "pytest.ini").write_text("[pytest]\n")
        (directory / "test_empty.py").write_text(
            "\n\n".join(f"def test_{number}():\n    pass\n" for number in range(tests))
        )
        variants = {
            name: functools.partial(run, pytest_argv(*options), directory)
            for name, options in {
                "blocked": ["-p", "no:timeline"],
                "installed": [],
                "enabled": ["--timeline"],
            }.items()
        }
        taken = rounds(variants, count)
    label = f"{tests:,} tests"
    return [
        row(f"{label}, blocked", taken["blocked"], "s"),
        row(f"{label}, installed / blocked", ratios(taken["installed"], taken["blocked"]), "x", 1.02),
        row(f"{label}, enabled / blocked", ratios(taken["enabled"], taken["blocked"]), "x", 1.15),
    ]
