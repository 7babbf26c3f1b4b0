"""Ticks become nanoseconds by one linear map."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_timeline._codec import Spool
from pytest_timeline.collect import rate
from pytest_timeline.collect.rate import Rate
from support import spool_writer as w

TSC = 0


class FakeClocks:
    """A counter of 3 ticks a nanosecond; sleeping moves both clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ns: int) -> None:
        self.ns = ns
        self.slept = 0.0
        monkeypatch.setattr(rate, "anchor", lambda clock: (3 * self.ns, self.ns))
        monkeypatch.setattr(rate.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.ns += round(seconds * 1e9) or 1


def spool(path: Path, tick: int, monotonic_ns: int) -> Spool:
    writer = w.SpoolWriter(path, clock=TSC, start=tick)
    writer.map[32:40] = monotonic_ns.to_bytes(8, "little")
    return Spool(str(path))


def test_a_short_run_waits_for_a_long_enough_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = FakeClocks(monkeypatch, 10**9)
    map = Rate(spool(tmp_path / "s", 3 * 10**9, 10**9))
    assert map.rough() == pytest.approx(1 / 3)
    assert clocks.slept == pytest.approx(0.001)
    assert map.fixed() == pytest.approx(1 / 3)
    assert clocks.slept == pytest.approx(0.1)
    clocks.ns *= 2
    assert map.fixed() == map.fixed()
    assert map.seconds(3 * 10**9) == pytest.approx(1.0)
    clock = map.starting_at(3 * 10**9 + 300)
    assert (clock.origin, clock.ns(3 * 10**9 + 600)) == (3 * 10**9 + 300, pytest.approx(100, abs=1))


def test_after_a_restart_of_the_machine_the_rate_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeClocks(monkeypatch, 10**9)
    map = Rate(spool(tmp_path / "s", 10**15, 10**13))
    assert map.fixed() == pytest.approx(1 / 3)
    assert map.origin == 10**15


def test_a_monotonic_tick_is_a_nanosecond(tmp_path: Path) -> None:
    w.SpoolWriter(tmp_path / "s", start=5)
    map = Rate(Spool(str(tmp_path / "s")))
    assert (map.rough(), map.fixed(), map.origin) == (1.0, 1.0, 5)
