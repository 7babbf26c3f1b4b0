"""The output directory: tried before any test runs, cleared of a dead run's spool, given a new one."""

from __future__ import annotations

import contextlib
import os
import shutil
import time

from pytest_timeline import outputs
from pytest_timeline.spooldir import DIRECTORY, SETTINGS, STATUS, StatusPage, is_of, read_settings

TRIAL_BYTES = 4 << 20
FRESH_SECONDS = 5.0  # a collector whose heartbeat is older is gone
PATIENCE: dict[int | None, float] = {  # seconds to wait for another run's collector, by its state
    StatusPage.STARTING: 0.5,
    StatusPage.FOLLOWING: 0.5,
    StatusPage.FINISHING: 10.0,  # that run was killed a moment ago
}


class OutputError(Exception):
    """The output directory cannot be used; the text says why and what to do."""


_ours: dict[str, bool] = {}  # spools of this process, whose sessions nest; whether the directory around it is new


def claim(directory: str) -> tuple[str, list[str]]:
    """Make `directory` ready for a run; return the path of its new spool, and warnings.

    Raises OutputError.
    """
    try:
        new = not os.path.isdir(directory)
        os.makedirs(directory, exist_ok=True)
        _try_writing(os.path.join(directory, f".timeline-{os.getpid()}"))
        spool = os.path.join(directory, DIRECTORY)
        warnings = _clear_leftover(spool, directory)
        os.mkdir(spool)
        _ours[spool] = new
    except OSError as error:
        if os.path.exists(directory) and not os.path.isdir(directory):
            reason = "is a file"
        else:
            reason = f"cannot be written to ({error.strerror or error})"
        raise OutputError(f"--timeline-dir: {directory} {reason}; name another directory with --timeline-dir") from None
    return spool, warnings


def give_up(spool: str) -> None:
    """Remove the spool of a run that came to nothing, and the directory around it if that was made for it."""
    shutil.rmtree(spool, ignore_errors=True)
    if _ours.pop(spool, False):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(spool))


def _try_writing(path: str) -> None:
    """Reserve a few MiB, for a directory on a full disk takes an empty file gladly. Raises OSError."""
    try:
        with open(path, "xb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, TRIAL_BYTES)
            else:
                file.write(bytes(TRIAL_BYTES))
    finally:
        if os.path.exists(path):
            os.unlink(path)


def _clear_leftover(spool: str, directory: str) -> list[str]:
    """Remove the spool of a run that died; return warnings. Raises OutputError when a run is still using it."""
    if not os.path.lexists(spool):
        return []
    if _state(spool) in PATIENCE and spool not in _ours and is_of(spool, os.getpid()):
        _abandon(spool)  # this process was another program, which became this one before its session
        shutil.rmtree(spool)
        return []
    start = time.monotonic()
    while (state := _state(spool)) in PATIENCE:
        if time.monotonic() - start > PATIENCE[state]:
            raise OutputError(
                f"--timeline-dir: {directory} is in use by another run (process {_owner(spool)}); wait for its end, "
                "or name another directory with --timeline-dir"
            )
        time.sleep(0.05)
    if not os.path.lexists(spool):
        return []
    outputs.remove_live(directory, spool)
    shutil.rmtree(spool)
    remedy = f"python -m pytest_timeline collect {os.path.relpath(directory)}"
    return [f"replaced what an earlier run left unfinished ('{remedy}' would have made its timelines)"]


def _abandon(spool: str) -> None:
    """Have the spool's collector end without a word."""
    try:
        page = StatusPage(os.path.join(spool, STATUS))
    except (OSError, ValueError):
        return
    page["finish"] = StatusPage.ABANDONED
    page["heartbeat"] = 0
    page.close()


def _state(spool: str) -> int | None:
    """Return the state of the spool's collector, None when it is gone."""
    try:
        page = StatusPage(os.path.join(spool, STATUS))
    except (OSError, ValueError):
        return None
    try:
        return page["state"] if 0 <= page.silence() < FRESH_SECONDS * 1e9 else None
    finally:
        page.close()


def _owner(spool: str) -> str:
    try:
        return read_settings(os.path.join(spool, SETTINGS))["pid"][0]
    except (OSError, LookupError):
        return "unknown"
