"""How a trace is written: in whole or not at all, and in memory that does not grow with the slices."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_timeline._codec import chrome_slices, continued, perfetto_slices
from pytest_timeline.export import FORMATS, make, traces
from pytest_timeline.export.gzipped import MEMBER_BYTES, GzippedFile
from support.timelines import CLOCK, CUT_END, CUT_START, slices, thread, timeline

MANY = [(start, start + 10, 10 + start % 7, 0) for start in range(1_000, 1_001_000, 20)]


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(ValueError, match="svg"):
        make("svg")


@pytest.mark.parametrize(
    ("formats", "made"), [(["html"], ["perfetto"]), (["html", "chrome"], ["chrome"]), (FORMATS, ["perfetto", "chrome"])]
)
def test_a_look_at_a_run_is_a_trace(formats: list[str], made: list[str]) -> None:
    assert list(traces(formats)) == made


@pytest.mark.parametrize("format", FORMATS)
def test_only_the_format_that_is_used_is_imported(format: str) -> None:
    script = f"""
import sys
sys.path[:] = {sys.path!r}
import pytest_timeline.export
loaded = lambda: {{name for name in {FORMATS} if "pytest_timeline.export." + name in sys.modules}}
assert loaded() == set()
pytest_timeline.export.make("{format}")
assert loaded() == {{"{format}"}}
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    with GzippedFile(path, 1) as file:
        file.write(b"one " * 10)
        assert not path.exists()
    assert gzip.decompress(path.read_bytes()) == b"one " * 10
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(b"before")
    with pytest.raises(TypeError), GzippedFile(path, 1) as file:
        file.write("not bytes")  # type: ignore[arg-type]
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"before"]


def test_a_target_that_cannot_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.mkdir()
    with pytest.raises(OSError), GzippedFile(path, 1) as file:  # noqa: PT011 - which one depends on the system
        file.write(b"data")
    assert list(tmp_path.iterdir()) == [path]


def test_a_member_ends_at_a_checkpoint_when_it_is_large(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    with GzippedFile(path, 1) as file:
        file.write(bytes(MEMBER_BYTES - 1))
        file.checkpoint()
        file.write(b"x")
        file.checkpoint()
        ended = file._file.tell()
        file.write(b"tail")
    data = path.read_bytes()
    assert gzip.decompress(data[:ended]) == bytes(MEMBER_BYTES - 1) + b"x"
    assert gzip.decompress(data) == bytes(MEMBER_BYTES - 1) + b"xtail"


def test_slices_come_in_pieces_of_whole_packets_or_objects() -> None:
    track = thread(slices(*MANY))
    pieces: list[bytes] = []
    chrome_slices(track.slices, track.names, 0, 1.0, b'"pid":1,"tid":2', pieces.append)
    assert len(pieces) > 10
    assert all(piece.startswith(b"{") and piece.endswith(b"},\n") for piece in pieces)
    assert sum(piece.count(b"\n") for piece in pieces) == len(MANY)
    pieces.clear()
    perfetto_slices(track.slices, track.names, 0, 1.0, 1, 2, pieces.append)
    assert len(pieces) > 3
    assert all(piece.startswith(b"\x0a") for piece in pieces)
    assert sum(map(len, pieces)) < 28 * len(MANY)


def test_what_writing_raises_is_raised() -> None:
    def fail(piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    track = thread(slices(*MANY))
    with pytest.raises(OSError, match="No space"):
        perfetto_slices(track.slices, track.names, 0, 1.0, 1, 2, fail)
    with pytest.raises(OSError, match="No space"):
        chrome_slices(track.slices, track.names, 0, 1.0, b"", fail)


def test_what_goes_on_is_the_chain_of_cut_slices() -> None:
    before = [(10, 0, 0, 0), (11, 0, 0, 0), (12, 0, 0, 0)]
    assert continued(slices(), before) == 0
    assert continued(slices((5, 6, 10, 0)), before) == 0
    assert continued(slices((5, 6, 10, 0, CUT_START), (5, 6, 13, 1, CUT_START)), before) == 1
    assert continued(slices((5, 6, 10, 0, CUT_START), (5, 6, 11, 1, CUT_START), (5, 6, 12, 2)), before) == 2
    assert continued(slices((5, 6, 10, 0, CUT_START), (5, 6, 11, 1, CUT_START)), before[:1]) == 1


@pytest.mark.parametrize("format", ["perfetto", "chrome"])
def test_a_combined_trace_that_fails_leaves_nothing(tmp_path: Path, format: str) -> None:
    exporter = make(format)
    path = tmp_path / "combined"
    trace = exporter.combined(path, CLOCK)
    trace.add(timeline(thread(slices((2_000, 5_000, 10, 0, CUT_END))), end=5_000))
    path.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        trace.close()
    assert list(tmp_path.iterdir()) == [path]
