"""What pytest-benchmark's users must know: the recording is in the figures of benchmarks that were recorded."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_timeline.text import count


def remark(config: pytest.Config, run: dict[str, Any]) -> str | None:
    """Return the line for the summary of the run whose manifest is `run`; None where nothing recorded was measured."""
    session = getattr(config, "_benchmarksession", None)
    measured = {getattr(each, "fullname", None) for each in getattr(session, "benchmarks", None) or ()}
    measured &= {test["nodeid"] for test in run.get("tests", ()) if not test.get("off")}
    if not measured:
        return None
    return (
        f"pytest-benchmark's figures of {count(len(measured), 'test')} include the recording: for figures without it "
        "mark them @pytest.mark.timeline(off=True), or run without --timeline"
    )
