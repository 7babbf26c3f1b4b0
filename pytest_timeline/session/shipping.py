"""The worker's end of its channel, on another host than the controller: it sends its spools there.

A process of its own (collect/ship.py) follows the spools and packs what is written; a thread sends what is packed. It
is no thread of `threading`: a test must not see it, nor wait for it.
"""

from __future__ import annotations

import _thread
import os
import shutil
import tempfile
import time
from typing import Any

from pytest_timeline import _recorder, spooldir
from pytest_timeline.session.channel import guard
from pytest_timeline.session.collector import Collector

PAUSE = 0.05  # seconds between two looks for what is packed
PING_SECONDS = 1.0
FIRST_PINGS = 10
FIRST_PATIENCE = 5.0  # seconds to wait for the first answer
NEXT_PATIENCE = 0.2  # for all others
STUCK_SECONDS = 30.0  # without anything sent: give up


class Shipping:
    """Ships what is recorded into the directory `family`. `problem` says what went wrong, if anything did."""

    def __init__(self, channel: Any, worker: str, settings: list[tuple[str, str]]) -> None:
        """Begin it. Raises OSError."""
        self.problem: str | None = None
        self._channel = channel
        self._clock = _recorder.choose_clock()
        self._answers = 0
        self._sent = 0  # segments
        self._last = False  # all is packed
        self._running = False
        self._directory = os.path.abspath(tempfile.mkdtemp(prefix="pytest-timeline-"))
        self.family = os.path.join(self._directory, worker)
        self._out = os.path.join(self._directory, spooldir.OUT)
        os.mkdir(self._out)
        own = [("version", str(spooldir.VERSION)), ("pid", str(os.getpid())), ("clock", str(self._clock))]
        own.append(("family", worker))
        spooldir.write_settings(os.path.join(self._directory, spooldir.SETTINGS), own + settings)
        self._collector = Collector(self._directory, "collect.ship", "the process that ships the records")
        try:
            guard(channel.gateway)
            channel.send(("remote",))
            channel.setcallback(self._receive)
            self._compare_clocks()
            self._collector.start()
            if self._collector.problem:
                raise OSError(self._collector.problem)
        except BaseException:
            self._close()
            raise
        self._running = True
        _thread.start_new_thread(self._run, ())

    def stop(self) -> None:
        """Return when all is sent, or never will be."""
        if not self._directory:
            return
        self._collector.wait(lambda done, total: None)
        self.problem = self.problem or self._collector.problem
        self._last = True
        sent, since = self._sent, time.monotonic()
        while self._running and time.monotonic() - since < STUCK_SECONDS:
            time.sleep(0.005)
            if self._sent != sent:
                sent, since = self._sent, time.monotonic()
        if self._running:
            self.problem = "the controller does not take what is sent"
        self._close()

    def _close(self) -> None:
        self._collector.close()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory = ""

    def _compare_clocks(self) -> None:
        """Ask for the time, while nothing else goes on. Raises OSError when nobody answers."""
        start = time.monotonic()
        for asked in range(1, FIRST_PINGS + 1):
            self._ping()
            while self._answers < asked:
                waited = time.monotonic() - start
                if waited > (NEXT_PATIENCE if self._answers else FIRST_PATIENCE):
                    if not self._answers:
                        raise TimeoutError("the controller does not tell the time")
                    return
                time.sleep(0.0005)

    def _ping(self) -> None:
        self._channel.send(("ping", _recorder.now(self._clock)))

    def _receive(self, message: tuple[str, int, int]) -> None:
        """Called in execnet's thread with a pong."""
        tick = _recorder.now(self._clock)
        self._channel.send(("sample", message[1], message[2], tick))
        self._answers += 1

    def _run(self) -> None:
        try:
            pinged = time.monotonic()
            while True:
                last = self._last  # asked before it looks: what is there then is all
                self._send()
                if last:
                    break
                time.sleep(PAUSE)
                if time.monotonic() - pinged > PING_SECONDS:
                    pinged = time.monotonic()
                    self._ping()
        except Exception as error:
            self.problem = f"what was recorded could not be sent ({error})"
        finally:
            self._running = False

    def _send(self) -> None:
        """Send the segments that are there, in their order."""
        while True:
            path = f"{self._out}{os.sep}{spooldir.segment(self._sent + 1)}"
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except FileNotFoundError:
                return
            os.unlink(path)
            self._channel.send(("segment", data))
            self._sent += 1
