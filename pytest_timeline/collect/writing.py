"""The thread that writes the outputs, while the spools are followed.

Encoding and compressing many slices needs no GIL: each format of a large window is written by a thread of its own, so
that all processors are used after the tests. Of a small one most is Python: several threads would only wait in turn.
"""

from __future__ import annotations

import itertools
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from pytest_timeline import outputs
from pytest_timeline.collect.family import Window
from pytest_timeline.collect.keeping import Keeping, Slowest
from pytest_timeline.collect.manifest import Manifest
from pytest_timeline.collect.rate import Rate
from pytest_timeline.config import Keep
from pytest_timeline.export import Combined, Exporter, TraceExporter
from pytest_timeline.timeline.model import Timeline

BYTES_PER_SLICE = 45
BYTES_PER_WINDOW = 30_000  # that no slice takes
HELD = 64 << 20  # bytes of windows that are held back because a slower test may take their place
NICE = 10
LARGE = 1 << 20  # bytes of a window whose formats are written side by side


class Writing:
    """Writes windows in their order, of those tests that `keep` asks for; removes the previous run's files meanwhile.

    A failure to write is noted in the manifest, and the rest goes on.
    """

    def __init__(
        self, directory: Path, exporters: dict[str, Exporter], mode: str, keep: Keep, manifest: Manifest, rate: Rate
    ) -> None:
        self.done = 0
        self.total = 0
        self.backlog = 0  # bytes of slices that wait
        self._directory = directory
        self._per_test = mode in ("per-test", "both")
        self._combine = mode in ("combined", "both")
        self._keeping = Keeping(keep, rate)
        self._slowest: Slowest[_Job] = Slowest(keep.slowest)
        self._held = 0  # bytes
        self._manifest = manifest
        manifest.keep = list(keep.words) if self._per_test else []
        self._rate = rate
        self._stems: set[str] = set()
        self._lock = threading.Lock()
        self._made: set[str] = set()  # files
        self._previous = outputs.removing_previous(directory, self._made)
        self._jobs: queue.SimpleQueue[tuple[_Job, Window] | None] = queue.SimpleQueue()
        self._pens = [_Pen(name, exporter) for name, exporter in exporters.items()]
        self._writing = threading.Thread(target=self._run, name="writing", daemon=True)
        self._writing.start()

    def submit(self, window: Window) -> None:
        job = _Job(window)
        if window.collection and self._per_test:
            job.kept = job.sure = self._keeping.collection(window)
            job.stem = self._stem(window)
            self._hand_on(job, window)
        elif window.test is not None and self._per_test and not window.test.get("off"):
            self._judge(window, job)
        elif window.test is not None or window.collection or self._combine:
            self._hand_on(job, window)

    def _judge(self, window: Window, job: _Job) -> None:
        """See whether the test gets files of its own; hold it back while only the rest of the run can tell."""
        job.sure = self._keeping.surely(window)
        displaced = self._slowest.offer(window.timeline.end - window.timeline.start, job)
        job.kept = job.sure or displaced is not job
        if job.kept:
            job.stem = self._stem(window)
        if job.kept and not job.sure and not self._combine:  # a combined trace takes windows as they come
            job.held = window
            self._held += job.size
        else:
            self._hand_on(job, window)
        if displaced is not None and displaced is not job and not displaced.sure:
            self._give_up(displaced)
        if self._held > HELD:
            self._write_early()

    def _hand_on(self, job: _Job, window: Window) -> None:
        with self._lock:
            self.total += 1
            self.backlog += job.size
        self._jobs.put((job, window))

    def _let_go(self, job: _Job) -> None:
        """Hand on what was held back, if it still is."""
        window, job.held = job.held, None
        if window is not None:
            self._held -= job.size
            self._hand_on(job, window)

    def _give_up(self, job: _Job) -> None:
        """There are enough tests that took longer."""
        with self._lock:
            job.kept = False
            if job.entry is not None:
                self._remove(job)
                job.entry |= {"kept": False, "files": {}}
        self._let_go(job)

    def _write_early(self) -> None:
        """Make room in memory: the slowest stay most probably, and what does not stay is removed again."""
        for job in self._slowest:
            if self._held <= HELD // 2:
                break
            self._let_go(job)

    def end(self) -> None:
        """Nothing more will be submitted."""
        for job in self._slowest:
            self._let_go(job)
        self._jobs.put(None)

    def wait(self, seconds: float) -> bool:
        """Return whether all is written; wait up to `seconds` for it."""
        self._writing.join(seconds)
        return not self._writing.is_alive()

    def _run(self) -> None:
        give_way()
        item = self._jobs.get()
        self._clear(1)
        while item is not None:
            job, window = item
            try:
                self._write(job, window)
            except Exception as error:  # the rest goes on
                self._warn(f"not entered: {_name(window)}: {reason(error)}")
            with self._lock:
                self.backlog -= job.size
                self.done += 1
            del item, job, window  # its slices are freed before the next one is waited for
            item = self._next()
        self._clear()
        for pen in self._pens:
            self._close(pen)

    def _next(self) -> tuple[_Job, Window] | None:
        """Return the next job; while there is none, remove files of the previous run, most of which are made again."""
        while self._jobs.empty() and self._clear(1):
            pass
        return self._jobs.get()

    def _clear(self, most: int | None = None) -> bool:
        """Take so many steps to remove the previous run's files, or all; return whether there was anything to do."""
        try:
            return sum(1 for _ in itertools.islice(self._previous, most)) > 0
        except OSError as error:
            self._warn(f"the previous run's files are still there: {error}")
            return False

    def _write(self, job: _Job, window: Window) -> None:
        """Write the job in all formats, and enter it into the manifest."""
        pens = self._pens if job.kept or self._combine else []
        besides = pens[1:] if job.size >= LARGE else []
        threads = []
        for pen in besides:
            thread = threading.Thread(target=self._write_beside, args=(pen, job, window))
            try:
                thread.start()
            except RuntimeError:  # there are no more threads to be had
                self._write_with(pen, job, window)
            else:
                threads.append(thread)
        for pen in pens[: len(pens) - len(besides)]:
            self._write_with(pen, job, window)
        for thread in threads:
            thread.join()
        with self._lock:
            self._enter(job, window)

    def _write_beside(self, pen: _Pen, job: _Job, window: Window) -> None:
        give_way()
        self._write_with(pen, job, window)

    def _write_with(self, pen: _Pen, job: _Job, window: Window) -> None:
        """Write the job in the pen's format."""
        if job.kept:
            file = f"{outputs.TESTS}/{job.stem}{pen.exporter.suffix}"
            self._made.add(file)
            try:
                self._write_alone(pen, window.alone, self._directory / file)
                job.files[pen.name] = file
            except Exception as error:
                self._made.discard(file)  # what is there is the previous run's
                self._warn(f"not written: {_name(window)}: {reason(error)}")
        if self._combine:
            try:
                self._add(pen, window.timeline)
            except Exception as error:
                self._warn(f"not written: {_name(window)}: {reason(error)}")

    def _enter(self, job: _Job, window: Window) -> None:
        """Enter it into the manifest, now that all is written."""
        if not job.kept:
            self._remove(job)
        files = {pen.name: job.files[pen.name] for pen in self._pens if pen.name in job.files}
        job.entry = self._manifest.add(window, job.kept, files, self._rate)

    def _remove(self, job: _Job) -> None:
        """Remove the files of a test that is not kept after all."""
        for file in job.files.values():
            try:
                (self._directory / file).unlink(missing_ok=True)
            except OSError as error:
                self._manifest.warn(f"not removed: {file}: {reason(error)}")
        job.files = {}

    def _write_alone(self, pen: _Pen, timeline: Timeline, path: Path) -> None:
        clock = self._rate.starting_at(timeline.start)
        try:
            pen.exporter.write(timeline, clock, path)
        except FileNotFoundError:
            path.parent.mkdir(exist_ok=True)
            pen.exporter.write(timeline, clock, path)

    def _add(self, pen: _Pen, timeline: Timeline) -> None:
        if not isinstance(pen.exporter, TraceExporter):
            return
        if pen.combined is None:
            file = outputs.COMBINED + pen.exporter.suffix
            clock = self._rate.starting_at(self._rate.origin)
            pen.combined = pen.exporter.combined(self._directory / file, clock)
            self._manifest.combined[pen.name] = file
        pen.combined.add(timeline)

    def _close(self, pen: _Pen) -> None:
        self._manifest.report += pen.exporter.shared
        try:
            if pen.combined is not None:
                pen.combined.close()
        except Exception as error:
            self._manifest.combined.pop(pen.name, None)
            self._warn(f"not written: combined: {reason(error)}")

    def _stem(self, window: Window) -> str:
        """Two tests of a run may have the same node id: given twice, or run by several workers."""
        args = window.timeline.args
        if window.collection:
            return outputs.collection_stem(args["worker"])
        stem = outputs.stem(window.timeline.name, args["rerun"])
        free, count = stem, 1
        while free in self._stems:
            free = f"{stem}-{args['worker']}" if args["worker"] and count == 1 else f"{stem}-{count}"
            count += 1
        self._stems.add(free)
        return free

    def _warn(self, text: str) -> None:
        with self._lock:
            self._manifest.warn(text)


class _Pen:
    """Writes one format."""

    def __init__(self, name: str, exporter: Exporter) -> None:
        self.name = name
        self.exporter = exporter
        self.combined: Combined | None = None


class _Job:
    """What becomes of a window; it does not hold it for longer than it must."""

    __slots__ = ("entry", "files", "held", "kept", "size", "stem", "sure")

    def __init__(self, window: Window) -> None:
        self.held: Window | None = None  # back: only the rest of the run tells whether the test is kept
        self.kept = False  # it gets files of its own, as far as is known
        self.sure = False  # whatever comes later
        self.stem = ""  # of these files
        self.files: dict[str, str] = {}
        self.entry: dict[str, Any] | None = None  # in the manifest, once it is there
        slices = [track.slices for process in window.timeline.processes for track in process.tracks]
        self.size = BYTES_PER_WINDOW + sum(len(each) * BYTES_PER_SLICE + each.values_bytes for each in slices)


def give_way() -> None:
    """Give this thread a low priority, where threads have one of their own: the tests come first."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def _name(window: Window) -> str:
    return window.timeline.name or "the time between tests"


def reason(error: BaseException) -> str:
    """Return what to tell people of an error."""
    return str(error) or type(error).__name__
