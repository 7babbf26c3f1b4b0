"""Whether a process that is not our child still runs."""

from __future__ import annotations

import os
import select
import sys


def start_time(pid: int) -> str | None:
    """Return when the process started, in a form good for comparing; None when it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


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
            return
        self._start = start_time(pid)
        self._gone = self._start is None
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
