"""Adds tracks to a test's page that no recording has yet: tasks with their states, logs, counters."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_timeline.export.page import dumps

Row = tuple[int, int, int, str, str]
"""start and end in ns, depth, name, category"""


@dataclass
class Told:
    """A track whose slices are rows of the model block."""

    kind: str
    name: str
    rows: list[Row] = field(default_factory=list)
    parent: int | None = None  # a track; of one that is added, by its place after those that are there
    process: int = 0
    instants: list[tuple[int, str, str]] = field(default_factory=list)  # ns, text, level
    counter: dict[str, Any] | None = None


def add(path: Path, tracks: list[Told], flows: list[tuple[int, int, int, int, str]] | None = None, **head: Any) -> None:
    """Rewrite the page with these tracks and flows (of tracks and ns), and with these keys in its head."""
    text = path.read_text(encoding="utf-8")
    said = json.loads(_script(text, "head")) | head
    model = json.loads(gzip.decompress(base64.b64decode(_script(text, "block-0"))))
    for told in tracks:
        at = len(said["tracks"])
        outer = [row for row in told.rows if row[2] == 0]
        levels = max((depth + 1 for _, _, depth, *_ in told.rows), default=0)
        said["tracks"].append(
            {
                "process": told.process, "kind": told.kind, "name": told.name, "id": 0, "serial": 0,
                "parent": told.parent, "slices": len(told.rows), "levels": levels,
                "first": min((r[0] for r in outer), default=0), "last": max((r[1] for r in outer), default=0),
                "busy": sum(r[1] - r[0] for r in outer),
            }
        )  # fmt: skip
        model["rows"][str(at)] = [[*row, None] for row in told.rows]
        model["instants"] += [[at, ns, name, "log", {"level": level}] for ns, name, level in told.instants]
        if told.counter:
            model["counters"][str(at)] = told.counter
    model["instants"].sort(key=lambda instant: instant[1])
    model["flows"] += flows or []
    raw = dumps(model)
    packed = gzip.compress(raw, 1)
    said["blocks"][0] |= {"packed": len(packed), "raw": len(raw), "crc32": zlib.crc32(raw)}
    text = _replace(text, "head", dumps(said).decode().replace("<", "\\u003c"))
    path.write_text(_replace(text, "block-0", base64.b64encode(packed).decode()), encoding="utf-8")


def _pattern(id: str) -> str:
    return f'(<script type="[a-z/]+" id="{id}">)(.*?)(</script>)'


def _script(text: str, id: str) -> str:
    found = re.search(_pattern(id), text, re.DOTALL)
    assert found
    return found[2]


def _replace(text: str, id: str, content: str) -> str:
    return re.sub(_pattern(id), lambda found: found[1] + content + found[3], text, count=1, flags=re.DOTALL)
