"""A plugin for the tour: says which native ids its threads have, and makes its waits long enough for a busy machine."""

from __future__ import annotations

import functools
import json
import os
import threading

THREADS: dict[str, int] = {}
start = threading.Thread.start


@functools.wraps(start)
def noting_start(thread: threading.Thread) -> None:
    start(thread)
    THREADS[thread.name] = thread.native_id


def pytest_configure():
    threading.Thread.start = noting_start


def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item.module, "DELAY"):
            item.module.DELAY = float(os.environ["TOUR_DELAY"])


def pytest_unconfigure():
    threading.Thread.start = start
    with open(os.environ["TOUR_THREADS"], "w", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), "threads": THREADS}, file)
