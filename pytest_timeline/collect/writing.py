"""The thread that writes the outputs, so that the spools are followed meanwhile."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from pytest_timeline import outputs
from pytest_timeline.collect.family import Window
from pytest_timeline.collect.manifest import Manifest
from pytest_timeline.collect.rate import Rate
from pytest_timeline.export import Combined, Exporter
from pytest_timeline.timeline.model import Timeline

BYTES_PER_SLICE = 45


class Writing:
    """Removes the previous run's files, then writes windows, one after another, in a thread of its own.

    A failure to write is noted in the manifest, and the rest goes on.
    """

    def __init__(
        self, directory: Path, exporters: dict[str, Exporter], mode: str, manifest: Manifest, rate: Rate
    ) -> None:
        self.done = 0
        self.total = 0
        self.backlog = 0  # bytes of slices that wait
        self._directory = directory
        self._exporters = exporters
        self._per_test = mode in ("per-test", "both")
        self._combine = mode in ("combined", "both")
        self._combined: dict[str, Combined] = {}
        self._manifest = manifest
        self._rate = rate
        self._stems: set[str] = set()
        self._windows: queue.SimpleQueue[Window | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writing", daemon=True)
        self._thread.start()

    def submit(self, window: Window) -> None:
        if window.test is None and not self._combine:
            return
        self.total += 1
        self.backlog += _size(window)
        self._windows.put(window)

    def end(self) -> None:
        """Nothing more will be submitted."""
        self._windows.put(None)

    def wait(self, seconds: float) -> bool:
        """Return whether all is written; wait up to `seconds` for it."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            outputs.remove_previous(self._directory)  # thousands of files take a while, and tests are running
        except OSError as error:
            self._manifest.warn(f"the previous run's files are still there: {error}")
        while (window := self._windows.get()) is not None:
            size = _size(window)
            try:
                self._write(window)
            except Exception as error:
                self._fail(f"{window.timeline.name or 'the time between tests'}: {_reason(error)}")
            self.backlog -= size
            self.done += 1
            del window
        for name, combined in self._combined.items():
            try:
                combined.close()
            except Exception as error:
                self._manifest.combined.pop(name, None)
                self._fail(f"combined: {_reason(error)}")

    def _write(self, window: Window) -> None:
        files: dict[str, str] = {}
        try:
            if window.test is not None and self._per_test:
                self._write_test(window, files)
            if self._combine:
                for name, exporter in self._exporters.items():
                    self._add(name, exporter, window.timeline)
        finally:
            self._manifest.add(window, files, self._rate)

    def _write_test(self, window: Window, files: dict[str, str]) -> None:
        timeline = window.timeline
        stem = self._free_stem(outputs.stem(timeline.name, timeline.args["rerun"]), timeline.args["worker"])
        clock = self._rate.starting_at(timeline.start)
        for name, exporter in self._exporters.items():
            file = f"{outputs.TESTS}/{stem}{exporter.suffix}"
            path = self._directory / file
            path.parent.mkdir(exist_ok=True)
            exporter.write(timeline, clock, path)
            files[name] = file

    def _add(self, name: str, exporter: Exporter, timeline: Timeline) -> None:
        if name not in self._combined:
            file = outputs.COMBINED + exporter.suffix
            clock = self._rate.starting_at(self._rate.origin)
            self._combined[name] = exporter.combined(self._directory / file, clock)
            self._manifest.combined[name] = file
        self._combined[name].add(timeline)

    def _free_stem(self, stem: str, worker: str | None) -> str:
        """Two tests of a run may have the same node id: given twice, or run by several workers."""
        free, count = stem, 1
        while free in self._stems:
            free = f"{stem}-{worker}" if worker and count == 1 else f"{stem}-{count}"
            count += 1
        self._stems.add(free)
        return free

    def _fail(self, text: str) -> None:
        self._manifest.warn(f"not written: {text}")


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _size(window: Window) -> int:
    return BYTES_PER_SLICE * sum(len(track.slices) for process in window.timeline.processes for track in process.tracks)
