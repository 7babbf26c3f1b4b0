"""Whether a process that is not our child still runs, and how it ended."""

from __future__ import annotations

import os
import select
import struct
import sys
from typing import Protocol

from pytest_timeline.collect import procfs

# pidfs_ioctl of Linux 6.15 and later (include/uapi/linux/pidfd.h): how a process ended that somebody else has reaped.
PIDFD_GET_INFO = 0xC040FF0B
PIDFD_INFO = struct.Struct("Q52xi")  # mask, what we do not ask for, exit code
PIDFD_INFO_EXIT = 8


def start_time(pid: int) -> str | None:
    """Return when the process started, in a form good for comparing; None when it is gone or a zombie."""
    fields = procfs.stat(pid)
    return None if not fields or fields[0] in procfs.OVER else fields[19]


class Life(Protocol):
    """Tells of one process whether it is gone."""

    was_alive: bool  # when the watch began

    def gone(self) -> bool: ...
    def status(self) -> int | None: ...
    def close(self) -> None: ...


class Watch:
    """Tells when the process `pid` is gone; a later process with the same pid does not mislead it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._poll: select.poll | None = None
        self._descriptor = -1
        self._gone = False
        self._start: str | None = None
        self._linux = sys.platform == "linux"
        if not self._linux:
            self._gone = not exists(pid)
            self.was_alive = not self._gone
            return
        self._start = start_time(pid)
        self._gone = self._start is None
        self.was_alive = not self._gone  # then the moment at which it is seen to be gone is soon after its end
        if not self._gone:
            try:
                self._descriptor = os.pidfd_open(pid)
            except OSError:  # refused by an old seccomp profile, out of descriptors, or gone: /proc knows
                return
            self._gone = start_time(pid) != self._start
            self._poll = select.poll()
            self._poll.register(self._descriptor, select.POLLIN)

    def gone(self) -> bool:
        if not self._gone:
            if self._poll is not None:
                self._gone = bool(self._poll.poll(0))
            elif self._linux:
                self._gone = start_time(self.pid) != self._start
            else:
                self._gone = not exists(self.pid)
        return self._gone

    def status(self) -> int | None:
        """Return how it ended, as wait() tells it; None when the system does not say, or it runs."""
        fields = procfs.stat(self.pid)
        if fields and fields[0] == "Z":
            return int(fields[49])
        if self._descriptor < 0:
            return None
        import fcntl

        info = bytearray(PIDFD_INFO.pack(PIDFD_INFO_EXIT, 0))
        try:
            fcntl.ioctl(self._descriptor, PIDFD_GET_INFO, info)
        except OSError:
            return None
        mask, status = PIDFD_INFO.unpack(info)
        return int(status) if mask & PIDFD_INFO_EXIT else None

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._poll = None


if sys.platform == "win32":

    def exists(pid: int) -> bool:
        """Whether there is a process `pid`; os.kill would end it."""
        import ctypes

        synchronize, timeout = 0x00100000, 0x102
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = kernel.OpenProcess(synchronize, False, pid)
        if not handle:
            return False
        try:
            return bool(kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == timeout)
        finally:
            kernel.CloseHandle(ctypes.c_void_p(handle))

else:

    def exists(pid: int) -> bool:
        """Whether there is a process `pid`."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
