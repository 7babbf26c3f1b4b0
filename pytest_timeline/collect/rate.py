"""The one linear map from ticks to nanoseconds of a run; docs/spool-format.md, "Ticks"."""

from __future__ import annotations

import threading
import time

from pytest_timeline._codec import Spool, anchor
from pytest_timeline.timeline.model import Clock

BASELINE_NS = 100_000_000  # two anchors this far apart are right to 0.2 parts in a million


class Rate:
    """How long a tick is: from the first spool's anchor and one of our own."""

    def __init__(self, spool: Spool) -> None:
        self.clock = spool.clock
        self.origin = spool.start_tick
        self._anchor = (spool.start_tick, spool.start_monotonic_ns)
        now = anchor(self.clock)
        if now[0] < self._anchor[0] or now[1] < self._anchor[1]:
            self._anchor = now  # the machine was started anew since; its counter still runs at the same rate
        self._fixed: float | None = None
        self._fixing = threading.Lock()

    def rough(self) -> float:
        """Return nanoseconds per tick to 1 in 1000, at once or within a millisecond."""
        return self._measured(1_000_000)

    def fixed(self) -> float:
        """Return the run's nanoseconds per tick, always the same; the first call may wait for a tenth of a second."""
        with self._fixing:
            if self._fixed is None:
                self._fixed = self._measured(BASELINE_NS)
            return self._fixed

    def starting_at(self, tick: int) -> Clock:
        """Return the clock that is 0 at `tick`."""
        return Clock(tick, self.fixed())

    def seconds(self, ticks: int) -> float:
        return ticks * self.fixed() / 1e9

    def _measured(self, baseline_ns: int) -> float:
        if self.clock == 1:
            return 1.0
        while (now := anchor(self.clock))[1] - self._anchor[1] < baseline_ns:
            time.sleep((baseline_ns - (now[1] - self._anchor[1])) / 1e9)
        return (now[1] - self._anchor[1]) / (now[0] - self._anchor[0])
