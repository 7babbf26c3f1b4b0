"""config.py: times, patterns, and where a value comes from."""

from __future__ import annotations

import dataclasses
import fnmatch
import os
import types
from pathlib import Path

import pytest

from pytest_timeline import config
from pytest_timeline.config import Config, ConfigError, Keep


def made(pytester: pytest.Pytester, *arguments: str) -> Config:
    """Return the Config of a pytest started with `arguments`."""
    return Config.of_pytest(pytester.parseconfig(*arguments))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("5us", 5_000), ("5µs", 5_000), ("1.5 ms", 1_500_000), ("2s", 2_000_000_000), ("7ns", 7)],
)
def test_nanoseconds(text: str, expected: int) -> None:
    assert config.nanoseconds(text) == expected


@pytest.mark.parametrize("text", ["", "5", "-1us", "1h", "us", "1e3us"])
def test_nanoseconds_of_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="write for example"):
        config.nanoseconds(text)


def test_globs(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "tool").touch()
    root, sep = str(tmp_path), os.sep
    assert config.globs("src", root) == [f"{root}{sep}src{sep}*"]
    assert config.globs("not_there/", root) == [f"{root}{sep}not_there{sep}*"]
    assert config.globs("tool", root) == [f"{root}{sep}tool"]
    assert config.globs("a.py", root) == [f"{root}{sep}a.py"]
    assert config.globs("../up.py", root) == [f"{tmp_path.parent}{sep}up.py"]
    assert config.globs("src/gen_*", root) == [f"{root}{sep}src{sep}gen_*", f"{root}{sep}src{sep}gen_*{sep}*"]
    assert config.globs("requests", root) == [f"*{sep}requests.py", f"*{sep}requests{sep}*"]
    assert config.globs("foo.bar", root) == [f"*{sep}foo{sep}bar.py", f"*{sep}foo{sep}bar{sep}*"]
    assert config.globs("<string>", root) == ["<string>"]


def test_functions(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    root, sep = str(tmp_path), os.sep
    assert config.functions("src", root) == f"{root}{sep}src::*"
    assert config.functions("src/", root) == f"{root}{sep}src::*"
    assert config.functions(" a.py ", root) == f"{root}{sep}a.py::*"
    assert config.functions("src/*/a.py::Cart.*", root) == f"{root}{sep}src{sep}*{sep}a.py::Cart.*"
    assert config.functions("Cart.add", root) == "::Cart.add"
    assert config.functions("shop.cart.*", root) == "::shop.cart.*"
    assert config.functions("shop.cart:Cart.add", root) == "::shop.cart:Cart.add"
    assert config.functions("shop.cart::Cart.add", root) == "::shop.cart:Cart.add"
    assert config.functions("*<lambda>", root) == "::*<lambda>"
    assert config.functions("<string>::f", root) == "<string>::f"


def test_the_machinery_is_found_where_it_is_installed() -> None:
    globs = config.machinery()
    package = Path(pytest.__file__).parent
    assert os.path.join(package, "*") in globs
    assert os.path.join(package.with_name("_pytest"), "*") in globs
    assert os.path.join(Path(config.__file__).parent, "*") in globs


def test_installed_plugins_are_machinery_and_the_one_under_test_is_not(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS")
    config_ = pytester.parseconfig()
    rerunfailures = pytest.importorskip("pytest_rerunfailures").__file__
    hypothesis = pytest.importorskip("_hypothesis_pytestplugin").__file__
    globs = list(config.plugins(config_))
    assert {rerunfailures, hypothesis} <= set(globs)
    assert not any(fnmatch.fnmatch(pytest.importorskip("hypothesis").__file__, glob) for glob in globs)
    pytester.makepyfile(pytest_mine="")
    mine = types.SimpleNamespace(__file__=str(pytester.path / "pytest_mine.py"), __name__="pytest_mine")
    config_.pluginmanager._plugin_distinfo.append((mine, None))
    assert list(config.plugins(config_)) == globs


def test_defaults(pytester: pytest.Pytester) -> None:
    made_config = made(pytester)
    assert dataclasses.replace(made_config, machinery=()) == Config(
        root=str(pytester.path),
        directory=str(pytester.path / "timeline"),
        mode="per-test",
        formats=("html", "perfetto"),
        keep=Keep(),
        include=(),
        exclude=(),
        machinery=(),
        min_duration_ns=0,
        max_slices=1_000_000,
        record=("logs", "warnings", "output", "subtests", "examples", "gc", "memory"),
        max_instants=1_000,
        block_threshold_ns=50_000_000,
        c_calls="auto",
        args=(),
        full=False,
        standalone=False,
        summary="",
    )


INI = """
[pytest]
timeline_dir = out
timeline_mode = both
timeline_format = chrome
timeline_keep = failed
    slow:1.5s,slowest:3
timeline_include =
    src
    a.b
timeline_min_duration = 1ms
timeline_max_slices = 7
timeline_c_calls = none
timeline_full = true
timeline_standalone = true
"""

TOML = """
[pytest]
timeline_dir = "out"
timeline_mode = "both"
timeline_format = ["chrome"]
timeline_keep = ["failed", "slow:1.5s", "slowest:3"]
timeline_include = ["src", "a.b"]
timeline_min_duration = "1ms"
timeline_max_slices = 7
timeline_c_calls = "none"
timeline_full = true
timeline_standalone = true
"""


@pytest.mark.parametrize(("name", "text"), [("pytest.ini", INI), ("pytest.toml", TOML)])
def test_every_option_is_an_ini_setting_too(pytester: pytest.Pytester, name: str, text: str) -> None:
    if name == "pytest.toml" and pytest.version_tuple < (9,):
        pytest.skip("pytest 9 brought its own TOML files")
    pytester.path.joinpath(name).write_text(text, encoding="utf-8")
    pytester.mkdir("src")
    read = made(pytester)
    assert read.directory == str(pytester.path / "out")
    assert (read.mode, read.formats, read.c_calls) == ("both", ("chrome",), "none")
    assert read.keep == Keep(("failed", "slow:1.5s", "slowest:3"), True, 1_500_000_000, 3)
    assert read.include == tuple(
        glob for pattern in ("src", "a.b") for glob in config.globs(pattern, str(pytester.path))
    )
    assert (read.min_duration_ns, read.max_slices, read.full, read.standalone) == (1_000_000, 7, True, True)


def test_the_command_line_wins(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    read = made(pytester, "--timeline-mode=combined", "--timeline-include=x", "--timeline-format=perfetto,chrome")
    assert (read.mode, read.formats) == ("combined", ("perfetto", "chrome"))
    assert read.include == tuple(config.globs("x", str(pytester.path)))
    assert read.max_slices == 7


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ("--timeline-mode=x", "per-test, combined, both"),
        ("--timeline-format=svg", "html, perfetto, chrome"),
        ("--timeline-format=,", "choose from html, perfetto, chrome"),
        ("--timeline-keep=passed", "failed, slow:2s, slowest:20"),
        ("--timeline-keep=failed,slow", "slow:2s"),
        ("--timeline-keep=slow:", "slow:2s"),
        ("--timeline-keep=slow:2", "slow:2s"),
        ("--timeline-keep=slowest:0", "slowest:20"),
        ("--timeline-keep=slowest:-1", "slowest:20"),
        ("--timeline-keep=slowest:2s", "slowest:20"),
        ("--timeline-keep=", "slowest:20"),
        ("--timeline-c-calls=x", "auto, all, none"),
        ("--timeline-min-duration=5", "5us"),
        ("--timeline-max-slices=-1", "0 for no limit"),
        ("--timeline-max-slices=many", "0 for no limit"),
        ("--timeline-include=", "src"),
        ("--timeline-args=", "Cart.add"),
        ("--timeline-dir=", "directory"),
    ],
)
def test_an_error_names_the_option_and_the_remedy(pytester: pytest.Pytester, argument: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as raised:
        made(pytester, argument)
    assert argument.partition("=")[0] in str(raised.value)
    assert remedy in str(raised.value)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["slow:2s", "slow:5ms"], Keep(("slow:2s", "slow:5ms"), slow_ns=5_000_000)),
        (["slowest:2", "slowest:9"], Keep(("slowest:2", "slowest:9"), slowest=9)),
        (["failed", "failed"], Keep(("failed",), failed=True)),
        (["failed", "all"], Keep(("all",), failed=True)),
    ],
)
def test_what_is_kept_is_the_union(words: list[str], expected: Keep) -> None:
    assert Keep.of(words) == expected


def test_a_combined_trace_needs_a_format_that_has_one(pytester: pytest.Pytester) -> None:
    with pytest.raises(ConfigError, match="add one of perfetto, chrome to --timeline-format"):
        made(pytester, "--timeline-mode=combined", "--timeline-format=html")
    assert made(pytester, "--timeline-mode=combined").formats == ("html", "perfetto")
    assert made(pytester, "--timeline-mode=both", "--timeline-format=html").formats == ("html",)


def test_an_error_in_the_ini_file_names_the_setting(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntimeline_max_slices = many\n")
    with pytest.raises(ConfigError, match="timeline_max_slices in the ini file"):
        made(pytester)


def test_settings_hold_the_whole_config(pytester: pytest.Pytester) -> None:
    given = ("--timeline-exclude=a", "--timeline-exclude=b", "--timeline-args=Cart.add")
    settings = made(pytester, *given).settings()
    assert ("format", "perfetto") in settings
    assert ("format", "html") in settings
    assert [value for key, value in settings if key == "exclude"] == [
        *config.globs("a", str(pytester.path)),
        *config.globs("b", str(pytester.path)),
    ]
    assert ("args", "::Cart.add") in settings
    unsaid = {field.name for field in dataclasses.fields(Config)} - {key for key, _ in settings}
    assert unsaid == {"formats", "include", "summary"}
