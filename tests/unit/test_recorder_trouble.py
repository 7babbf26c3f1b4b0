"""The recorder where something is in its way: no room, no directory, no memory for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.recording import run, run_one

MONITORING = sys.version_info >= (3, 12)


class TestTrouble:
    def test_growth_that_fails_is_counted_and_harms_nobody(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import os, resource
            def work(): pass
            start(c_calls="none")
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
            for _ in range(100_000): work()
            print(_recorder.losses())
        """,
        )
        kept = len(spool.thread("MainThread").records)
        assert spool.error != 0
        assert kept > 10_000
        assert kept + spool.dropped >= 200_000 - 2 * 2048  # what the last sink held is counted when it ends

    def test_tests_go_on_while_there_is_no_room(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import resource
            def work(): pass
            start(c_calls="none")
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
            for _ in range(20):
                for _ in range(10_000): work()
                _recorder.refresh()
        """,
        )
        kept = len(spool.thread("MainThread").records)
        assert kept + spool.dropped >= 400_000 - 2 * 2048

    @pytest.mark.skipif(sys.platform == "win32", reason="a file is opened twice")
    def test_the_file_grows_as_far_as_its_reader_lets_it(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import mmap, pathlib, struct, sys
            def work(): pass
            start(c_calls="none", full=True)
            (path,) = pathlib.Path(sys.argv[1]).glob("*.spool")
            with path.open("r+b") as file:
                head = mmap.mmap(file.fileno(), 4096)
            for room in (10, 0, 40):
                struct.pack_into("=I", head, 360, room)
                for _ in range(30_000): work()
        """,
        )
        assert spool.chunks == 40
        kept = len(spool.thread("MainThread").records)
        assert kept + spool.dropped >= 180_000 - 2048

    def test_the_directory_vanishes(self, tmp_path: Path) -> None:
        assert run(tmp_path, """
            import shutil
            def work(): pass
            start(c_calls="none")
            shutil.rmtree(sys.argv[1])
            for _ in range(100_000): work()
            assert _recorder.losses()["error"]
        """) == {}  # fmt: skip

    def test_every_descriptor_is_closed(self, tmp_path: Path) -> None:
        spool = run_one(
            tmp_path,
            """
            import os
            def work(): pass
            start(c_calls="none", full=True)
            os.closerange(3, 256)
            for _ in range(20_000): work()
        """,
        )
        assert spool.frames().count(("start", "work")) == 20_000

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        assert (
            run(
                tmp_path,
                """
            try: _recorder.start("/nonexistent/family", clock=1)
            except OSError as error: assert error.filename == "/nonexistent/family"
            else: raise SystemExit(1)
            assert not _recorder.active()
        """,
            )
            == {}
        )

    @pytest.mark.skipif(not MONITORING, reason="sys.monitoring came with 3.12")
    def test_every_tool_id_is_taken(self, tmp_path: Path) -> None:
        run(
            tmp_path,
            """
            for id in (3, 4, 5): sys.monitoring.use_tool_id(id, f"tool {id}")
            try: start()
            except RuntimeError as error: assert "3 by tool 3" in str(error)
            else: raise SystemExit(1)
            assert not _recorder.active()
        """,
        )
