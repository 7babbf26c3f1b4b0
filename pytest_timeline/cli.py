"""The command line.

`show TEST` prints a test's timeline as a tree; `collect DIR` makes the timelines of a run whose collector could not,
with `--live` it shows what a run that goes on, or hangs, is doing now; `merge SHARD...` joins the outputs of several
jobs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

STALE_NS = 5_000_000_000  # a collector whose heartbeat is older is gone
SLOW_SECONDS = 1.0
DEPTH = 12  # frames of a thread in a live look
WIDTH = 100  # columns, where it is no terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 1 for a failure, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="pytest-timeline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_show(commands)
    _add_collect(commands)
    _add_merge(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ValueError) as error:
        print(f"pytest-timeline: {error}", file=sys.stderr)
        return 1


def _add_show(commands: Commands) -> None:
    show = commands.add_parser(
        "show",
        help="print a test's timeline as a tree",
        description="Print a test's timeline: what each thread, process and task did, as a tree with durations.",
    )
    show.add_argument("test", metavar="TEST", help="a node id, a part of one, or a file of timeline/tests")
    show.add_argument(
        "--dir", type=Path, default=Path("timeline"), help="the run's output directory (default: timeline)"
    )
    show.add_argument(
        "--rerun", type=int, metavar="N", help="which attempt (default: the last that failed, or the last)"
    )
    show.add_argument("--depth", type=_positive, metavar="N", help="most levels of calls (default: all)")
    show.add_argument(
        "--min",
        type=_time,
        metavar="TIME",
        help="sum up what took less, such as 1ms (default: what a screen or two holds)",
    )
    show.add_argument(
        "--thread", default="", metavar="PATTERN", help="only threads, tasks and lanes of that name or id"
    )
    show.add_argument("--process", default="", metavar="PATTERN", help="only processes of that name or pid")
    show.add_argument("--instants", action="store_true", help="show all instants, not only the first")
    show.add_argument("--json", action="store_true", help="print everything for tools, a JSON object a line")
    show.set_defaults(run=_show)


def _add_collect(commands: Commands) -> None:
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

    def run(options: argparse.Namespace) -> int:
        if options.depth and not options.live:
            collect.error("--depth goes with --live")
        return _live(options.directory, options.depth or DEPTH) if options.live else _collect(options.directory)

    collect.set_defaults(run=run)


def _add_merge(commands: Commands) -> None:
    merge = commands.add_parser(
        "merge",
        help="join the outputs of several jobs into one report",
        description="Join the output directories of several jobs, such as the shards of a test suite, into one report.",
    )
    merge.add_argument("shards", metavar="SHARD", nargs="+", type=Path, help="a job's output directory")
    merge.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("timeline"), help="where to (default: timeline)"
    )
    merge.add_argument("--align", action="store_true", help="show the jobs as if all had begun at the same moment")
    merge.set_defaults(run=_merge)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames")
    return int(text)


def _time(text: str) -> int:
    from pytest_timeline.config import nanoseconds

    try:
        return nanoseconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _print(lines: Iterable[str]) -> None:
    """Print lines with whatever the terminal's encoding has."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()  # a closed pipe is found out here, and not at exit


def _width() -> int:
    return max(shutil.get_terminal_size().columns, 60) if sys.stdout.isatty() else WIDTH


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _show(options: argparse.Namespace) -> int:
    from pytest_timeline.show.choice import Choice
    from pytest_timeline.show.find import Unclear, find
    from pytest_timeline.show.lines import lines
    from pytest_timeline.show.tree import Style, tree

    choice = Choice(options.depth, options.min, options.thread, options.process, options.instants)
    try:
        found = find(options.test, options.dir, options.rerun)
    except Unclear as error:
        print(f"pytest-timeline: {error}:", file=sys.stderr)
        for candidate in error.shown():
            print(f"  {candidate}", file=sys.stderr)
        return 1
    if options.json:
        _print(lines(found.trace, found.test, str(found.path), choice))
        return 0
    style = Style(_width(), _coloured(), "..." if _ascii() else "\u2026")
    _print(tree(found.trace, found.test, ", ".join(filter(None, [found.about, str(found.path)])), choice, style))
    return 0


def _ascii() -> bool:
    """Whether the terminal's encoding has no ellipsis."""
    try:
        "\u2026".encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _live(directory: Path, depth: int) -> int:
    from pytest_timeline.collect.ask import ask
    from pytest_timeline.collect.show import show

    look, warnings, refusal = ask(directory)
    _print(show(look, depth=depth, width=_width(), bold=_coloured()))
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


def _merge(options: argparse.Namespace) -> int:
    from pytest_timeline.merge.merge import merge
    from pytest_timeline.outputs import INDEX

    merged = merge(options.shards, options.output, align=options.align)
    print(f"{_plural(merged.tests, 'test')} of {_plural(len(merged.shards), 'shard')}: {options.output / INDEX}")
    for problem in merged.problems:
        print(f"pytest-timeline: not merged: {problem}", file=sys.stderr)
    return 1 if merged.problems else 0


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _refuse_if_followed(spool_dir: Path) -> None:
    from pytest_timeline import spooldir
    from pytest_timeline.collect.alive import Watch

    try:
        status = spooldir.StatusPage(str(spool_dir / spooldir.STATUS))
    except (OSError, ValueError):
        return
    following = status["state"] in (status.FOLLOWING, status.FINISHING) and 0 <= status.silence() < STALE_NS
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
