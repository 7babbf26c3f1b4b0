"""session/recording.py: what is said of the records that were lost."""

from __future__ import annotations

import errno
import os

import pytest

from pytest_timeline.session.recording import _loss_warnings

NONE = {"dropped": 0, "stalled_ns": 0, "error": 0, "disarmed": 0}


def test_nothing_lost_is_nothing_said() -> None:
    assert _loss_warnings(NONE) == []


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ({"error": errno.ENOSPC, "dropped": 3}, f"could not grow ({os.strerror(errno.ENOSPC)})"),
        ({"error": -1}, "switched off by an error of pytest-timeline's own"),
        ({"error": -1, "dropped": 3}, "switched off by an error of pytest-timeline's own"),
        ({"dropped": 3}, "the spool was full"),
        ({"stalled_ns": 2_500_000_000}, "waited 2.5 s for the collector"),
        ({"disarmed": 1}, "took the profiling hook away"),
    ],
)
def test_each_loss_is_said_once_and_for_what_it_is(losses: dict[str, int], said: str) -> None:
    (warning,) = _loss_warnings({**NONE, **losses})
    assert said in warning


def test_only_a_lack_of_room_is_told_to_make_some() -> None:
    for error, room in ((errno.ENOSPC, True), (errno.EFBIG, True), (errno.ENOENT, False)):
        (warning,) = _loss_warnings({**NONE, "error": error})
        assert ("make room" in warning) == room


def test_losses_of_different_kinds_are_all_said() -> None:
    assert len(_loss_warnings({"dropped": 1, "stalled_ns": 10**9, "error": -1, "disarmed": 1})) == 3
