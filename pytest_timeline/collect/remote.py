"""A family whose processes ran on another host: what arrives of them is landed, round by round, and then read as ever.

A round tells all that these processes had written up to a moment. Nothing is read beyond it, lest a test be cut before
what belongs to it has arrived.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_timeline import spooldir
from pytest_timeline._codec import Spool
from pytest_timeline.collect.alive import Life
from pytest_timeline.collect.family import Family, Window
from pytest_timeline.collect.processes import Processes
from pytest_timeline.collect.rate import Rate
from pytest_timeline.relay.land import Landing


class Afar:
    """Tells nothing: a pid of another host means nothing here. That host says who is gone, when it tells a round."""

    was_alive = True

    def gone(self) -> bool:
        return False

    def status(self) -> int | None:
        return None

    def close(self) -> None:
        pass


class RemoteProcesses(Processes):
    """The processes of another host, which cannot be looked for here."""

    def watch(self, pid: int) -> Life:
        return Afar()

    def look(self, root_pid: int) -> None:
        pass

    def gone(self, spool: Spool, tick: int) -> None:
        """The spool's process was gone at `tick`."""
        child = self._by_pid.get(spool.pid)
        if child is not None and child.end is None:
            child.end = tick


class RemoteFamily(Family):
    """`rate` is this host's clock, None until it is known."""

    remote = True
    processes: RemoteProcesses

    def __init__(self, directory: Path, rate: Callable[[], Rate | None]) -> None:
        super().__init__(directory)
        self.name = directory.name.removesuffix(spooldir.REMOTE)
        self.processes = RemoteProcesses()
        self._rate = rate
        self._landing: Landing | None = None

    def look(self) -> None:
        """Who is gone is told with a round."""

    def scan(self) -> None:
        """A round's spools are found when it has landed."""

    def advance(self, until: int) -> Iterator[Window]:
        landing = self._land()
        if landing is None:
            return
        while (landed := landing.land()) is not None:
            super().scan()
            for member in self.members:
                if member.replaced:
                    member.gone = True
                elif os.path.basename(member.spool.path) in landed.gone:
                    member.gone = True
                    member.ended = landed.until
                    self.processes.gone(member.spool, landed.until)
            yield from super().advance(landed.until)
        if landing.ended:
            yield from self._read_out(landing, until)

    def finish(self, until: int) -> Iterator[Window]:
        landing = self._land()
        if landing is not None:
            yield from self.advance(until)
            landing.ended = True
            until = max(until, landing.newest)
        yield from super().finish(until)

    def close(self) -> None:
        super().close()
        if self._landing is not None:
            self._landing.close()

    def _read_out(self, landing: Landing, until: int) -> Iterator[Window]:
        """No more will come: read also what came of a round that was cut short."""
        super().scan()
        if self.members:
            self.members[0].gone = True
        yield from super().advance(max(until, landing.newest))

    def _land(self) -> Landing | None:
        if self._landing is None and (rate := self._rate()) is not None:
            self._landing = Landing(self.directory, rate.clock, rate.fixed(), self.damaged)
        return self._landing
