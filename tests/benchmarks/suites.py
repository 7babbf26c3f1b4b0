"""Real suites, from their source distributions, with and without `--timeline`: wall time, output, slices."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collector import Watch
from measure import CACHE, Row, pytest_argv, ratios, rounds, row, run, size

TITLE = "Real suites"
NOTE = "Wall time of a whole `pytest -q` run, its collector included, over the same run without `--timeline`."


@dataclass(frozen=True)
class Suite:
    """A project whose source distribution has its tests in `tests`."""

    name: str
    version: str
    needs: tuple[str, ...] = ()  # what the tests import beside the project and pytest

    def source(self) -> Path:
        """Return the unpacked source distribution, downloaded with pip the first time."""
        target = CACHE / f"{self.name}-{self.version}"
        if not target.is_dir():
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                pip("download", "--no-deps", "--no-binary", self.name, "-d", scratch, f"{self.name}=={self.version}")
                (archive,) = Path(scratch).glob("*.tar.gz")
                with tarfile.open(archive) as file:
                    file.extractall(scratch, filter="data")
                (unpacked,) = (path for path in Path(scratch).iterdir() if path.is_dir())
                os.replace(unpacked, target)
        return target

    def installed(self) -> Path:
        """Return the directory in which the project and what it needs are installed for this interpreter."""
        target = CACHE / f"{self.name}-{self.version}-{sys.implementation.cache_tag}"
        if not target.is_dir():
            pip("install", "--target", str(target), str(self.source()), *self.needs)
        return target


def pip(command: str, *arguments: str) -> None:
    """Run pip. Raises CalledProcessError when it fails."""
    subprocess.run([sys.executable, "-m", "pip", command, "-q", *arguments], check=True)


SUITES = [Suite("jinja2", "3.1.6", ("trio",)), Suite("click", "8.5.1")]
VARIANTS: dict[str, list[str]] = {
    "timeline": [],
    "html only": ["--timeline-format=html"],
    "perfetto only": ["--timeline-format=perfetto"],
    "chrome only": ["--timeline-format=chrome"],
    "combined": ["--timeline-mode=combined", "--timeline-format=perfetto"],
    "keep=failed": ["--timeline-keep=failed"],
}
TARGETS = {"timeline": 1.15, "keep=failed": 1.1}  # over bare
BYTES = {"html only": ("html", 4.5), "perfetto only": ("pftrace.gz", 5.5)}  # a slice
PEERS = ("viztracer", "trace0")


def tracer(peer: str, output: str) -> list[str]:
    """Return the command that runs `-m MODULE` under another recorder, its buffer ample."""
    if peer == "trace0":
        return [sys.executable, "-m", "trace0", "run", "-o", output]
    return [sys.executable, "-m", "viztracer", "-q", "--tracer_entries", "20000000", "-o", output]


def measure(count: int, peers: bool = False) -> list[Row]:
    """Run both suites in every variant, `count` rounds; under other recorders as well when `peers`."""
    return [row for suite in SUITES for row in measure_suite(suite, count, peers)]


def measure_suite(suite: Suite, count: int, peers: bool) -> list[Row]:
    """Run one suite in every variant, in `count` rounds."""
    source = suite.source()
    environment = {"PYTHONPATH": str(suite.installed())}
    with tempfile.TemporaryDirectory() as scratch:
        outputs = {name: Path(scratch) / name.replace(" ", "-") for name in VARIANTS}

        def wall(argv: list[str]) -> float:
            return run(argv, source, environment, ok=(0, 1))  # a test that fails here fails in every variant

        variants: dict[str, Callable[[], float]] = {
            "bare": functools.partial(wall, pytest_argv("-p", "no:timeline", "tests"))
        }
        for name, options in VARIANTS.items():
            argv = pytest_argv("--timeline", f"--timeline-dir={outputs[name]}", *options, "tests")
            variants[name] = functools.partial(wall, argv)
        peaks: list[float] = []

        def watched(run: Callable[[], float] = variants["timeline"]) -> float:
            watch = Watch(outputs["timeline"])
            seconds = run()
            peaks.append(watch.end().memory / 2**20)
            return seconds

        variants["timeline"] = watched
        for peer in PEERS if peers else ():
            if importlib.util.find_spec(peer):
                tests = pytest_argv("-p", "no:timeline", "tests")[2:]
                variants[peer] = functools.partial(wall, [*tracer(peer, f"{scratch}/{peer}.json"), "-m", *tests])
        taken = rounds(variants, count)

        label = f"{suite.name} {suite.version}"
        rows = [row(f"{label}, bare", taken["bare"], "s")]
        for name in list(variants)[1:]:
            rows.append(row(f"{label}, {name} / bare", ratios(taken[name], taken["bare"]), "x", TARGETS.get(name)))
        for name, directory in outputs.items():
            most = 60 if (suite.name, name) == ("jinja2", "timeline") else None
            rows.append(row(f"{label}, {name}: output", [size(directory) / 1e6], "MB", most))
        for name, (suffix, most) in BYTES.items():
            found = json.loads((outputs[name] / "run.json").read_bytes())["tests"]
            files = sum(file.stat().st_size for file in (outputs[name] / "tests").glob(f"*.{suffix}"))
            rows.append(
                row(f"{label}: bytes a slice, {suffix}", [files / sum(each["slices"] for each in found)], "B", most)
            )
        rows.append(row(f"{label}: peak of the collector", peaks, "MiB", 256))
        manifest = json.loads((outputs["timeline"] / "run.json").read_bytes())
        tests = manifest["tests"]
        rows.append(row(f"{label}: tests", [len(tests)], ""))
        rows.append(row(f"{label}: slices", [sum(test["slices"] for test in tests)], ""))
        rows.append(row(f"{label}: slices folded", [sum(test["folded"] for test in tests)], "", 0))
        rows.append(row(f"{label}: functions muted", [sum(test["muted"] for test in tests)], ""))
        rows.append(row(f"{label}: records dropped", [manifest["dropped"]], "", 0))
    return rows
