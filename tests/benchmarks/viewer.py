"""The report's test page in a headless Chromium: how soon it shows the slices, and how long its frames take."""

from __future__ import annotations

import random
import statistics
import tempfile
from pathlib import Path

from pytest_timeline._codec import Names, Slices
from pytest_timeline.export import About, make
from pytest_timeline.timeline.model import Clock, Lane, Process, Span, Timeline, Track
from support import chromium

TITLE = "report page"
SIZES = (100_000, 1_000_000, 5_000_000)
FUNCTIONS = 2_000
THREADS = 4
DEPTH = 24
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


def timeline(count: int) -> Timeline:
    """Return a test of so many slices in trees as real code has them, in several threads."""
    draw = random.Random(count)
    names = Names()
    for file in range(40):
        names.add(1 + file, f"/site-packages/package{file % 12}/module{file}.py")
    for function in range(FUNCTIONS):
        names.add(100 + function, f"Class{function % 97}.method_{function}", 17, 1 + function % 40, 10 + function)
    tracks = []
    longest = 0
    for thread in range(THREADS):
        slices = Slices()
        now = 0
        left = count // THREADS
        while left > 0:
            now, left = _tree(slices, draw, now, left)
        longest = max(longest, now)
        name = "MainThread" if thread == 0 else f"worker-{thread}"
        tracks.append(Track("thread", name, 100 + thread, thread + 1, slices, names))
    spans = [Span("big", "test", 0, longest, 0), Span("call", "test", 1, longest - 1, 1)]
    process = Process(100, 1, "pytest", 0, tracks)
    return Timeline(
        "test_big.py::test_big", 0, longest, [process], [Lane("test", "test", 0, spans)], {"outcome": "passed"}
    )


def _tree(slices: Slices, draw: random.Random, now: int, left: int) -> tuple[int, int]:
    """Add the calls of one outermost function, in order of begin; return when it ends and how many slices are left."""
    depth = draw.randrange(6, DEPTH)
    rows: list[list[int]] = []
    open_rows: list[list[int]] = []
    size = min(left, draw.randrange(50, 2_000))
    for _ in range(size):
        while open_rows and (len(open_rows) >= depth or draw.random() < 0.48):
            now += draw.randrange(50, 900)
            open_rows.pop()[1] = now
        now += draw.randrange(20, 300)
        row = [now, 0, 100 + min(FUNCTIONS - 1, int(draw.expovariate(1 / 150))), len(open_rows)]
        rows.append(row)
        open_rows.append(row)
    while open_rows:
        now += draw.randrange(50, 900)
        open_rows.pop()[1] = now
    for row in rows:
        slices.add(*row)
    return now + draw.randrange(1_000, 20_000), left - size


def measure(rounds: int) -> list[dict[str, object]]:
    """Return a row for each size. Raises RuntimeError where there is no Chromium."""
    binary = chromium.find()
    if binary is None:
        raise RuntimeError("no Chromium found")
    rows = []
    with tempfile.TemporaryDirectory() as directory, chromium.running(binary) as browser:
        for size in SIZES:
            path = Path(directory) / f"{size}.html"
            make("html", About(standalone=True)).write(timeline(size), Clock(0, 1.0), path)
            seen = [_look(browser, path) for _ in range(rounds)]
            shown, frame, apart = (statistics.median(column) for column in zip(*seen, strict=True))
            rows.append(
                {
                    "slices": f"{size:,}",
                    "page, MB": f"{path.stat().st_size / 1e6:.1f}",
                    "first paint, s": f"{shown / 1000:.2f}",
                    "worst frame, ms": f"{frame:.1f}",
                    "worst time between frames, ms": f"{apart:.1f}",
                }
            )
    return rows


def _look(browser: chromium.Chromium, path: Path) -> tuple[float, float, float]:
    page = browser.page()
    page.open(path)
    shown = page.evaluate("performance.getEntriesByName('complete')[0].startTime")
    page.frame()
    frames = page.evaluate(FRAMES)
    assert not page.troubles, page.troubles
    page.close()
    return shown, max(frames["work"]), max(frames["apart"])
