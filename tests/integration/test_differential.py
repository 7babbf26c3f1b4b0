"""The recorder held against a naive one: the same random program, once under sys.setprofile, once under our hooks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.recording import environment
from support.spool_reader import CALLS, FRAME_IN, FRAME_OUT, SpoolFile, read_directory

PROGRAM = Path(__file__).parents[1] / "support" / "programs" / "tree.py"
SEEDS = range(1, 7)


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, PROGRAM, *map(str, arguments)], env=environment(), check=True)


@pytest.fixture(scope="module", params=SEEDS)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[SpoolFile, list[str]]:
    """What both recorders saw of one program."""
    directory = tmp_path_factory.mktemp("tree")
    run("naive", directory / "naive", request.param)
    (directory / "family").mkdir()
    run("ours", directory / "family", request.param)
    (spool,) = read_directory(directory / "family").values()
    return spool, (directory / "naive").read_text().splitlines()


def test_the_same_calls_in_the_same_order_in_every_thread(recorded: tuple[SpoolFile, list[str]]) -> None:
    spool, naive = recorded
    for thread in ("tree-0", "tree-1", "tree-2"):
        expected = [line.removeprefix(f"{thread} ") for line in naive if line.startswith(f"{thread} ")]
        seen = [f"{'in' if kind in FRAME_IN.values() else 'out'} {name}" for kind, name in spool.frames(thread)]
        assert len(expected) > 100
        assert seen == expected


def test_every_exit_has_its_entry_at_the_same_depth(recorded: tuple[SpoolFile, list[str]]) -> None:
    spool, _ = recorded
    for thread in spool.threads.values():
        stack: list[tuple[int, bool, int]] = []
        for record in thread.records:
            if record.kind in FRAME_IN.values():
                stack.append((record.depth, False, record.id))
            elif record.kind == "call":
                stack.append((record.depth, True, record.id))
            elif record.kind in {*FRAME_OUT.values(), *CALLS.values()}:
                assert stack.pop() == (record.depth, record.kind in CALLS.values(), record.id)
        assert stack == []


def test_ticks_never_go_back(recorded: tuple[SpoolFile, list[str]]) -> None:
    spool, _ = recorded
    for thread in spool.threads.values():
        ticks = [record.tick for record in thread.records]
        assert ticks == sorted(ticks)
