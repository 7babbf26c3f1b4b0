"""What CI shows: properties in JUnit XML, links in pytest-html, a summary in Markdown; the recipes in docs/ci."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.runs import environment

ROOT = Path(__file__).parents[2]
SUITE = """
    import threading, time
    import pytest

    def test_passes(): pass

    def test_fails(record_property):
        record_property("mine", 1)
        assert 1 == 2, "a|b <c> `d`"

    def test_leaves():
        threading.Thread(target=time.sleep, args=(5,), name="left|over", daemon=True).start()
"""


def properties(path: Path) -> dict[str, list[tuple[str, str]]]:
    return {
        case.attrib["name"]: [(each.attrib["name"], each.attrib["value"]) for each in case.iter("property")]
        for case in ElementTree.parse(path).iter("testcase")
    }


def cells(markdown: str, title: str) -> list[list[str]]:
    """Return the rows of the table below the title."""
    table = markdown.partition(f"#### {title}\n")[2].partition("####")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    return [re.split(r" (?<!\\)\| ", row.strip("| ")) for row in rows[2:]]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_junit_names_each_test_s_file(pytester, run_pytest, workers):
    pytester.makepyfile(test_suite=SUITE)
    run = run_pytest("--timeline", "--junitxml=out/junit.xml", "-Wignore:record_property", *workers)
    found = properties(pytester.path / "out" / "junit.xml")
    for name, test in run.tests.items():
        assert ("timeline", "timeline/" + test["files"]["html"]) in found[name]
        assert (pytester.path / "timeline" / test["files"]["html"]).exists()
    assert found["test_fails"][0] == ("mine", "1")
    assert "warning" not in run.stdout


def test_no_file_no_property(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    options = ("--timeline-mode=combined", "--timeline-format=perfetto", "--junitxml=junit.xml")
    run_pytest("--timeline", *options)
    assert properties(pytester.path / "junit.xml")["test_passes"] == []
    run_pytest("--junitxml=junit.xml")
    assert properties(pytester.path / "junit.xml")["test_passes"] == []


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("failed", {"test_fails", "test_kept"}),
        ("failed,slowest:9", {"test_fails", "test_kept"}),  # the others are kept, which is known too late
        ("slow:2s", {"test_slow", "test_kept"}),
        ("all", {"test_fails", "test_kept", "test_slow", "test_passes"}),
    ],
)
def test_no_property_names_a_file_that_may_not_come(pytester, run_pytest, keep, kept, workers):
    pytester.makepyfile(
        test_suite="""
        import time
        import pytest

        def test_passes(): pass
        def test_fails(): assert 0
        def test_slow(): time.sleep(2)
        @pytest.mark.timeline(keep=True)
        def test_kept(): pass
        @pytest.mark.timeline(off=True)
        def test_off(): assert 0
        """
    )
    run = run_pytest("--timeline", f"--timeline-keep={keep}", "--junitxml=junit.xml", *workers)
    found = properties(pytester.path / "junit.xml")
    assert {name for name, told in found.items() if told} == kept
    assert all(run.tests[name]["files"] for name in kept)


def test_pytest_html_links_to_each_test_s_file(pytester, run_pytest):
    pytest.importorskip("pytest_html")
    pytester.makepyfile(test_suite=SUITE)
    run = run_pytest("--timeline", "-n", "2", "--html=out/report.html")
    text = (pytester.path / "out" / "report.html").read_text(encoding="utf-8")
    data = json.loads(unescape(re.search(r'data-jsonblob="([^"]*)"', text)[1]))
    for name, test in run.tests.items():
        ((result, *_),) = [rows for nodeid, rows in data["tests"].items() if nodeid.endswith(name)]
        (link,) = [extra for extra in result["extras"] if extra["name"] == "timeline"]
        assert (pytester.path / "out" / link["content"]).resolve() == (
            pytester.path / "timeline" / test["files"]["html"]
        ).resolve()


def test_the_step_summary_is_appended_to(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE, test_more="def test_(: pass")
    summary = pytester.path / "step.md"
    summary.write_text("# before\n", encoding="utf-8")
    run = run_pytest("--timeline", "--continue-on-collection-errors", GITHUB_STEP_SUMMARY=str(summary))
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# before\n")
    assert "**2 passed, 1 failed**" in text
    file = "`" + run.tests["test_fails"]["files"]["html"] + "`"
    ((name, _, link, why),) = cells(text, "Failed")
    assert (name, link) == ("`test_suite.py::test_fails`", file)
    assert why.startswith(r"AssertionError: a\|b \<c\> \`d\`")
    assert sorted(row[0] for row in cells(text, "Slowest")) == sorted(
        f"`test_suite.py::{name}`" for name in ("test_passes", "test_fails", "test_leaves")
    )
    ((name, _, _, what),) = cells(text, "Left running")
    assert (name, "left\\|over" in what) == ("`test_suite.py::test_leaves`", True)
    assert r"> not collected: test\_more\.py" in text


def test_a_named_summary_begins_empty(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    summary = pytester.path / "sub" / "summary.md"
    for _ in range(2):
        run_pytest("--timeline", "--timeline-summary=sub/summary.md", GITHUB_STEP_SUMMARY=str(pytester.path / "no.md"))
        assert summary.read_text(encoding="utf-8").count("### Timeline") == 1
    assert not (pytester.path / "no.md").exists()
    run_pytest("--timeline", "--timeline-summary=none", GITHUB_STEP_SUMMARY=str(pytester.path / "no.md"))
    assert not (pytester.path / "no.md").exists()


def test_a_summary_that_cannot_be_written(pytester, run_pytest):
    pytester.makepyfile(test_suite=SUITE)
    (pytester.path / "file").touch()
    run = run_pytest("--timeline", "--timeline-summary=file/summary.md")
    assert run.ret == 4
    assert "--timeline-summary: cannot write" in run.stderr
    assert not (pytester.path / "timeline").exists()
    run = run_pytest("--timeline", "--timeline-summary=.")
    assert (run.ret, "is no file; name one, or none" in run.stderr) == (4, True)
    run = run_pytest("--timeline", GITHUB_STEP_SUMMARY=str(pytester.path / "file" / "summary.md"))
    assert (run.ret, "no summary in GITHUB_STEP_SUMMARY" in run.stdout) == (1, True)


class TestRecipes:
    """Each recipe's commands are run as its CI system would, with what is installed here in place of PyPI's."""

    TESTS = {  # noqa: RUF012
        "tests/unit/test_parts.py": "def test_quick(): pass",
        "tests/integration/test_whole.py": "def test_breaks(): assert 0",
    }

    @pytest.fixture(autouse=True)
    def project(self, tmp_path: Path) -> Path:
        for name, text in self.TESTS.items():
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    def sh(self, directory: Path, command: str) -> int:
        """Run the command, unless it installs what is there."""
        if command.startswith("pip install "):
            assert set(command.split()[2:]) <= {"pytest", "pytest-timeline"}
            return 0
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        env = environment() | {"PATH": path}
        return subprocess.run(["bash", "-e", "-c", command], cwd=directory, env=env, check=False).returncode

    def kept(self, directory: Path) -> list[str]:
        run = json.loads((directory / "timeline" / "run.json").read_text(encoding="utf-8"))
        assert (directory / "timeline" / "index.html").exists()
        for test in run["tests"]:
            for file in test["files"].values():
                assert (directory / "timeline" / file).exists()
        return sorted(test["nodeid"] for test in run["tests"] if test["files"])

    BOTH = ["tests/integration/test_whole.py::test_breaks", "tests/unit/test_parts.py::test_quick"]  # noqa: RUF012

    def test_github(self, tmp_path: Path, project: Path) -> None:
        yaml = pytest.importorskip("yaml")
        recipe: dict[str, Any] = yaml.safe_load((ROOT / "docs/ci/github.yml").read_text(encoding="utf-8"))
        test, report = recipe["jobs"]["test"], recipe["jobs"]["report"]
        ended = {}
        for part in test["strategy"]["matrix"]["part"]:
            for step in test["steps"]:
                if "run" in step:
                    ended[part] = self.sh(project, step["run"].replace("${{ matrix.part }}", part))
                elif step["uses"].startswith("actions/upload-artifact"):
                    assert step["if"] == "always()"
                    name = step["with"]["name"].replace("${{ matrix.part }}", part)
                    (project / "shards").mkdir(exist_ok=True)
                    (project / step["with"]["path"]).rename(project / "shards" / name)
        assert ended == {"unit": 0, "integration": 1}
        for step in report["steps"]:
            if "run" in step:
                assert self.sh(project, step["run"]) == 0
        assert self.kept(project) == self.BOTH

    def test_gitlab(self, project: Path) -> None:
        yaml = pytest.importorskip("yaml")
        job = yaml.safe_load((ROOT / "docs/ci/gitlab.yml").read_text(encoding="utf-8"))["test"]
        assert [self.sh(project, line) for line in job["script"]] == [0, 1]
        assert self.kept(project) == self.BOTH
        for path in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
            assert (project / path).exists()

    def test_jenkins(self, project: Path) -> None:
        recipe = (ROOT / "docs/ci/Jenkinsfile").read_text(encoding="utf-8")
        assert [self.sh(project, line) for line in re.findall(r"sh '([^']*)'", recipe)] == [0, 1]
        assert self.kept(project) == self.BOTH
        assert (project / re.search(r"junit '([^']*)'", recipe)[1]).exists()

    def test_the_command_on_the_page_is_the_recipes(self) -> None:
        (command,) = re.findall(r"^    (pytest .*)$", (ROOT / "docs/ci/README.md").read_text(encoding="utf-8"), re.M)
        assert command in (ROOT / "docs/ci/Jenkinsfile").read_text(encoding="utf-8")
