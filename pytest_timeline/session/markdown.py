"""The run's summary in Markdown, for the page of a CI job: failed and slowest tests, blocked loops, leaks."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pytest_timeline.outputs import preferred
from pytest_timeline.session.summary import attempts
from pytest_timeline.text import count, duration

FAILED = ("failed", "error", "crashed")
MOST_FAILED, SLOWEST, MOST_NOTED = 50, 10, 20
CHARACTERS = 300  # of a cell


def begin(summary: str) -> str | None:
    """Return the file that the summary goes to, by Config.summary; None for none.

    One that was named is emptied; the job's own may have been begun by other steps. Raises OSError where it cannot be
    written to.
    """
    path = summary or os.environ.get("GITHUB_STEP_SUMMARY")
    if not path or path == "none":
        return None
    if summary:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w" if summary else "a", encoding="utf-8"):
        return path


def append(path: str, run: dict[str, Any], directory: str) -> None:
    """Append the summary of `run`, a manifest, to the file. Raises OSError."""
    with open(path, "a", encoding="utf-8", errors="replace") as file:
        file.write(text(run, directory))


def text(run: dict[str, Any], directory: str) -> str:
    """Return the summary. Files are named and not linked to: an artifact has no address that is known by now."""
    tests = run["tests"]
    last, again = attempts(tests)
    outcomes = Counter([*(test["outcome"] for test in last), *("rerun" for _ in again)])
    said = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
    slices = sum(test["slices"] for test in tests)
    parts = [
        "### Timeline",
        f"**{said or 'no tests'}** in {duration(run['duration'])}; {count(slices, 'slice')} recorded in "
        f"{_code(os.path.relpath(directory))}.",
    ]
    failed = [test for test in last if test["outcome"] in FAILED]
    for title, found in (("Failed", failed), ("Run again", again)):
        if found:
            rows = [[*_test(test), _cell(test["exception"] or test["outcome"])] for test in found[:MOST_FAILED]]
            parts += [f"#### {title}", _table(["test", "took", "timeline", "why"], rows), _rest(found, MOST_FAILED)]
    slowest = sorted(tests, key=lambda test: -float(test["duration"]))[:SLOWEST]
    if slowest:
        parts += ["#### Slowest", _table(["test", "took", "timeline", "slices"], [_slow(test) for test in slowest])]
    for title, key, names in (("Blocked event loops", "blocks", "blocked"), ("Left running", "leaks", "leaked")):
        found = [test for test in tests if test[key]]
        if found:
            rows = [[*_test(test), _noted(test, key, names)] for test in found[:MOST_NOTED]]
            parts += [f"#### {title}", _table(["test", "took", "timeline", "what"], rows), _rest(found, MOST_NOTED)]
    for warning in [*(f"not collected: {name}: {why}" for name, why in run["errors"]), *run["warnings"]]:
        parts.append(f"> {_cell(warning)}")
    return "\n\n".join(part for part in parts if part) + "\n\n"


def _slow(test: dict[str, Any]) -> list[str]:
    return [*_test(test), f"{test['slices']:,}"]


def _test(test: dict[str, Any]) -> list[str]:
    name = test["nodeid"] + (f" (rerun {test['rerun']})" if test["rerun"] else "")
    file = preferred(test["files"])
    return [_code(name), duration(test["duration"]), _code(file) if file else ""]


def _noted(test: dict[str, Any], key: str, names: str) -> str:
    """Return the first things that were noted of a test, and how many more there are."""
    named = test[names][:3]
    more = f" and {test[key] - len(named):,} more" if test[key] > len(named) else ""
    return _cell(", ".join(named)) + more


def _rest(found: list[Any], most: int) -> str:
    return f"{len(found) - most:,} more." if len(found) > most else ""


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    aligned = ["--:" if name in ("took", "slices") else "---" for name in head]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, aligned, *rows))


def _cell(text: str) -> str:
    """Return the text as one that Markdown and HTML leave alone, on one line."""
    line = " ".join(text.split())
    line = line if len(line) <= CHARACTERS else line[: CHARACTERS - 1] + "…"
    return re.sub(r"([\\`*_{}\[\]<>()#+\-.!|~&$@])", r"\\\1", line)


def _code(text: str) -> str:
    """Return the text as code; a table's cells end at a bar even there, and a run of backticks ends at its like."""
    line = " ".join(text.split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{line}{pad}{fence}"
