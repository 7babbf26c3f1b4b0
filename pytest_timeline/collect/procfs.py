"""What Linux's /proc tells of processes that are not ours; nothing elsewhere, or where it is hidden."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

LINUX = sys.platform == "linux"
PAGE = os.sysconf("SC_PAGE_SIZE") if LINUX else 0
OVER = ("Z", "X")  # states of a process that has ended
MANY_THREADS = 64  # only so many of a process are asked for their children: one file each


def children(pid: int) -> Iterator[int]:
    """Yield the pids of a process's children."""
    if not LINUX:
        return
    try:
        threads = os.listdir(f"/proc/{pid}/task")[:MANY_THREADS]
    except OSError:
        return
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found = file.read().split()
        except OSError:
            continue
        yield from map(int, found)


def command(pid: int) -> bytes:
    """Return the command line, words separated by NUL; b"" when it is not known."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0")
    except OSError:
        return b""


def stat(pid: int) -> list[str]:
    """Return the fields of the process's `stat` after its name, from its state on; none when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return []


def runs(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    fields = stat(pid)
    return bool(fields) and fields[0] not in OVER


def age(pid: int) -> float | None:
    """Return for how many seconds the process has existed, to a hundredth; None when that is not known."""
    fields = stat(pid)
    try:
        with open("/proc/uptime", "rb") as file:
            uptime = float(file.read().split()[0])
        return max(0.0, uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, IndexError, ValueError):
        return None


class Resident:
    """The memory of a process that is in RAM; the file stays that process's, also when its pid is given anew."""

    def __init__(self, pid: int) -> None:
        self._file = -1
        if LINUX:
            with contextlib.suppress(OSError):
                self._file = os.open(f"/proc/{pid}/statm", os.O_RDONLY)

    def bytes(self) -> int:
        """Return how much it is; 0 when the process is gone, or nobody tells."""
        if self._file < 0:
            return 0
        try:
            return int(os.pread(self._file, 100, 0).split()[1]) * PAGE
        except (OSError, IndexError, ValueError):
            return 0

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
