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
    r'|<script src="(?:\.\./)?assets/(?P<script>[\w.-]+)"></script>\n?'
)
_BODY = re.compile(r"<!-- body -->\n(.*?)<!-- /body -->\n", re.DOTALL)
_BREAKS_OUT = re.compile(r"</script|</style|<!--", re.IGNORECASE)


class Template:
    """A page of `viewer/`, with its styles and scripts beside it in `assets/`, or in it when it is to stand alone.

    A thousand pages lie beside one `assets/`, so what is the same in all of them is there: also the page's body, which
    its script, one file, puts in its place.
    """

    def __init__(self, text: str, *, standalone: bool, viewer: Path | None = None) -> None:
        """Raises OSError when a file that it names is missing, ValueError when one can't be put into a page."""
        viewer = viewer or VIEWER
        self.assets: dict[str, bytes] = {}
        self._parts: list[bytes] = []  # text and, at odd places, the name of the slot after it
        hashes = []
        scripts = [match["script"] for match in _PARTS.finditer(text) if match["script"]]
        shared: list[str] = []  # scripts of a page that does not stand alone
        if body := _BODY.search(text):
            text = text[: body.start()] + (body[1] if standalone else "") + text[body.end() :]
            shared.append(f'"use strict";\ndocument.body.insertAdjacentHTML("afterbegin", {dumps(body[1]).decode()});')
        literal, end = "", 0
        for match in _PARTS.finditer(text):
            literal += text[end : match.start()]
            end = match.end()
            if match["slot"]:
                self._parts += [literal.encode(), match["slot"].encode()]
                literal = ""
                continue
            name = match["style"] or match["script"]
            asset = (viewer / name).read_text(encoding="utf-8")
            if not standalone:
                if match["style"]:
                    self.assets[name] = asset.encode()
                    literal += match[0]
                    continue
                shared.append(asset)
                if name == scripts[-1]:
                    self.assets[name] = "\n".join(shared).encode()
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
        sources, styles = (inline or "'none'", "") if standalone else ("'self' file:", "'self' file: ")
        self._policy = (
            f"default-src 'none'; script-src {sources}; style-src {styles}'unsafe-inline'; "
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
