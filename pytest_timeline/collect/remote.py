"""A family whose processes ran on another host: what arrives of them is landed, round by round, and then read as ever.

A round tells all that these processes had written up to a moment. Nothing is read beyond it, lest a test be cut before
what belongs to it has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_timeline import spooldir
from pytest_timeline._codec import Spool
from pytest_timeline.collect.family import Family, Window
from pytest_timeline.collect.rate import Rate
from pytest_timeline.relay.land import Landing


class Report:
    """Whether a process is gone, as its host tells it: a pid means nothing here."""

    def __init__(self) -> None:
        self.told = False

    def gone(self) -> bool:
        return self.told

    def close(self) -> None:
        pass


class RemoteFamily(Family):
    """`rate` is this host's clock, None until it is known."""

    remote = True

    def __init__(self, directory: Path, rate: Callable[[], Rate | None]) -> None:
        super().__init__(directory)
        self.name = directory.name.removesuffix(spooldir.REMOTE)
        self._rate = rate
        self._landing: Landing | None = None
        self._reports: dict[str, Report] = {}  # by path

    def watch(self, spool: Spool) -> Report:
        report = self._reports[spool.path] = Report()
        return report

    def scan(self) -> None:
        """A round's spools are found when it has landed."""

    def advance(self, until: int) -> Iterator[Window]:
        landing = self._land()
        if landing is None:
            return
        while (landed := landing.land()) is not None:
            super().scan()
            for name in landed.gone:
                if (report := self._reports.pop(str(self.directory / name), None)) is not None:
                    report.told = True
            super().look()
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
