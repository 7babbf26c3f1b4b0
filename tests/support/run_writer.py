"""A run's spool directory, as the plugin and the traced processes would leave it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pytest_timeline import spooldir
from support import spool_writer as w


def gone_pid() -> int:
    """Return the pid of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


class RunWriter:
    """One run. Ticks are nanoseconds after its start, on the monotonic clock."""

    def __init__(self, directory: Path, *, pid: int | None = None, **settings: Any) -> None:
        self.directory = directory
        self.spool_dir = directory / spooldir.DIRECTORY
        self.spool_dir.mkdir(parents=True)
        self.pid = gone_pid() if pid is None else pid
        self.start = time.monotonic_ns() - 10**9
        lines = [("version", "1"), ("directory", str(directory)), ("pid", str(self.pid)), ("clock", "1")]
        for key, value in {"format": ["perfetto", "chrome"], **settings}.items():
            lines += [(key, str(each)) for each in (value if isinstance(value, list) else [value])]
        spooldir.write_settings(str(self.spool_dir / spooldir.SETTINGS), lines)
        self.status = spooldir.StatusPage(str(self.spool_dir / spooldir.STATUS), create=True)

    def process(self, family: str = "main", *, tick: int = 0, pid: int | None = None, **header: Any) -> Process:
        """Begin the spool of a process."""
        directory = self.spool_dir / family
        directory.mkdir(exist_ok=True)
        return Process(directory, self.start + tick, self.start, self.pid if pid is None else pid, **header)


class Process:
    def __init__(self, directory: Path, start: int, origin: int, pid: int, **header: Any) -> None:
        self.name = f"{pid}-{start:x}{spooldir.SUFFIX}"
        self.origin = origin
        self.writer = w.SpoolWriter(directory / self.name, pid=pid, start=start, **header)

    def mark(self, tick: int, code: int, **what: Any) -> None:
        self.writer.mark(self.origin + tick, code, **what)

    def call(self, start: int, end: int | None, id: int = 1, depth: int = 5, thread: int = 0) -> None:
        """A call of function `id`; without an end it is still open."""
        self.writer.record(self.origin + start, w.START, depth, id, thread)
        if end is not None:
            self.writer.record(self.origin + end, w.RETURN, depth, id, thread)

    def name_code(self, id: int, name: str) -> None:
        self.writer.code(self.origin + 1, id, name)

    def test(self, start: int, end: int | None, nodeid: str, outcome: str = "passed", **begin: Any) -> None:
        """A test with one call inside; without an end it is still open."""
        self.mark(start, w.TEST_BEGIN, nodeid=nodeid, **{"rerun": 0, **begin})
        self.call(start + 10, None if end is None else end - 10)
        if end is not None:
            self.mark(end, w.TEST_END, outcome=outcome, phases={"call": (end - start) / 1e9})
