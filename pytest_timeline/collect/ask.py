"""What a run is doing, asked from another process: its collector says it, or else the spools are read from outside.

Nothing here disturbs the run: no signal, no lock, and the spools are mapped privately.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import orjson

from pytest_timeline import export, outputs, spooldir
from pytest_timeline._codec import now
from pytest_timeline.collect.alive import Watch
from pytest_timeline.collect.family import Family
from pytest_timeline.collect.live import Look, Snapshot
from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.writing import reason
from pytest_timeline.spooldir import StatusPage

POLL = 0.01  # seconds
SILENT, GONE = 5.0, 1.0  # seconds without a heartbeat after which nobody answers; the latter if there is no process


class Answer(NamedTuple):
    """What came of asking."""

    look: Look
    warnings: list[str]
    refusal: str  # why there is no whole trace, "" = there is


def ask(directory: Path) -> Answer:
    """Return what the run of the output directory is doing, and have its timeline so far written there.

    Raises ValueError when no run is going on, and OSError; each says what to do.
    """
    spool_dir = directory / spooldir.DIRECTORY
    if not spool_dir.is_dir():
        manifest = directory / outputs.MANIFEST
        over = f"; the last one is over, see {manifest}" if manifest.exists() else ": is it the --timeline-dir?"
        raise ValueError(f"no run is going on in {directory}{over}")
    silence, failure = "the collector does not answer", ""
    try:
        page = StatusPage(str(spool_dir / spooldir.STATUS))
    except (OSError, ValueError) as error:
        silence = f"the collector cannot be asked ({reason(error)})"
    else:
        try:
            answer = _ask_the_collector(page, spool_dir)
            if page["state"] == StatusPage.FAILED:
                failure = page.reason
        finally:
            page.close()
        if answer is not None:
            return answer
    settings = spooldir.read_settings(str(spool_dir / spooldir.SETTINGS))
    watch = Watch(int(settings.get("pid", ["0"])[-1]))
    gone = watch.gone()
    watch.close()
    if gone:
        remedy = f"python -m pytest_timeline collect {directory}"
        raise ValueError(f"the run is over: pytest (process {watch.pid}) is gone; '{remedy}' makes its timelines")
    if failure:
        raise ValueError(f"nothing is recorded any more, for the collector failed: {failure}")
    return _read_from_outside(directory, spool_dir, settings, silence)


def _ask_the_collector(page: StatusPage, spool_dir: Path) -> Answer | None:
    """Return the collector's answer; None when there is none to come."""
    if not _lives(page):
        return None
    number = page["asked"] + 1
    page["asked"] = number
    while page["answered"] < number:
        if page["state"] in (StatusPage.FINISHING, StatusPage.DONE):
            raise ValueError(f"the run is over, and its timelines are being written to {spool_dir.parent}")
        if not _lives(page):
            return None
        time.sleep(POLL)
    refusal = page.refusal
    try:
        look: Look = orjson.loads((spool_dir / spooldir.LIVE).read_bytes())
    except OSError:
        raise ValueError(f"the collector cannot tell: {refusal or 'the run is over'}") from None
    if look["number"] < number:
        raise ValueError(f"the collector cannot tell: {refusal}")
    return Answer(look, [], refusal)


def _lives(page: StatusPage) -> bool:
    """Whether the collector's heart beats; its pid says nothing if it is in another container."""
    silent = page.silence() / 1e9
    if page["state"] == StatusPage.FAILED:
        return False
    if silent <= GONE:
        return True
    watch = Watch(page["pid"])
    try:
        return silent <= SILENT and not watch.gone()
    finally:
        watch.close()


def _read_from_outside(directory: Path, spool_dir: Path, settings: dict[str, list[str]], silence: str) -> Answer:
    clock = int(settings.get("clock", ["1"])[-1])
    here = [path for path in sorted(spool_dir.iterdir()) if path.is_dir() and path.suffix != spooldir.REMOTE]
    families = [Family(path, private=True) for path in here]
    try:
        for family in families:
            family.scan()
            family.look()
        tick = now(clock)
        for family in families:
            for _ in family.advance(tick):
                pass
        roots = [family.root for family in families if family.root is not None]
        if not roots:
            raise ValueError(f"{silence}, and nothing is recorded yet")
        exporters = export.traces(settings.get("format", []))
        rate = Rate(min(roots, key=lambda root: root.start_tick))
        snapshot = Snapshot(families, rate, tick, exporters, partial=True)
        refusal = ""
        try:
            snapshot.write(spool_dir, directory)
        except OSError as error:
            refusal = reason(error)
    finally:
        for family in families:
            family.close()
    warning = f"{silence}, so this was read from the spools; what it had read before is missing"
    return Answer(snapshot.look, [warning], refusal)
