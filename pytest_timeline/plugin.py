"""The pytest11 entry point: the options, and nothing else until a run asks for a timeline."""

from __future__ import annotations

from typing import Any, Literal

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("timeline", "timeline of every test")

    def add(
        name: str,
        help: str,
        *,
        type: Literal["string", "linelist", "int", "bool"] = "string",
        default: Any,
        **attrs: Any,
    ) -> None:
        dest = name.removeprefix("--").replace("-", "_")
        group.addoption(name, dest=dest, default=None, help=help, **attrs)
        parser.addini(dest, help, type=type, default=default)

    parser.addini("timeline", "Record a timeline of every test, as --timeline does", type="bool", default=False)

    add("--timeline-dir", "Where the timelines go (default: timeline)", default="timeline", metavar="DIR")
    add("--timeline-mode", "per-test, combined or both (default: per-test)", default="per-test", metavar="MODE")
    add(
        "--timeline-format",
        "Comma list of html, perfetto and chrome (default: html,perfetto)",
        type="linelist",
        default=["html", "perfetto"],
        metavar="LIST",
    )
    add(
        "--timeline-include",
        "Record only code of this path or module; may be repeated",
        type="linelist",
        default=[],
        action="append",
        metavar="PATTERN",
    )
    add(
        "--timeline-exclude",
        "Do not record code of this path or module, though what it calls; may be repeated",
        type="linelist",
        default=[],
        action="append",
        metavar="PATTERN",
    )
    add(
        "--timeline-min-duration",
        "Fold calls that are shorter into their caller, e.g. 5us or 1ms (default: 0)",
        default="0",
        metavar="TIME",
    )
    add(
        "--timeline-max-slices",
        "Most slices on one track of one test, 0 for no limit; the shortest beyond are folded (default: 1000000)",
        type="int",
        default=1_000_000,
        metavar="N",
    )
    add(
        "--timeline-block-threshold",
        "How long a task or a callback may keep its event loop; 0: as long as it likes (default: 50ms)",
        default="50ms",
        metavar="TIME",
    )
    add(
        "--timeline-c-calls",
        "Calls into C to record: auto (those that block), all or none (default: auto)",
        default="auto",
        metavar="WHICH",
    )
    add(
        "--timeline-standalone",
        "Make each page of the report a single file, without assets/ beside it",
        type="bool",
        default=False,
        action="store_true",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Add --timeline itself, now that every plugin is there: pytest-isolate has an option of that name too."""
    free = "--timeline" in parser.parse_known_and_unknown_args(["--timeline"])[1]
    if free:
        parser.getgroup("timeline").addoption(
            "--timeline",
            dest="timeline_on",
            action="store_true",
            default=False,
            help="Record what every test does and when, and write a timeline of each",
        )
    elif "--timeline" in args:
        pluginmanager = early_config.pluginmanager
        isolate = pluginmanager.has_plugin("pytest_isolate") or pluginmanager.has_plugin("pytest_isolate.plugin")
        other, block = ("pytest-isolate", "isolate") if isolate else ("another plugin", "NAME of that plugin")
        raise pytest.UsageError(
            f"--timeline is an option of pytest-timeline and of {other}: say '-p no:{block}' to use pytest-timeline's, "
            "or '-p no:timeline' to use the other"
        )


def pytest_configure(config: pytest.Config) -> None:
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is not None:
        if offer := workerinput.get("timeline"):
            try:
                from pytest_timeline.session.worker import WorkerSession
            except ImportError as error:  # on another host the installation may be another
                offer["channel"].send(("unrecorded", str(error)))
                return
            config.pluginmanager.register(WorkerSession(config, offer, workerinput["workerid"]), "timeline-session")
        return

    try:
        on = config.getoption("timeline_on", False) or config.getini("timeline")
    except Exception as error:  # a UsageError, or before pytest 9.2 a bare ValueError or TypeError
        raise pytest.UsageError(f"timeline in the ini file: {error}") from None
    if not on:
        return
    if config.option.collectonly or config.option.showfixtures or config.option.show_fixtures_per_test:
        return  # no test runs, and the last run's timelines stay

    from pytest_timeline.config import Config, ConfigError

    try:
        settings = Config.of_pytest(config)
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None
    try:
        import pytest_timeline._recorder  # noqa: F401
    except ImportError as error:
        raise pytest.UsageError(
            f"--timeline: the compiled module of pytest-timeline is missing ({error}); in a checkout build it with "
            "'python ext/build.py', else reinstall with 'pip install --force-reinstall pytest-timeline'"
        ) from None

    from pytest_timeline.session.main import MainSession

    config.pluginmanager.register(MainSession(config, settings), "timeline-session")
