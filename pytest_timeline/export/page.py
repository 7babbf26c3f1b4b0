"""The report's pages as files: templates with slots, the assets that they share, and data that can't break out.

docs/report-format.md has the slots. The data of a page is its user's (test ids, messages, names): it is never markup.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

VIEWER = Path(__file__).parent.parent / "viewer"

_PARTS = re.compile(
    r'\{\{(?P<slot>\w+)\}\}|<link rel="stylesheet" href="(?:\.\./)?assets/(?P<style>[\w.-]+)">'
    r'|<script src="(?:\.\./)?assets/(?P<script>[\w.-]+)"></script>'
)
_BREAKS_OUT = re.compile(r"</script|</style|<!--", re.IGNORECASE)


class Template:
    """A page of `viewer/`, with its styles and scripts beside it in `assets/`, or in it when it is to stand alone."""

    def __init__(self, text: str, *, standalone: bool, viewer: Path | None = None) -> None:
        """Raises OSError when a file that it names is missing, ValueError when one can't be put into a page."""
        self.assets: dict[str, bytes] = {}
        self._parts: list[bytes] = []  # text and, at odd places, the name of the slot after it
        hashes = []
        literal, end = "", 0
        for match in _PARTS.finditer(text):
            literal += text[end : match.start()]
            end = match.end()
            if match["slot"]:
                self._parts += [literal.encode(), match["slot"].encode()]
                literal = ""
                continue
            name = match["style"] or match["script"]
            asset = ((viewer or VIEWER) / name).read_text(encoding="utf-8")
            if not standalone:
                self.assets[name] = asset.encode()
                literal += match[0]
                continue
            if _BREAKS_OUT.search(asset):
                raise ValueError(f"{name} can't be put into a page: it has the end of an element in it")
            if match["script"]:
                hashes.append(base64.b64encode(hashlib.sha256(asset.encode()).digest()).decode())
            tag = "style" if match["style"] else "script"
            literal += f"<{tag}>{asset}</{tag}>"
        self._parts.append((literal + text[end:]).encode())
        inline = " ".join(f"'sha256-{digest}'" for digest in hashes)
        scripts, styles = (inline or "'none'", "") if standalone else ("'self' file:", "'self' file: ")
        self._policy = (
            f"default-src 'none'; script-src {scripts}; style-src {styles}'unsafe-inline'; "
            "img-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
        ).encode()

    @staticmethod
    def exists(name: str) -> bool:
        return (VIEWER / name).exists()

    @classmethod
    def named(cls, name: str, *, standalone: bool) -> Template:
        """Return the template in `viewer/name`. Raises OSError, ValueError."""
        return cls((VIEWER / name).read_text(encoding="utf-8"), standalone=standalone)

    def write_assets(self, directory: Path) -> list[str]:
        """Write what the page needs beside it; return the files, relative to the run's directory. Raises OSError."""
        if self.assets:
            directory.mkdir(exist_ok=True)
        for name, data in self.assets.items():
            (directory / name).write_bytes(data)
        return [f"{directory.name}/{name}" for name in self.assets]

    def fill(self, write: Callable[[bytes], object], slots: dict[str, Iterable[bytes]]) -> None:
        """Write the page. Raises KeyError for a slot that is not given, and what `write` raises."""
        given: dict[str, Iterable[bytes]] = {"policy": [self._policy], **slots}
        for place, part in enumerate(self._parts):
            if place % 2:
                for piece in given[part.decode()]:
                    write(piece)
            else:
                write(part)


def text(value: str) -> bytes:
    """Return text as it stands in a page, also in an attribute."""
    return html.escape(value).encode()


def json_script(id: str, value: Any) -> bytes:
    """Return the element with `value` in it."""
    return b'<script type="application/json" id="%s">%s</script>' % (
        id.encode(),
        dumps(value).replace(b"<", b"\\u003c"),
    )


def text_script(id: str, value: bytes) -> bytes:
    """Return the element with base64 text in it."""
    return b'<script type="text/plain" id="%s">%s</script>\n' % (id.encode(), value)


def dumps(value: Any) -> bytes:
    """Return JSON."""
    return orjson.dumps(value)
