"""Programs of very many calls, for the figure hot: `fib(30)`, and eight of pyperformance's, from its wheel as they are.

`python hot.py RECORDER PROGRAM RESULT`, or as a test under pytest with HOT_PROGRAM and HOT_RESULT set.
"""

import argparse
import importlib.util
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

# How often each is run: for about a second.
LOOPS = {
    "deltablue": 200,
    "richards": 20,
    "json_dumps": 100,
    "pyflate": 2,
    "chaos": 15,
    "go": 8,
    "hexiom": 150,
    "raytrace": 3,
}


def fib(n: int) -> int:
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


class Runner:
    """In the place of pyperf's: runs what it is given in this process, without measuring it."""

    loops = 1

    def __init__(self, **_: object) -> None:
        self.argparser = argparse.ArgumentParser()
        self.metadata: dict[str, object] = {}

    def parse_args(self) -> argparse.Namespace:
        return self.argparser.parse_args([])

    def bench_func(self, _: str, call: Callable[..., object], *args: object, **__: object) -> None:
        for _ in range(self.loops):
            call(*args)

    def bench_time_func(self, _: str, call: Callable[..., object], *args: object, **__: object) -> None:
        call(self.loops, *args)


def work(program: str) -> float:
    """Return the seconds that the program takes."""
    begin = time.perf_counter()
    if program == "fib":
        fib(30)
    else:
        package = importlib.util.find_spec("pyperformance")
        assert package is not None and package.origin is not None
        directory = Path(package.origin).parent / "data-files" / "benchmarks" / f"bm_{program}"
        Runner.loops = LOOPS[program]
        sys.modules["pyperf"] = SimpleNamespace(Runner=Runner, perf_counter=time.perf_counter)  # type: ignore[assignment]
        runpy.run_path(str(directory / "run_benchmark.py"), run_name="__main__")
    return time.perf_counter() - begin


def test_hot() -> None:
    Path(os.environ["HOT_RESULT"]).write_text(repr(work(os.environ["HOT_PROGRAM"])))


if __name__ == "__main__":
    from calls import RECORDERS  # beside it

    recorder, program, result = sys.argv[1:]
    with RECORDERS[recorder]():
        Path(result).write_text(repr(work(program)))
        os._exit(0)  # nobody's report is wanted
