"""The collector process, as the plugin sees it: started with the run, waited for at its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from pytest_timeline import _recorder, spooldir
from pytest_timeline.spooldir import StatusPage

STALE_NS = 5_000_000_000
SHORT_POLL, LONG_POLL = 0.001, 0.05  # seconds; in between, a tenth of what was waited so far


class Collector:
    """Follows the spool `spool`; `problem` says what went wrong with it, if anything did.

    The same goes for another `program` of the collector's wing, which people know as `name`.
    """

    def __init__(self, spool: str, program: str = "collect.follow", name: str = "the collector") -> None:
        """Make the status page. Raises OSError."""
        self._spool = spool
        self._program = program
        self._name = name
        self._page = StatusPage(os.path.join(spool, spooldir.STATUS), create=True)
        self._page["heartbeat"] = time.monotonic_ns()  # until the collector's own: the spool is in use
        self._pid = 0
        self.problem: str | None = None

    def start(self) -> None:
        """Start the process; failing to is a problem to report at the end, not an error."""
        argv = spooldir.command(self._spool, self._program)
        try:
            if sys.platform == "win32":
                flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
                null = subprocess.DEVNULL
                self._pid = subprocess.Popen(argv, creationflags=flags, stdin=null, stdout=null, stderr=null).pid
            else:
                self._pid = _recorder.spawn_detached([os.fsencode(word) for word in argv])
        except OSError as error:
            self.problem = f"{self._name} did not start ({error.strerror or error})"

    def wait(self, progress: Callable[[int, int], None]) -> None:
        """Return when the timelines are written or never will be; call `progress(done, total)` now and then."""
        self._page["finish"] = StatusPage.OVER
        if self.problem is not None:
            return
        start = time.monotonic()
        try:
            while (state := self._page["state"]) not in (StatusPage.DONE, StatusPage.FAILED):
                if not self._alive():
                    if self._page["state"] != StatusPage.DONE:
                        self.problem = self._gone()
                        self._page["heartbeat"] = 0  # the spool is nobody's now
                    return
                progress(self._page["done"], self._page["total"])
                time.sleep(min(max((time.monotonic() - start) / 10, SHORT_POLL), LONG_POLL))
            if state == StatusPage.FAILED:
                self.problem = f"{self._name} failed: {self._page.reason or 'it does not say why'}"
        except KeyboardInterrupt:
            self.problem = f"interrupted, {self._name} goes on by itself"

    def abandon(self) -> None:
        """Have the process end without a word: there is no run."""
        self._page["finish"] = StatusPage.ABANDONED
        self._page["heartbeat"] = 0  # the spool is nobody's now
        if self._pid and self._page["state"] == StatusPage.STARTING and sys.platform != "win32":
            with suppress(OSError):  # it may come to open the spool by its path, where the next run's is by then
                os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        self._page.close()

    def _gone(self) -> str:
        """Say what went with the collector."""
        if not os.path.isdir(self._spool):
            return f"{self._name} is gone, and so is the spool: a test removed it"
        if self._page["state"] == StatusPage.STARTING:
            return f"{self._name} is gone"
        return f"{self._name} is gone, and with it what it had read and not yet written"

    def _alive(self) -> bool:
        if self._page.silence() > STALE_NS:
            return False
        if sys.platform == "win32":
            return True
        try:
            # Only when pytest is process 1 or a subreaper is the collector its child, and then it must be reaped.
            return os.waitpid(self._pid, os.WNOHANG)[0] == 0
        except ChildProcessError:
            pass
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True
