"""The recorder held against a naive one: the same random program under sys.setprofile and under our hooks."""

from __future__ import annotations

import bisect
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


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 mutes nothing")
@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_muted_at_any_moment_tears_nothing(tmp_path: Path, seed: int) -> None:
    """Both see each entry and exit at one moment, the naive one first; so it is known which call each record is of."""
    run("both", tmp_path, seed)
    (spool,) = read_directory(tmp_path).values()
    mutes = sum(record.kind == "muted" for thread in spool.threads.values() for record in thread.story)
    assert mutes > 20
    stories: dict[int, list[tuple[int, str, str]]] = {}
    for line in (tmp_path / "naive").read_text().splitlines():
        ident, tick, what, name = line.split(" ", 3)
        stories.setdefault(int(ident), []).append((int(tick), what, name))
    compared = missing = 0
    for thread in spool.threads.values():
        if thread.ident not in stories or not thread.names[-1].startswith("tree-"):
            continue
        story = stories[thread.ident]
        parents, exits = calls_of(story)
        recorded = {}  # the call's place in the story: its parent's, among those recorded
        stack: list[int] = []
        ticks = [tick for tick, *_ in story]
        for record in thread.records:
            if record.kind in FRAME_IN.values():
                place = bisect.bisect(ticks, record.tick) - 1
                assert story[place][1:] == ("in", record.name)
                recorded[place] = stack[-1] if stack else None
                stack.append(place)
            elif record.kind in FRAME_OUT.values():
                place = bisect.bisect(ticks, record.tick) - 1
                assert story[place][1:] == ("out", record.name)
                assert exits[place] == stack.pop()
        assert stack == []
        for place, parent in recorded.items():
            above = parents[place]
            while above is not None and above not in recorded:
                above = parents[above]
            assert parent == above
        compared += len(recorded)
        missing += len(parents) - len(recorded)
    assert compared > 5000
    assert missing > 5000


def calls_of(story: list[tuple[int, str, str]]) -> tuple[dict[int, int | None], dict[int, int]]:
    """Return each entry's parent, by their places in the story, and each exit's entry."""
    parents: dict[int, int | None] = {}
    exits = {}
    stack: list[int] = []
    for place, (_, what, _) in enumerate(story):
        if what == "in":
            parents[place] = stack[-1] if stack else None
            stack.append(place)
        elif stack:
            exits[place] = stack.pop()
    return parents, exits
