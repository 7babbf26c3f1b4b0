"""Where the spools of another host land: the segments that arrived become spools in the same directory.

    NNNNNNNN.segment   in the order in which they arrived; an empty one says that no more will come
    clock              the samples of the clocks: lines of `before here after`
    PID-TICK.spool     what has landed

The collector reads what lands before the next round lands, so the files stay small.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_timeline import spooldir
from pytest_timeline._relay import Landed, translated
from pytest_timeline.relay.clocks import ClockMap
from pytest_timeline.relay.segment import Segment, unpack


@dataclass(slots=True)
class Round:
    """All that the processes there had written up to a moment has landed."""

    until: int  # tick here
    gone: set[str] = field(default_factory=set)  # names of the spools of processes that are


class Landing:
    """Lands what arrives in one directory. `clock` and `ns_per_tick` are this host's.

    The names of files that made no sense are added to `damaged`.
    """

    def __init__(self, directory: Path, clock: int, ns_per_tick: float, damaged: list[str]) -> None:
        self.ended = False  # no more will come
        self._damaged = damaged
        self._directory = directory
        self._clock = clock
        self._ns_per_tick = ns_per_tick
        self._map: ClockMap | None = None
        self._samples_read = 0  # bytes
        self._next = 1
        self._spools: dict[str, Landed] = {}
        self._gone: set[str] = set()
        self._newest = 0  # tick there, once anything has been translated
        self._error_ns = 0

    @property
    def newest(self) -> int:
        """Tick here of the newest record."""
        return translated(self._newest, self._map.lines) if self._map is not None and self._map.lines else 0

    def land(self) -> Round | None:
        """Land the next round; None when it has not all arrived."""
        while (segment := self._segment()) is not None:
            self._take(segment)
            if segment.until is not None and self._map is not None:
                self._newest = max(self._newest, segment.until)
                done = Round(translated(segment.until, self._map.lines), self._gone)
                self._gone = set()
                return done
        return None

    def close(self) -> None:
        for spool in self._spools.values():
            spool.close()
        self._spools = {}

    def _segment(self) -> Segment | None:
        """Return the next segment, and delete its file."""
        while not self.ended:
            name = spooldir.segment(self._next)
            path = self._directory / name
            try:
                data = path.read_bytes()
            except OSError:
                return None
            self._read_samples()
            self._next += 1
            self.ended = not data
            try:
                path.unlink()
            except OSError:  # a test removed it
                pass
            if data:
                try:
                    return unpack(data)
                except ValueError:
                    self._damaged.append(name)
        return None

    def _read_samples(self) -> None:
        """Read the samples that came since; before the first segment nobody knows how long a tick is there."""
        if self._map is None:
            return
        try:
            with open(self._directory / spooldir.CLOCK, "rb") as file:
                file.seek(self._samples_read)
                text = file.read()
        except OSError:
            return
        text = text[: text.rfind(b"\n") + 1]
        self._samples_read += len(text)
        for line in text.splitlines():
            try:
                before, here, after = map(int, line.split())
            except ValueError:
                continue
            self._map.add(before, here, after, self._newest)

    def _take(self, segment: Segment) -> None:
        if self._map is None:
            self._map = ClockMap(segment.ns_per_tick, self._ns_per_tick)
            self._read_samples()
        lines = self._map.lines
        if not lines:  # no ping was answered: there is no telling when anything was
            self._map = None
            self._damaged.append(spooldir.CLOCK)
            return
        self._newest = self._newest or lines[0][0]
        for news in segment.spools:
            try:
                spool = self._spools.get(news.name)
                if spool is None:
                    path = self._directory / news.name
                    spool = self._spools[news.name] = Landed(str(path), news.header, self._clock, lines)
                for chunk in news.chunks:
                    spool.land(*chunk, lines)
                    self._newest = max(self._newest, spool.newest)
                self._error_ns = max(self._error_ns, self._map.error_ns(self._newest), 1)
                spool.update(news.header, self._error_ns)
            except (OSError, ValueError, TypeError, OverflowError):
                if news.name not in self._damaged:
                    self._damaged.append(news.name)
                continue
            if news.gone:
                self._gone.add(news.name)
                self._spools.pop(news.name).close()
