"""What ships of the viewer's scripts does the same as what is read of them, and is small."""

from __future__ import annotations

import re

from pytest_timeline.export.compact import compact
from pytest_timeline.export.page import VIEWER

MOST = 120_000  # bytes of script, of one page


def test_comments_types_and_blanks_go() -> None:
    script = """\
// first
"use strict";

/** @type {a} */
const a = /** @type {b} */ (b);  // why
if (a) {
  b = c + +d;
}
"""
    assert compact(script) == '"use strict";\nconst a=(b);\nif(a){\nb=c + +d;\n}\n'


def test_strings_and_expressions_stay() -> None:
    script = 'const a = "x  =  y // z";\nconst b = `${ c } = d`;\nconst e = /[ =] \\/\\/ "/;\n'
    assert compact(script) == script


def test_the_scripts_are_small_and_have_nothing_that_compacting_breaks() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in VIEWER.glob("*.js")}
    named = [re.findall(r'<script src="[./]*assets/(.+?)"', path.read_text("utf-8")) for path in VIEWER.glob("*.html")]
    assert {name for names in named for name in names} == scripts.keys()
    for names in named:
        assert 0 < sum(len(compact(scripts[name]).encode()) for name in names) < MOST
    for script in scripts.values():
        bare = re.sub(r"/\*\*.*?\*/", "", script, flags=re.DOTALL)
        assert len(bare) > len(script) / 3
        for line in bare.split("\n"):
            assert line.count("`") % 2 == 0, f"a text over several lines: {line}"
