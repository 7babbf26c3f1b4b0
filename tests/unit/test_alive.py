"""Whether a process runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_timeline.collect import alive
from pytest_timeline.collect.alive import Watch

LINUX = sys.platform == "linux"


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(100)"])


def refuse(pid: int) -> int:
    raise OSError("not permitted")


@pytest.mark.parametrize("pidfd", [pytest.param(True, marks=pytest.mark.skipif(not LINUX, reason="pidfd")), False])
def test_the_end_of_a_process_is_seen(monkeypatch: pytest.MonkeyPatch, pidfd: bool) -> None:
    if not pidfd and LINUX:
        monkeypatch.setattr(alive.os, "pidfd_open", refuse)
    process = sleeper()
    watch = Watch(process.pid)
    try:
        assert not watch.gone()
    finally:
        process.kill()
    if LINUX:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert watch.gone()  # a zombie is gone
    process.wait()
    assert watch.gone()
    assert Watch(process.pid).gone()
    watch.close()
    assert watch.gone()


def test_another_process_with_the_same_pid_does_not_mislead(monkeypatch: pytest.MonkeyPatch) -> None:
    if not LINUX:
        pytest.skip("needs /proc")
    monkeypatch.setattr(alive.os, "pidfd_open", refuse)
    watch = Watch(os.getpid())
    assert not watch.gone()
    monkeypatch.setattr(alive, "start_time", lambda pid: "another")
    assert watch.gone()


def test_existence_without_proc() -> None:
    process = sleeper()
    try:
        assert alive.exists(process.pid)
    finally:
        process.kill()
        process.wait()
    assert not alive.exists(process.pid)
