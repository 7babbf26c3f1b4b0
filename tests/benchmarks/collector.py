"""What a run's collector and its spools take, as the system has it: memory, processor time, disk. On Linux."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Taken:
    """By the collector, at most or in all; zeros where none was seen."""

    memory: int = 0  # bytes, resident
    seconds: float = 0  # of processor time
    spool: int = 0  # bytes


class Watch:
    """Watches the collector of a run into `directory`, until `end`; seldom, for it is measured meanwhile."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._taken = Taken()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> Taken:
        self._over.set()
        self._thread.join()
        return self._taken

    def _run(self) -> None:
        found: Path | None = None
        while not self._over.wait(0.1):
            if found is None:
                found = next(filter(self._is_collector, Path("/proc").glob("[0-9]*")), None)
            if found is not None:
                self._look(found)
            self._taken.spool = max(self._taken.spool, sum(map(_size, (self._directory / ".spool").glob("*/*.spool"))))

    def _is_collector(self, process: Path) -> bool:
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            return False
        return b"collect.follow" in command and str(self._directory).encode() in command

    def _look(self, process: Path) -> None:
        try:
            status = (process / "status").read_text().splitlines()
            times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        except OSError:
            return
        memory = (int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
        self._taken.memory = max(self._taken.memory, next(memory, 0))
        self._taken.seconds = sum(map(int, times)) / TICKS


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
