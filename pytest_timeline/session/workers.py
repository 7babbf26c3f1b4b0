"""The controller's end of the channels to its pytest-xdist workers.

A worker says whether it is recorded. One on another host sends its spools in segments, which are kept in the run's
spool directory as they come, for the collector; and it asks for the time.

    from the worker   ("local",)  ("remote",)  ("unrecorded", reason)  ("cut short", reason)
                      ("ping", its tick)  ("sample", its tick, the tick it was told, its tick then)  ("segment", bytes)
    to the worker     ("pong", its tick, the tick here)
"""

from __future__ import annotations

import os
import sys
from typing import Any

from pytest_timeline import _recorder, spooldir
from pytest_timeline.session.channel import guard

END = None  # no message is


class Workers:
    """All workers of the run whose spool directory is `spool` and whose clock is `clock`."""

    def __init__(self, spool: str, clock: int) -> None:
        self._spool = spool
        self._clock = clock
        self._workers: dict[str, Worker] = {}

    def add(self, node: Any) -> None:
        """Offer the worker that pytest-xdist is about to start to record it."""
        try:
            guard(node.gateway)
            channel = node.gateway.newchannel()
        except (OSError, AttributeError):  # it is dead already, or this is no execnet that we know
            return
        worker = Worker(os.path.join(self._spool, node.gateway.id + spooldir.REMOTE), self._clock, channel)
        self._workers[node.gateway.id] = worker
        node.workerinput["timeline"] = {
            "version": spooldir.VERSION,
            "byteorder": sys.byteorder,
            "spool": os.fsencode(self._spool),  # a path may be no text
            "pid": os.getpid(),
            "channel": channel,
        }

    def ready(self, node: Any) -> None:
        """The worker runs; it said before whether it is recorded, if it knows of us at all."""
        worker = self._workers.get(node.gateway.id)
        if worker is not None and not worker.heard:
            worker.reason = "pytest-timeline is not installed there, or another version"

    def warnings(self) -> list[str]:
        """Return what the run should say of workers whose tests are not recorded."""
        names: dict[str, list[str]] = {}
        for name, worker in self._workers.items():
            if worker.reason:
                names.setdefault(worker.reason, []).append(name)
        return [f"tests of {', '.join(names[reason])} are missing: {reason}" for reason in names]


class Worker:
    """One worker. `reason` says why its tests, or the last of them, are not recorded."""

    def __init__(self, directory: str, clock: int, channel: Any) -> None:
        self.heard = False
        self.reason: str | None = None
        self._directory = directory
        self._clock = clock
        self._channel = channel
        self._segments = 0
        channel.setcallback(self._receive, END)

    def _receive(self, message: tuple[Any, ...] | None) -> None:
        """Called in execnet's own thread, which must not wait, and where nobody handles an exception."""
        tick = _recorder.now(self._clock)
        try:
            if message is END:
                self._keep(b"")
            elif message[0] == "ping":
                self._channel.send(("pong", message[1], tick))
            else:
                self._take(*message)
        except Exception as error:
            self.reason = self.reason or f"what they sent could not be kept ({getattr(error, 'strerror', 0) or error})"

    def _take(self, kind: str, *what: Any) -> None:
        self.heard = True
        if kind == "segment":
            self._keep(what[0])
        elif kind == "sample":
            with open(os.path.join(self._directory, spooldir.CLOCK), "a", encoding="ascii") as file:
                file.write("{} {} {}\n".format(*map(int, what)))
        elif kind == "remote":
            os.mkdir(self._directory)
        elif kind in ("unrecorded", "cut short"):
            self.reason = str(what[0])

    def _keep(self, data: bytes) -> None:
        """Keep the segment; an empty one is the last."""
        if not os.path.isdir(self._directory):  # it is on this host, or not recorded
            return
        self._segments += 1
        name = spooldir.segment(self._segments)
        draft = os.path.join(self._directory, f".{name}")
        with open(draft, "wb") as file:
            file.write(data)
        os.replace(draft, os.path.join(self._directory, name))
