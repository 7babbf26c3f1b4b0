"""What arrives from another host is read round by round: nothing is cut before what belongs to it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_timeline import spooldir
from pytest_timeline._codec import Spool
from pytest_timeline._relay import Source
from pytest_timeline.collect.family import Window
from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.remote import RemoteFamily
from pytest_timeline.relay.segment import Chunk, News, Segment, pack
from support.run_writer import Process, RunWriter

OFFSET = 10**15  # the other clock's


class Sender:
    """Plays the other host, whose spools `there` has, and the controller."""

    def __init__(self, directory: Path, there: RunWriter) -> None:
        self.directory = directory
        self.there = there
        self._sources: dict[str, Source] = {}
        self._number = 0
        directory.mkdir(parents=True)
        self.sample(0, 20)

    def sample(self, tick: int, error: int) -> None:
        at = self.there.start + tick
        with open(self.directory / spooldir.CLOCK, "a") as file:
            file.write(f"{at + OFFSET - error} {at} {at + OFFSET + error}\n")

    def news(self, process: Process, *, gone: bool = False) -> News:
        source = self._sources.setdefault(process.name, Source(str(process.writer.path)))
        chunks: list[Chunk] = []
        source.take(lambda *chunk: chunks.append(chunk))
        return News(process.name, source.header, gone, chunks)

    def send(self, until: int | None, *spools: News) -> None:
        self.raw(pack(Segment(1.0, None if until is None else self.there.start + OFFSET + until, list(spools))))

    def raw(self, data: bytes) -> None:
        self._number += 1
        (self.directory / spooldir.segment(self._number)).write_bytes(data)


@pytest.fixture
def there(tmp_path: Path) -> RunWriter:
    """The run as the other host has it, with its clock."""
    return RunWriter(tmp_path / "there", pid=os.getpid())


@pytest.fixture
def sender(tmp_path: Path, there: RunWriter) -> Sender:
    return Sender(tmp_path / "here" / "gw0.remote", there)


@pytest.fixture
def family(sender: Sender, tmp_path: Path) -> Iterator[RemoteFamily]:
    main = RunWriter(tmp_path / "main", pid=os.getpid()).process()
    rate = Rate(Spool(str(main.writer.path)))
    family = RemoteFamily(sender.directory, lambda: rate)
    yield family
    family.close()


def process(there: RunWriter, tick: int = 0, pid: int = 1) -> Process:
    """A process there, whose ticks are OFFSET ahead."""
    made = there.process(tick=tick + OFFSET, pid=pid)
    made.origin = there.start + OFFSET
    return made


def advance(family: RemoteFamily) -> list[Window]:
    family.look()
    family.scan()
    return list(family.advance(1 << 62))


def windows(there: RunWriter, found: list[Window]) -> list[tuple[str, int, int, int]]:
    """Return name, start, end and number of slices of each window."""
    return [
        (
            window.timeline.name,
            window.timeline.start - there.start,
            window.timeline.end - there.start,
            sum(len(track.slices) for process in window.timeline.processes for track in process.tracks),
        )
        for window in found
    ]


def test_windows_are_cut_on_this_host_s_clock(there: RunWriter, sender: Sender, family: RemoteFamily) -> None:
    root = process(there)
    root.test(100, 200, "a")
    sender.send(300, sender.news(root))
    assert windows(there, advance(family)) == [("", 0, 100, 0), ("a", 100, 200, 1)]
    (member,) = family.members
    assert member.spool.clock_error_ns == 20
    assert family.worker == "gw0"
    assert not member.gone


def test_a_test_is_cut_when_all_of_its_processes_have_been_heard(
    there: RunWriter, sender: Sender, family: RemoteFamily
) -> None:
    """The test's end has come, and what its child did has not: it is in the round's next segment."""
    root, child = process(there), process(there, 20, pid=2)
    root.test(100, 200, "a")
    child.call(120, 130)
    sender.send(None, sender.news(root))
    assert advance(family) == []
    sender.send(300, sender.news(child))
    assert windows(there, advance(family)) == [("", 0, 100, 0), ("a", 100, 200, 2)]


def test_nothing_is_read_beyond_the_round(there: RunWriter, sender: Sender, family: RemoteFamily) -> None:
    root = process(there)
    root.test(100, 200, "a")
    sender.send(150, sender.news(root))
    assert [window[0] for window in windows(there, advance(family))] == [""]
    sender.send(250)
    assert [window[0] for window in windows(there, advance(family))] == ["a"]


def test_who_is_gone_is_told(there: RunWriter, sender: Sender, family: RemoteFamily) -> None:
    """Its pid means nothing: a process of this host may have it."""
    root, child = process(there), process(there, 20, pid=os.getppid())
    child.call(120, None)
    sender.send(150, sender.news(root), sender.news(child))
    advance(family)
    assert [member.gone for member in family.members] == [False, False]
    sender.send(300, sender.news(root), sender.news(child, gone=True))
    advance(family)
    assert [(member.gone, member.closed) for member in family.members] == [(False, False), (True, True)]
    assert not (sender.directory / child.name).exists()
    sender.raw(b"")
    advance(family)
    assert family.root_is_gone


def test_the_connection_is_lost_in_a_round(there: RunWriter, sender: Sender, family: RemoteFamily) -> None:
    root = process(there)
    root.test(100, None, "a")
    root.call(350, None, depth=6)
    sender.send(None, sender.news(root))
    sender.raw(b"")
    assert windows(there, advance(family)) == [("", 0, 100, 0)]
    assert family.root_is_gone
    (last,) = list(family.finish(1 << 62))
    assert last.timeline.args["outcome"] == "crashed"
    assert windows(there, [last]) == [("a", 100, 350, 2)]


def test_a_run_ends_before_its_worker(there: RunWriter, sender: Sender, family: RemoteFamily) -> None:
    root = process(there)
    root.test(100, 200, "a")
    sender.send(None, sender.news(root))
    found = list(family.finish(there.start + 1000))
    assert [window[:3] for window in windows(there, found)] == [("", 0, 100), ("a", 100, 200), ("", 200, 200)]


def test_a_better_sample_makes_the_error_no_smaller_for_what_was_told(
    there: RunWriter, sender: Sender, family: RemoteFamily
) -> None:
    root = process(there)
    sender.send(100, sender.news(root))
    advance(family)
    sender.sample(150, 5)
    root.call(160, 170)
    sender.send(200, sender.news(root))
    advance(family)
    assert family.members[0].spool.clock_error_ns == 20


def test_what_makes_no_sense_is_left_out_and_said(there: RunWriter, sender: Sender, family: RemoteFamily) -> None:
    root = process(there)
    root.test(100, 200, "a")
    sender.raw(b"no segment")
    sender.send(None, News("9-9.spool", b"no header"))
    sender.send(300, sender.news(root), News("9-9.spool", b"no header"))
    assert len(advance(family)) == 2
    assert family.damaged == [spooldir.segment(1), "9-9.spool"]


def test_without_a_sample_nothing_can_be_told(there: RunWriter, sender: Sender, family: RemoteFamily) -> None:
    (sender.directory / spooldir.CLOCK).write_text("1 2\nx y z\n5 5 4\n7 7")
    sender.send(300, sender.news(process(there)))
    assert advance(family) == []
    assert family.damaged == [spooldir.CLOCK]
