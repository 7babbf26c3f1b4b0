"""What ships of the viewer: all that its pages name, the scripts minified and small, and nothing else."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

import pytest
from rjsmin import jsmin

SOURCES = Path(__file__).parents[2] / "pytest_timeline" / "viewer"
MOST = 120_000  # bytes of script, of one page


def installed() -> list[metadata.PackagePath]:
    """Return the distribution's files; skips where these are not a wheel's."""
    distribution = metadata.distribution("pytest-timeline")
    about = json.loads(distribution.read_text("direct_url.json") or "{}")
    if about.get("dir_info", {}).get("editable"):
        pytest.skip("an editable install has the sources themselves")
    return distribution.files or []


def minified(name: str) -> str:
    return str(jsmin((SOURCES / name).read_text(encoding="utf-8"), keep_bang_comments=True))


@pytest.mark.parametrize("page", sorted(path.name for path in SOURCES.glob("*.html")))
def test_the_scripts_of_a_page_are_small(page: str) -> None:
    named = re.findall(r'<script src="[./]*assets/(.+?)"', (SOURCES / page).read_text("utf-8"))
    assert 0 < sum(len(minified(name).encode()) for name in named) < MOST


def test_each_file_is_named_by_a_page() -> None:
    pages = [path.read_text(encoding="utf-8") for path in SOURCES.glob("*.html")]
    named = {name for page in pages for name in re.findall(r'(?:src|href)="[./]*assets/(.+?)"', page)}
    assert named == {path.name for path in SOURCES.iterdir() if path.suffix in {".css", ".js"}}


def test_the_wheel_has_the_viewer_and_nothing_for_its_developers() -> None:
    files = installed()
    shipped = {file.name: file for file in files if file.parts[:2] == ("pytest_timeline", "viewer")}
    assert shipped.keys() == {path.name for path in SOURCES.iterdir() if path.suffix in {".css", ".html", ".js"}}
    for name, file in shipped.items():
        source = (SOURCES / name).read_text(encoding="utf-8")
        assert file.read_text() == (minified(name) if name.endswith(".js") else source), name
    assert {file.parts[0] for file in files if ".." not in file.parts} <= {
        "__pycache__",
        "pytest_timeline",
        "pytest_timeline.pth",
        f"pytest_timeline-{metadata.version('pytest-timeline')}.dist-info",
    }
