"""The collector's loop: follow the spools while the tests run, then finish what is there.

`main(spool_dir)` is the whole collector process, as `spooldir.command` starts it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pytest_timeline import export, outputs, spooldir
from pytest_timeline._codec import now
from pytest_timeline.collect import quota
from pytest_timeline.collect.alive import Watch
from pytest_timeline.collect.family import Family
from pytest_timeline.collect.live import Answering
from pytest_timeline.collect.manifest import Manifest
from pytest_timeline.collect.memory import Memory
from pytest_timeline.collect.query import Questions
from pytest_timeline.collect.rate import Rate
from pytest_timeline.collect.remote import RemoteFamily
from pytest_timeline.collect.writing import Writing
from pytest_timeline.config import KEEP_ALL, Keep
from pytest_timeline.export.index import Index
from pytest_timeline.spooldir import StatusPage

BUSY, IDLE = 0.005, 0.02  # seconds between two rounds
LISTENING = 0.0005  # seconds between two looks at the bell, for
LISTENING_NS = 2_000_000_000  # after it was rung
BACKLOG = 256 << 20  # bytes; for each that waits to be written, new windows get half the slices
FEWEST_SLICES = 1000


class Follower:
    """Collects one run's spools, into `directory` if it is not where the run wanted it.

    Raises OSError when the spool directory cannot be read, ValueError when its settings are no good.
    """

    def __init__(self, spool_dir: str | os.PathLike[str], directory: Path | None = None) -> None:
        self.spool_dir = Path(spool_dir)
        settings = spooldir.read_settings(str(self.spool_dir / spooldir.SETTINGS))

        def one(key: str, default: str) -> str:
            return settings.get(key, [default])[-1]

        self.directory = directory or Path(one("directory", str(self.spool_dir.parent)))
        self.mode = one("mode", "per-test")
        self.keep = Keep.of(settings.get("keep", [KEEP_ALL]))
        self.clock = int(one("clock", "1"))
        self.min_duration_ns = int(one("min_duration_ns", "0"))
        self.max_slices = int(one("max_slices", "0"))
        self.memory = "memory" in settings.get("record", [])
        self.max_instants = int(one("max_instants", "0"))
        self.block_threshold_ns = int(one("block_threshold_ns", "0"))
        self.args = settings.get("args", [])
        self.root = one("root", "")
        self.watch = Watch(int(one("pid", "0")))
        formats = settings.get("format", [])
        about = export.About(
            root=self.root,
            formats=tuple(formats),
            versions={key: one(key, "") for key in ("python", "pytest") if key in settings},
            standalone=one("standalone", "0") == "1",
        )
        self.exporters = {name: export.make(name, about) for name in formats}
        status = self.spool_dir / spooldir.STATUS
        self.status = StatusPage(str(status), create=not status.exists())
        self.families: dict[str, Family] = {}
        self.manifest = Manifest(Index(about) if "html" in formats else None, about.root)
        self.rate: Rate | None = None
        self.writing: Writing | None = None
        self.answering = Answering(self.status, self.spool_dir, self.directory, export.traces(formats))
        self.questions = Questions(self.status, self.spool_dir, self.block_threshold_ns)
        self.end = 0  # tick
        self._pause = BUSY

    def run(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Follow until the run is over, write everything, and remove the spool directory; nothing of it for a run that
        is abandoned, whose spool directory is another's to remove.

        `progress` is told, again and again, how many timelines of how many are written once the run is over.
        """
        if self.status["state"] != StatusPage.STARTING:
            self.manifest.warn("the run's own collector did not finish: what it had read is not in this manifest")
        self.status["pid"] = os.getpid()
        self._beat()
        self.status["state"] = StatusPage.FOLLOWING
        while not self._round():
            self._rest()
        if self._abandoned:
            self.status["heartbeat"] = 0  # the spool is nobody's now
            self._close()
            return
        self.status["state"] = StatusPage.FINISHING
        if self.writing is None:  # nothing was recorded
            outputs.remove_previous(self.directory)
        else:
            self.writing.end()
            while not self.writing.wait(IDLE):
                self._beat()
                if progress is not None:
                    progress(self.writing.done, self.writing.total)
        while not self.answering.wait(IDLE):
            self._beat()
        self._beat()
        self._warn_of_unmatched()
        self.manifest.write(self.directory, list(self.families.values()), self.rate, self.end)
        self._close()
        outputs.remove_live(self.directory, self.spool_dir)
        spooldir.remove(str(self.spool_dir))
        self.status["state"] = StatusPage.DONE

    @property
    def _abandoned(self) -> bool:
        return self.status["finish"] == StatusPage.ABANDONED

    def _close(self) -> None:
        for family in self.families.values():
            family.close()

    def _warn_of_unmatched(self) -> None:
        """Say which patterns of functions mean none that ran."""
        matched = 0
        for family in self.families.values():
            matched |= family.matched
        for place, pattern in enumerate(self.args[: 64 if self.rate else 0]):
            if not matched >> place & 1:
                file, _, name = pattern.rpartition("::")
                file = file.removeprefix(os.path.join(self.root, "")) if self.root else file
                said = name if not file else file if name == "*" else f"{file}::{name}"
                self.manifest.warn(
                    f"--timeline-args: no function that was recorded matches {said!r}; "
                    "write for example Cart.add, shop.cart.Cart.add, shop.cart.* or src/shop/cart.py"
                )

    def fail(self, reason: str) -> None:
        """Say in the status page that there will be no more, and let nobody record in vain."""
        for family in self.families.values():
            for member in family.members:
                member.spool.stop()
        self.status.reason = reason
        self.status["state"] = StatusPage.FAILED

    def _round(self) -> bool:
        """Read everything up to now; return whether the run is over."""
        self._beat()
        over = self.watch.gone() or self.status["finish"] == StatusPage.OVER
        for family in self.families.values():
            family.look()
        main = self.families.get("main")
        over = over or main is not None and main.root_is_gone
        if self._abandoned:  # asked after all else: who is gone may have said so just before
            return True
        self.questions.look()
        until = now(self.clock)  # before the scan: a spool with older records is there already
        self._scan()
        before = self._records()
        for family in self.families.values():
            self._submit(family, until)
        main = self.families.get("main")
        self._pause = BUSY if self._records() != before else min(self._pause * 1.5, IDLE)
        if over or main is not None and main.story.end is not None:
            self._finish()
            return True
        self.answering.serve(self.families.values(), self.rate, until)
        self.questions.answer(self.families, self.rate, until)
        return False

    def _rest(self) -> None:
        """Wait for the next round; for a question, if any may come."""
        until = time.monotonic() + self._pause
        while time.monotonic_ns() - self.status["bell"] < LISTENING_NS and time.monotonic() < until:
            if self.questions.rung:
                return
            time.sleep(LISTENING)
        time.sleep(max(until - time.monotonic(), 0))

    def _finish(self) -> None:
        """Read what is left; the processes that live on record no more."""
        for family in self.families.values():
            family.look()
        self.end = now(self.clock)
        self._scan()
        for family in self.families.values():
            self._submit(family, self.end, last=True)
        self.end = max((family.end for family in self.families.values()), default=self.end)

    def _submit(self, family: Family, until: int, *, last: bool = False) -> None:
        if family.over:
            return
        last = last or family.root_is_gone
        for window in family.finish(until) if last else family.advance(until):
            if self.writing is not None:
                self.writing.submit(window)
                self._limit()

    def _scan(self) -> None:
        try:
            names = sorted(entry.name for entry in os.scandir(self.spool_dir) if entry.is_dir())
        except OSError:  # a test removed it
            names = []
        for name in names:
            if name not in self.families:
                self.families[name] = self._family(self.spool_dir / name)
                self._limit()
        for family in self.families.values():
            family.scan()
        roots = [family.root for family in self.families.values() if family.root is not None and not family.remote]
        if self.rate is None and roots:
            self._start(Rate(min(roots, key=lambda root: root.start_tick)))
        for family in self.families.values():
            family.processes.foreign = [root.pid for root in roots if root is not family.root]

    def _family(self, directory: Path) -> Family:
        if directory.name.endswith(spooldir.REMOTE):
            return RemoteFamily(directory, lambda: self.rate)
        family = Family(directory)
        family.memory = Memory(self.max_instants) if self.memory else None
        return family

    def _start(self, rate: Rate) -> None:
        self.rate = rate
        self.writing = Writing(self.directory, self.exporters, self.mode, self.keep, self.manifest, rate)
        self._limit()

    def _limit(self) -> None:
        """Tell the families how much to keep of a window: less while much of it waits to be written."""
        if self.rate is None or self.writing is None:
            return
        most = self.max_slices
        if most:
            most = max(most >> (self.writing.backlog // BACKLOG), min(most, FEWEST_SLICES))
        rough = self.rate.rough()
        for family in self.families.values():
            family.limit(round(self.min_duration_ns / rough), most, round(self.block_threshold_ns / rough))
            family.processes.ns_per_tick = rough

    def _records(self) -> int:
        return sum(member.spool.records for family in self.families.values() for member in family.members)

    def _beat(self) -> None:
        self.status["heartbeat"] = time.monotonic_ns()
        quota.beat([spool for family in self.families.values() for spool in family.growing()])
        if self.writing is not None:
            self.status["done"], self.status["total"] = self.writing.done, self.writing.total


def main(spool_dir: str) -> None:
    """Collect `spool_dir`; exit with status 1 on a failure, which the status page tells."""
    follower = None
    try:
        follower = Follower(spool_dir)
        follower.run()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        if follower is not None:
            follower.fail(reason)
        else:
            _fail_early(spool_dir, reason)
        sys.exit(1)


def _fail_early(spool_dir: str, reason: str) -> None:
    try:
        status = StatusPage(os.path.join(spool_dir, spooldir.STATUS))
        status.reason = reason
        status["state"] = StatusPage.FAILED
    except OSError:
        pass
