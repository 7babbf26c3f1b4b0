"""What a call costs while somebody records it: run by call_cost.py under each recorder, in a process of its own.

`python calls.py RECORDER RESULT`, or as a test under pytest with the result's path in CALLS_RESULT.
"""

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

CALLS, BURSTS = 50_000, 40


def empty() -> None:
    pass


def burst() -> float:
    """Return the nanoseconds that one call of `empty` takes, without the loop around it."""
    clock = time.perf_counter_ns
    begin = clock()
    for _ in itertools.repeat(None, CALLS):
        empty()
    called = clock()
    for _ in itertools.repeat(None, CALLS):
        pass
    return (2 * called - begin - clock()) / CALLS


def cost() -> float:
    """Return the median of many bursts; between two of them a collector can catch up."""
    taken = []
    for _ in range(BURSTS):
        taken.append(burst())
        time.sleep(0.01)
    return statistics.median(taken)


def test_calls() -> None:
    Path(os.environ["CALLS_RESULT"]).write_text(repr(cost()))


def floor() -> AbstractContextManager[object]:
    import floor

    floor.start()
    return nullcontext()


def viztracer(**options: bool) -> AbstractContextManager[object]:
    from viztracer import VizTracer

    return VizTracer(verbose=0, output_file=os.devnull, **options)


def trace0() -> AbstractContextManager[object]:
    import trace0

    return trace0.Tracer(os.devnull)


def cprofile() -> AbstractContextManager[object]:
    import cProfile

    return cProfile.Profile()


RECORDERS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "bare": nullcontext,
    "floor": floor,
    "viztracer": viztracer,
    "viztracer-no-c": lambda: viztracer(ignore_c_function=True),
    "trace0": trace0,
    "cprofile": cprofile,
}

if __name__ == "__main__":
    recorder, result = sys.argv[1:]
    with RECORDERS[recorder]():
        taken = cost()
        Path(result).write_text(repr(taken))
        os._exit(0)  # nobody's report is wanted
