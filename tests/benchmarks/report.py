"""Keeps the figures of every interpreter in docs/performance.json and renders docs/performance.md from them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measure import Row

DOCS = Path(__file__).resolve().parents[2] / "docs"
DATA = DOCS / "performance.json"
PAGE = DOCS / "performance.md"
LIMITS = Path(__file__).parent / "limits.md"  # written by hand
PACKAGES = ("pytest-timeline", "pytest", "viztracer", "trace0")
HEAD = """# Performance

Written by the benchmarks from `performance.json` and their `limits.md`; do not change it by hand. To measure again, on
a machine that does nothing else:

    .venv/bin/pip install '.[bench]' && .venv/bin/python tests/benchmarks --all

Every figure is a ratio or a difference of neighbours: variants run in turn, round after round, and a ratio is taken
within its round. Shown is the median, with the extremes of the rounds in brackets; bold is what misses its target.
"""


def machine() -> dict[str, str]:
    """Say where and with what the figures are taken."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}, {processor()}, {os.cpu_count()} cores",
        "versions": ", ".join(versions),
    }


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def save(figure: str, title: str, note: str, rows: Sequence[Row]) -> None:
    """Put a figure's rows in the place of this interpreter's older ones, and write the page anew."""
    data: dict[str, Any] = json.loads(DATA.read_bytes()) if DATA.exists() else {}
    entry = data.setdefault(figure, {"title": title, "interpreters": {}})
    entry.update(title=title, note=note)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    entry["interpreters"][version] = {**machine(), "rows": [row.as_dict() for row in rows]}
    DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(render(data), encoding="utf-8")


def render(data: dict[str, Any]) -> str:
    """Return the page: a table for each figure, with a column for each interpreter."""
    parts = [HEAD]
    for figure in data.values():
        taken = dict(sorted(figure["interpreters"].items()))
        parts.append(f"\n## {figure['title']}\n\n{figure['note']}\n\n")
        labels = dict.fromkeys(row["what"] for entry in taken.values() for row in entry["rows"])
        parts.append(f"| | {' | '.join(taken)} | target |\n|---|{'---|' * len(taken)}---|\n")
        for label in labels:
            rows = {
                version: next((row for row in entry["rows"] if row["what"] == label), None)
                for version, entry in taken.items()
            }
            parts.append(f"| {label} | {' | '.join(cell(row) for row in rows.values())} | {target(rows)} |\n")
        parts.append("\n")
        parts.extend(
            f"- {entry['python']}, {entry['date']}: {entry['versions']}; {entry['system']}\n"
            for entry in taken.values()
        )
    return "".join(parts) + "\n" + LIMITS.read_text(encoding="utf-8")


def cell(row: dict[str, Any] | None) -> str:
    """Write a figure with its extremes; bold where it misses its target."""
    if row is None:
        return "-"
    text = f"{number(row['value'])} {row['unit']}".strip()
    if missed(row):
        text = f"**{text}**"
    if row["low"] != row["high"]:
        text += f" ({number(row['low'])} to {number(row['high'])})"
    return text


def missed(row: dict[str, Any]) -> bool:
    """Tell whether a figure is on the wrong side of its target."""
    value, aim = row["value"], row["target"]
    return aim is not None and bool(value < aim if row["more_is_better"] else value > aim)


def target(rows: dict[str, dict[str, Any] | None]) -> str:
    """Write what was aimed for, where it is the same in all interpreters once, else for each."""
    aims = {
        version: f"{'>=' if row['more_is_better'] else '<='} {number(row['target'])}"
        for version, row in rows.items()
        if row is not None and row["target"] is not None
    }
    if len(set(aims.values())) <= 1:
        return next(iter(aims.values()), "")
    return ", ".join(f"{version}: {aim}" for version, aim in aims.items())


def number(value: float) -> str:
    """Write a number to three significant digits."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
