"""The one change to somebody else's object: a connection of execnet that several threads may write to."""

from __future__ import annotations

import _thread
from typing import Any


def guard(gateway: Any) -> None:
    """Let only one thread at a time write to the gateway's connection.

    A pipe's file object sees to that itself. A socket does not, and a message in the midst of another ends the run.
    Raises AttributeError where execnet is not as we know it.
    """
    io = gateway._io
    if not hasattr(io, "sock"):
        return
    write, lock = io.write, _thread.RLock()  # a signal's handler may write, too

    def write_alone(data: bytes) -> None:
        with lock:
            write(data)

    io.write = write_alone
