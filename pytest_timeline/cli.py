"""The command line.

`pytest-timeline collect DIR` makes the timelines of a run whose collector could not; with `--live` it shows what a run
that goes on, or hangs, is doing now.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

STALE_NS = 5_000_000_000  # a collector whose heartbeat is older is gone
SLOW_SECONDS = 1.0
DEPTH = 12  # frames of a thread in a live look


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 for a failure, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="pytest-timeline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    collect = commands.add_parser(
        "collect",
        help="finish a run that was cut short, or look into one that hangs",
        description="Make the timelines of a run that was cut short, or show what a run that goes on is doing.",
    )
    collect.add_argument("directory", metavar="DIR", type=Path, help="the run's output directory (--timeline-dir)")
    collect.add_argument(
        "--live",
        action="store_true",
        help="show what the run is doing now, without disturbing it, and leave it to go on",
    )
    collect.add_argument(
        "--depth", type=_positive, metavar="N", help=f"innermost frames to show of each thread (default: {DEPTH})"
    )
    options = parser.parse_args(arguments)
    if options.depth and not options.live:
        collect.error("--depth goes with --live")
    try:
        if options.live:
            return _live(options.directory, options.depth or DEPTH)
        return _collect(options.directory)
    except (OSError, ValueError) as error:
        print(f"pytest-timeline: {error}", file=sys.stderr)
        return 1


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return int(text)


def _live(directory: Path, depth: int) -> int:
    from pytest_timeline.collect.ask import ask
    from pytest_timeline.collect.show import show

    look, warnings, refusal = ask(directory)
    tty = sys.stdout.isatty()
    width = max(shutil.get_terminal_size().columns, 60) if tty else 80
    encoding = sys.stdout.encoding or "utf-8"
    for line in show(look, depth=depth, width=width, bold=tty and not os.environ.get("NO_COLOR")):
        print(line.encode(encoding, "backslashreplace").decode(encoding))
    for warning in warnings:
        print(f"warning: {warning}")
    if refusal:
        raise OSError(f"the timeline so far could not be written: {refusal}")
    for file in look["files"].values():
        print(f"the timeline so far: {directory / file}")
    return 0


def _collect(directory: Path) -> int:
    from pytest_timeline import spooldir
    from pytest_timeline.collect.follow import Follower

    spool_dir = directory / spooldir.DIRECTORY
    if not spool_dir.is_dir():
        raise ValueError(f"{directory} holds no unfinished run (there is no {spool_dir})")
    _refuse_if_followed(spool_dir)
    follower = Follower(spool_dir, directory)
    if not follower.watch.gone():
        print(f"pytest (process {follower.watch.pid}) still runs; following it to its end", file=sys.stderr)
    progress = Progress()
    try:
        follower.run(progress.show)
    except BaseException as error:
        follower.fail(f"{type(error).__name__}: {error}")
        raise
    finally:
        progress.clear()
    manifest = follower.manifest
    crashed = [test["nodeid"] for test in manifest.tests if test["outcome"] == "crashed"]
    count = len(manifest.tests)
    print(f"{count} test{'s' * (count != 1)} collected: {directory / 'run.json'}")
    for nodeid in crashed:
        print(f"crashed: {nodeid}")
    for warning in manifest.warnings:
        print(f"warning: {warning}")
    return 0


def _refuse_if_followed(spool_dir: Path) -> None:
    from pytest_timeline import spooldir
    from pytest_timeline.collect.alive import Watch

    try:
        status = spooldir.StatusPage(str(spool_dir / spooldir.STATUS))
    except (OSError, ValueError):
        return
    age = time.monotonic_ns() - status["heartbeat"]
    following = status["state"] in (status.FOLLOWING, status.FINISHING) and 0 <= age < STALE_NS
    if following and not Watch(status["pid"]).gone():
        raise ValueError(f"{spool_dir} is being collected already, by process {status['pid']}")


class Progress:
    """A line on a terminal, once it has taken a while."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._shown = False

    def show(self, done: int, total: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._start > SLOW_SECONDS:
            self._shown = True
            print(f"\rwriting timelines: {done} of {total} ", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
