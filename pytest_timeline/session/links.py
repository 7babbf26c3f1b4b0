"""What other plugins' reports say of a test's timeline: a property in JUnit XML, a link in pytest-html's report."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_timeline import outputs

if TYPE_CHECKING:
    import pytest

    from pytest_timeline.config import Config
    from pytest_timeline.session.marker import Wanted

PROPERTY = "timeline"
FAILURES = ("failed", "error")


class Links:
    """Names the file that a test's timeline will be in.

    One that is kept only if it is among the slowest has no file by now: that is known when the run is over.
    """

    def __init__(self, config: pytest.Config, settings: Config) -> None:
        wanted = {format: suffix for format, suffix in outputs.SUFFIXES.items() if format in settings.formats}
        self._suffix = outputs.preferred(wanted) if settings.mode != "combined" else None
        self._keep = settings.keep
        self._failed: set[str] = set()  # node ids
        page = getattr(config.option, "htmlpath", None)  # pytest-html's
        page = os.path.abspath(os.path.expanduser(os.path.expandvars(page))) if page else None
        tests = os.path.join(settings.directory, outputs.TESTS)
        self._from_root = _relative(tests, str(config.rootpath))
        self._from_page = _relative(tests, os.path.dirname(page)) if page else None

    def add(self, report: pytest.TestReport, rerun: int, outcome: str, seconds: float, wanted: Wanted) -> None:
        """Add to the report of a teardown, which says what is to be said of the whole test."""
        if outcome in FAILURES:
            self._failed.add(report.nodeid)
        if self._suffix is None or wanted.off or not (wanted.keep or self._keeps(report.nodeid, seconds)):
            return
        name = outputs.stem(report.nodeid, rerun) + self._suffix
        report.user_properties.append((PROPERTY, f"{self._from_root}/{name}"))
        if self._from_page is not None:
            link = {"name": "timeline", "content": f"{self._from_page}/{name}", "format_type": "url"}
            extras = [*getattr(report, "extras", ()), link | {"mime_type": None, "extension": None}]
            report.extras = extras  # type: ignore[attr-defined]

    def _keeps(self, nodeid: str, seconds: float) -> bool:
        keep = self._keep
        slow = keep.slow_ns is not None and seconds * 1e9 >= keep.slow_ns
        return keep.all or slow or (keep.failed and nodeid in self._failed)


def _relative(path: str, start: str) -> str:
    try:
        return os.path.relpath(path, start).replace(os.sep, "/")
    except ValueError:  # another drive
        return path
