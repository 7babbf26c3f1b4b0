"""A template is filled, shares its assets or holds them, and lets no data become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from pytest_timeline.export.page import VIEWER, Template, json_script
from support.report import Elements

TEXT = (
    '<meta http-equiv="Content-Security-Policy" content="{{policy}}"><link rel="stylesheet" href="../assets/a.css">'
    "<p>{{summary}}</p><!-- body -->\n<i>\"same\" 'in' all</i>\n<!-- /body -->\n"
    '<script src="../assets/a.js"></script><script src="../assets/b.js"></script>'
)


@pytest.fixture
def viewer(tmp_path: Path) -> Path:
    for name, text in {"a.css": "p{}", "a.js": "one('{{summary}} €')", "b.js": "two()"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def filled(template: Template, **slots: str) -> str:
    pieces: list[bytes] = []
    template.fill(pieces.append, {name: [text.encode()] for name, text in slots.items()})
    return b"".join(pieces).decode()


def policy(page: str) -> str:
    return next(attrs["content"] or "" for tag, attrs in Elements(page).tags if tag == "meta")


def test_shared_assets_stay_beside_the_page(viewer: Path) -> None:
    template = Template(TEXT, standalone=False, viewer=viewer)
    assert list(template.assets) == ["a.css", "b.js"]
    assert template.assets["a.css"] == b"p{}"
    strict, insert, one, two = template.assets["b.js"].decode().splitlines()
    assert (strict, one, two) == ('"use strict";', "one('{{summary}} €')", "two()")
    call = "document.body.insertAdjacentHTML"
    assert insert.startswith(f'{call}("afterbegin", "') and insert.endswith('");')
    assert json.loads(f"[{insert.removeprefix(call)[1:-2]}]") == ["afterbegin", "<i>\"same\" 'in' all</i>\n"]
    page = filled(template, summary="x {{policy}}")
    own = re.sub(r"<!-- body -->(.|\n)*<!-- /body -->\n|<script src=.../assets/a.js.></script>", "", TEXT)
    assert page == own.replace("{{summary}}", "x \0").replace("{{policy}}", policy(page)).replace("\0", "{{policy}}")
    assert "default-src 'none'" in policy(page)
    assert "script-src 'self' file:;" in policy(page)
    run = viewer / "run"
    run.mkdir()
    assert template.write_assets(run / "assets") == ["assets/a.css", "assets/b.js"]
    assert (run / "assets" / "b.js").read_bytes() == template.assets["b.js"]


def test_a_page_that_stands_alone_runs_its_own_scripts_only(viewer: Path) -> None:
    template = Template(TEXT, standalone=True, viewer=viewer)
    assert template.assets == {}
    page = filled(template, summary="x")
    assert "assets/" not in page
    scripts = ["one('{{summary}} €')", "two()"]
    assert all(f"<script>{script}</script>" in page for script in scripts)
    assert "<style>p{}</style>" in page and "<i>\"same\" 'in' all</i>" in page and "body -->" not in page
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert f"script-src '{'sha256-' + hashes[0]}' '{'sha256-' + hashes[1]}';" in policy(page)


@pytest.mark.parametrize("text", ["x = '</script>'", "'</SCRIPT '", "<!-- x"])
def test_an_asset_that_would_break_its_page_is_refused(viewer: Path, text: str) -> None:
    (viewer / "b.js").write_text(text)
    Template(TEXT, standalone=False, viewer=viewer)
    with pytest.raises(ValueError, match=r"b\.js"):
        Template(TEXT, standalone=True, viewer=viewer)


def test_a_slot_that_is_not_given_and_a_file_that_is_missing_are_errors(viewer: Path) -> None:
    with pytest.raises(KeyError):
        filled(Template(TEXT, standalone=False, viewer=viewer))
    (viewer / "b.js").unlink()
    with pytest.raises(FileNotFoundError):
        Template(TEXT, standalone=False, viewer=viewer)


@pytest.mark.parametrize("name", sorted(path.name for path in VIEWER.glob("*.html")))
def test_every_template_can_stand_alone(name: str) -> None:
    assert Template.named(name, standalone=True).assets == {}


def test_json_in_a_page_is_json() -> None:
    value = {"</script>": "<!-- & ' \" \u2028 é"}
    elements = Elements(json_script("x", value).decode())
    assert [tag for tag, _ in elements.tags] == ["script"]
    assert json.loads(elements.scripts["x"]) == value
