"""The report's run page of ten thousand tests in a headless Chromium: how soon it is there, and how it scrolls."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from measure import Row, row
from support import chromium, run_pages

TITLE = "Run page"
NOTE = (
    "A run of so many made-up tests on two workers, read from disk by a headless Chromium without a GPU. First paint: "
    "from the start of the navigation until the table and the lanes are drawn. Worst frame: what the page works for "
    "one while the table scrolls down and up again, 300 px a frame. Filtering: from one key in the filter to the new "
    "table."
)
SIZES = {1_000: (0.5, 16), 10_000: (1.0, 16)}  # s, ms
WIDE = 40  # a fixture of a wider scope is set up every so many tests
SCROLL = """new Promise(done => {
  const work = [];
  let frame = 0, began = 0;
  const channel = new MessageChannel();
  channel.port1.onmessage = () => work.push(performance.now() - began);
  const step = () => {
    began = performance.now();
    if (frame++ >= 240) return done(work.slice(5));
    scrollBy(0, frame < 120 ? 300 : -300);
    channel.port2.postMessage(0);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""
FILTER = """(() => {
  const query = document.getElementById("query"), began = performance.now();
  query.value = "test_1";
  query.dispatchEvent(new Event("input"));
  document.body.offsetHeight;
  return performance.now() - began;
})()"""
PAINTED = """new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"""


def entries(count: int) -> list[dict[str, Any]]:
    """Return a run's tests as they are: most are short, some fail, a few take long."""
    draw = random.Random(count)
    ends = [0.5, 0.5]
    made = []
    for number in range(count):
        worker = ends.index(min(ends))
        duration = min(draw.lognormvariate(-4.5, 1.3), 5.0)
        outcome = draw.choices(["passed", "failed", "skipped", "error"], [0.96, 0.01, 0.025, 0.005])[0]
        nodeid = f"tests/unit/area_{number % 60}/test_module_{number % 240}.py::TestThings::test_case[{number}-value]"
        fields = {"outcome": outcome, "worker": f"gw{worker}", "start": ends[worker], "duration": duration}
        phases = {"setup": duration * 0.3, "call": duration * 0.6, "teardown": duration * 0.05}
        made.append(run_pages.entry(number, nodeid=nodeid, phases=phases, leaks=number % 97 == 0, **fields))
        ends[worker] += duration + 0.001
    return made


def measure(rounds: int) -> list[Row]:
    """Open, scroll and filter the page `rounds` times. Raises RuntimeError where there is no Chromium."""
    binary = chromium.find()
    if binary is None:
        raise RuntimeError("no Chromium found")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch, chromium.running(binary) as browser:
        for count, (first, worst) in SIZES.items():
            directory = Path(scratch) / str(count)
            directory.mkdir()
            wide = {number: [run_pages.fixture("db", 2_000, 52_000, "module")] for number in range(0, count, WIDE)}
            path = run_pages.write(directory, entries(count), fixtures=wide)
            shown, frames, filtered = zip(*(_look(browser, path) for _ in range(rounds)), strict=True)
            rows += [
                row(f"{count:,} tests: page", [path.stat().st_size / 1e6], "MB"),
                row(f"{count:,} tests: first paint", shown, "s", first),
                row(f"{count:,} tests: worst frame, scrolling", frames, "ms", worst),
                row(f"{count:,} tests: filtering", filtered, "ms"),
            ]
    return rows


def _look(browser: chromium.Chromium, path: Path) -> tuple[float, float, float]:
    page = browser.page()
    page.open(path)
    shown = page.evaluate(PAINTED)
    frames = page.evaluate(SCROLL)
    filtered = page.evaluate(FILTER)
    assert not page.troubles, page.troubles
    page.close()
    return shown / 1000, max(frames), filtered
