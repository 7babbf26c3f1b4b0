"""The collector's status page."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from pytest_timeline.spooldir import StatusPage


def test_a_heart_that_beats_all_the_time_never_beats_in_the_future(tmp_path: Path) -> None:
    page = StatusPage(str(tmp_path / "status"), create=True)
    page["heartbeat"] = time.monotonic_ns()
    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            page["heartbeat"] = time.monotonic_ns()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        assert all(page.silence() >= 0 for _ in range(50_000))
    finally:
        over.set()
        thread.join()
    page.close()
