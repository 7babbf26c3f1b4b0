"""The process that ships spools from a pytest-xdist worker's host: it follows them there, and packs what is written.

The worker sends what it leaves in `out/` over its channel; this process needs neither the worker's processor time nor
its GIL, which a writer may hold while it waits for a chunk to come free. `main(spool_dir)` is the whole of it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pytest_timeline import spooldir
from pytest_timeline._codec import Spool, now
from pytest_timeline._relay import Source
from pytest_timeline.collect import quota
from pytest_timeline.collect.alive import Watch
from pytest_timeline.collect.rate import Rate
from pytest_timeline.relay.segment import News, Segment, pack
from pytest_timeline.spooldir import StatusPage

BUSY, IDLE = 0.005, 0.02  # seconds between two rounds
SEGMENT_BYTES = 1 << 20  # of records, before they are packed
BACKLOG = 64 << 20  # bytes that wait to be sent; beyond it the writers have to wait
IDLE_ROUNDS = 10  # how often to tell that there is no news


class Shipper:
    """Ships the one family in `spool_dir`. Raises OSError, or ValueError when its settings are no good."""

    def __init__(self, spool_dir: Path) -> None:
        settings = spooldir.read_settings(str(spool_dir / spooldir.SETTINGS))
        self.spool_dir = spool_dir
        self.family = spool_dir / settings["family"][0]
        self.clock = int(settings["clock"][0])
        self.watch = Watch(int(settings["pid"][0]))  # of the worker
        self.status = StatusPage(str(spool_dir / spooldir.STATUS))
        self._sources: dict[str, tuple[Source, Watch]] = {}
        self._done: set[str] = set()  # names of spools that are read to their end, or are none
        self._ns_per_tick = 0.0
        self._number = 0
        self._idle = 0

    def run(self) -> None:
        """Follow until the worker's session is over. When the worker is gone, nobody will send: leave nothing."""
        self.status["pid"] = os.getpid()
        self.status["state"] = StatusPage.FOLLOWING
        while True:
            over, gone = self.status["finish"] == StatusPage.OVER, self.watch.gone()
            self._beat()
            if gone and not over:
                break
            if over or self._backlog() < BACKLOG:
                self._round(last=over)
            if over:
                break
            time.sleep(IDLE if self._idle else BUSY)
        self.stop()
        self.status["state"] = StatusPage.DONE
        if self.watch.gone():
            spooldir.remove(str(self.spool_dir))

    def stop(self) -> None:
        """Let nobody record in vain."""
        for source, _ in self._sources.values():
            source.stop()

    def _beat(self) -> None:
        self.status["heartbeat"] = time.monotonic_ns()
        quota.beat([source for source, _ in self._sources.values()])

    def _round(self, *, last: bool) -> None:
        """Pack all that was written up to now."""
        gone = {name for name, (_, watch) in self._sources.items() if watch.gone()}
        until = now(self.clock)  # before the scan: a spool with older records is there already
        self._scan()
        if not self._sources:
            return
        packing = _Packing(self._write)
        for name, (source, _) in self._sources.items():
            packing.begin(name, source.header)
            source.take(packing.add)
            packing.end(source.header, gone=name in gone)
        self._idle += 1
        if packing.news or last or self._idle > IDLE_ROUNDS:
            self._idle = 0
            packing.flush(until)
        for name in gone:
            source, watch = self._sources.pop(name)
            source.close()
            watch.close()
            try:
                os.unlink(source.path)
            except OSError:
                pass
            self._done.add(name)

    def _scan(self) -> None:
        try:
            names = [name for name in os.listdir(self.family) if name.endswith(spooldir.SUFFIX)]
        except OSError:  # a test removed it: the mapped ones live on
            return
        for name in names:
            if name in self._sources or name in self._done:
                continue
            path = str(self.family / name)
            try:
                if not self._ns_per_tick:
                    self._ns_per_tick = _rate(path)
                source = Source(path)
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                self._done.add(name)
                continue
            self._sources[name] = source, Watch(source.pid)

    def _write(self, spools: list[News], until: int | None) -> None:
        out = self.spool_dir / spooldir.OUT
        self._number += 1
        name = spooldir.segment(self._number)
        draft = out / f".{name}"
        draft.write_bytes(pack(Segment(self._ns_per_tick, until, spools)))
        os.replace(draft, out / name)
        self.status["total"] = self._number
        self._beat()  # a round ends when it has caught up with the writers

    def _backlog(self) -> int:
        return sum(entry.stat().st_size for entry in os.scandir(self.spool_dir / spooldir.OUT))


class _Packing:
    """One round's news, in as many segments as it takes."""

    def __init__(self, write: Callable[[list[News], int | None], None]) -> None:
        self.news = False
        self._write = write
        self._spools: list[News] = []
        self._size = 0

    def begin(self, name: str, header: bytes) -> None:
        self._spools.append(News(name, header))

    def add(self, thread: int, seq: int, native_id: int, position: int, used: int, records: bytes) -> None:
        spool = self._spools[-1]
        spool.chunks.append((thread, seq, native_id, position, used, records))
        self.news = True
        self._size += len(records)
        if self._size >= SEGMENT_BYTES:
            self._write(self._spools, None)
            self._spools = [News(spool.name, spool.header)]
            self._size = 0

    def end(self, header: bytes, *, gone: bool) -> None:
        self._spools[-1].header = header  # its counts are of after the records
        self._spools[-1].gone = gone

    def flush(self, until: int) -> None:
        self._write(self._spools, until)


def _rate(path: str) -> float:
    """Return nanoseconds per tick here; it may take a tenth of a second."""
    spool = Spool(path)
    try:
        return Rate(spool).fixed()
    finally:
        spool.close()


def main(spool_dir: str) -> None:
    """Ship from `spool_dir`; exit with status 1 on a failure, which the status page tells."""
    try:
        shipper = Shipper(Path(spool_dir))
    except Exception:
        sys.exit(1)
    try:
        shipper.run()
    except Exception as error:
        shipper.status.reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        shipper.status["state"] = StatusPage.FAILED
        shipper.stop()
        sys.exit(1)
