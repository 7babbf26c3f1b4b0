"""The threads that write the outputs, one for each format, so that the spools are followed meanwhile.

Encoding and compressing need no GIL, so while the tests use one processor and, after them, all of them are used.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from pytest_timeline import outputs
from pytest_timeline.collect.family import Window
from pytest_timeline.collect.manifest import Manifest
from pytest_timeline.collect.rate import Rate
from pytest_timeline.export import Combined, Exporter

BYTES_PER_SLICE = 45
NICE = 10


class Writing:
    """Removes the previous run's files, then writes windows in their order.

    A failure to write is noted in the manifest, and the rest goes on.
    """

    def __init__(
        self, directory: Path, exporters: dict[str, Exporter], mode: str, manifest: Manifest, rate: Rate
    ) -> None:
        self.done = 0
        self.total = 0
        self.backlog = 0  # bytes of slices that wait
        self._directory = directory
        self._per_test = mode in ("per-test", "both")
        self._combine = mode in ("combined", "both")
        self._manifest = manifest
        self._rate = rate
        self._stems: set[str] = set()
        self._lock = threading.Lock()
        self._cleared = threading.Event()
        self._pens = [_Pen(name, exporter, self._write, self._close) for name, exporter in exporters.items()]
        self._clearing = threading.Thread(target=self._clear, name="clearing", daemon=True)
        self._clearing.start()

    def submit(self, window: Window) -> None:
        if window.test is None and not self._combine:
            return
        job = _Job(window, self._stem(window) if window.test is not None and self._per_test else None, len(self._pens))
        with self._lock:
            self.total += 1
            self.backlog += job.size
        for pen in self._pens:
            pen.jobs.put(job)

    def end(self) -> None:
        """Nothing more will be submitted."""
        for pen in self._pens:
            pen.jobs.put(None)

    def wait(self, seconds: float) -> bool:
        """Return whether all is written; wait up to `seconds` for it."""
        for pen in self._pens:
            pen.thread.join(seconds)
        return not any(pen.thread.is_alive() for pen in self._pens)

    def _clear(self) -> None:
        try:
            outputs.remove_previous(self._directory)  # thousands of files take a while, and tests are running
        except OSError as error:
            self._warn(f"the previous run's files are still there: {error}")
        self._cleared.set()

    def _write(self, pen: _Pen, job: _Job) -> None:
        """Write the job in the pen's format; the last of the pens enters it into the manifest."""
        self._cleared.wait()
        file = None
        try:
            if job.stem is not None:
                file = f"{outputs.TESTS}/{job.stem}{pen.exporter.suffix}"
                self._write_test(pen, job, self._directory / file)
            if self._combine:
                self._add(pen, job)
        except Exception as error:
            file = None
            self._warn(f"not written: {job.window.timeline.name or 'the time between tests'}: {reason(error)}")
        with self._lock:
            if file is not None:
                job.files[pen.name] = file
            job.pending -= 1
            if job.pending == 0:
                files = {other.name: job.files[other.name] for other in self._pens if other.name in job.files}
                self._manifest.add(job.window, files, self._rate)
                self.backlog -= job.size
                self.done += 1

    def _write_test(self, pen: _Pen, job: _Job, path: Path) -> None:
        timeline = job.window.timeline
        path.parent.mkdir(exist_ok=True)
        pen.exporter.write(timeline, self._rate.starting_at(timeline.start), path)

    def _add(self, pen: _Pen, job: _Job) -> None:
        if pen.combined is None:
            file = outputs.COMBINED + pen.exporter.suffix
            clock = self._rate.starting_at(self._rate.origin)
            pen.combined = pen.exporter.combined(self._directory / file, clock)
            self._manifest.combined[pen.name] = file
        pen.combined.add(job.window.timeline)

    def _close(self, pen: _Pen) -> None:
        self._cleared.wait()  # also where there was nothing to write
        try:
            if pen.combined is not None:
                pen.combined.close()
        except Exception as error:
            self._manifest.combined.pop(pen.name, None)
            self._warn(f"not written: combined: {reason(error)}")

    def _stem(self, window: Window) -> str:
        """Two tests of a run may have the same node id: given twice, or run by several workers."""
        args = window.timeline.args
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
    """Writes one format, in a thread of its own."""

    def __init__(
        self, name: str, exporter: Exporter, write: Callable[[_Pen, _Job], None], close: Callable[[_Pen], None]
    ) -> None:
        self.name = name
        self.exporter = exporter
        self.combined: Combined | None = None
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._write = write
        self._close = close
        self.thread = threading.Thread(target=self._run, name=f"writing {name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        give_way()
        while (job := self.jobs.get()) is not None:
            self._write(self, job)
            del job  # its slices are freed before the next one is waited for
        self._close(self)


class _Job:
    """A window to write, and which formats have it."""

    __slots__ = ("files", "pending", "size", "stem", "window")

    def __init__(self, window: Window, stem: str | None, pending: int) -> None:
        self.window = window
        self.stem = stem  # of its own file, if it gets one
        self.pending = pending
        self.files: dict[str, str] = {}
        slices = sum(len(track.slices) for process in window.timeline.processes for track in process.tracks)
        self.size = slices * BYTES_PER_SLICE


def give_way() -> None:
    """Give this thread a low priority, where threads have one of their own: the tests come first."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def reason(error: BaseException) -> str:
    """Return what to tell people of an error."""
    return str(error) or type(error).__name__
