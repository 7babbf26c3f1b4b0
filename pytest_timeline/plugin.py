"""The pytest11 entry point: the options, and nothing else until a run asks for a timeline."""

from __future__ import annotations

import argparse
import contextlib
import copy
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from pytest_timeline import Timeline
    from pytest_timeline.config import Config
    from pytest_timeline.session.main import MainSession
    from pytest_timeline.session.query import Queries
    from pytest_timeline.session.worker import WorkerSession

SESSION = "timeline-session"
WITHOUT_TESTS = ("collectonly", "showfixtures", "show_fixtures_per_test", "cacheshow")
WITHOUT_SESSION = ("help", "version", "markers", "looponfail")  # or, the last, with one in another process
MARKER = (
    "timeline(off=..., keep=..., args=[...], c_calls=..., full=..., max_slices=...): record nothing of this test, keep "
    "its timeline whatever --timeline-keep says, or record it by other settings than the run's"
)


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
        "--timeline-keep",
        "Comma list of all, failed, slow:TIME and slowest:N: whose timelines to write (default: all)",
        type="linelist",
        default=["all"],
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
        "--timeline-record",
        "What else to record: comma list of logs, warnings, output, subtests, examples, gc and memory; all or none "
        "(default: all)",
        type="linelist",
        default=["all"],
        metavar="LIST",
    )
    add(
        "--timeline-max-instants",
        "Most log records of one test, most lines of output, and so on, 0 for no limit (default: 1000)",
        type="int",
        default=1_000,
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
        "--timeline-args",
        "Keep arguments and return values of this function, e.g. Cart.add, shop.cart.* or src/shop/; may be repeated",
        type="linelist",
        default=[],
        action="append",
        metavar="PATTERN",
    )
    add(
        "--timeline-full",
        "Record every call, also of functions that are called so often that recording them takes most of the time",
        type="bool",
        default=False,
        action="store_true",
    )
    add(
        "--timeline-standalone",
        "Make each page of the report a single file, without assets/ beside it",
        type="bool",
        default=False,
        action="store_true",
    )
    add(
        "--timeline-summary",
        "Write a summary in Markdown to this file, or none (default: where GITHUB_STEP_SUMMARY says)",
        default="",
        metavar="PATH",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """Begin before anything is done here: the first conftest files are imported, other plugins start up."""
    _add_flag(early_config, parser, args)
    options = parser.parse_known_args(args, namespace=copy.copy(early_config.option))
    if any(getattr(options, name, False) for name in WITHOUT_SESSION):
        return (yield)
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # or a test of one runs pytest
        with contextlib.suppress(pytest.UsageError):  # it is the controller's to say
            if settings := _settings(early_config, options):
                from pytest_timeline.session.worker import begin_early

                begin_early(early_config, settings, worker)
        return (yield)
    session = _session(early_config, options)
    if session is None:
        return (yield)
    early_config.pluginmanager.register(session, SESSION)
    session.start()
    return (yield from session.load_conftests())


def _add_flag(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
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
    config.addinivalue_line("markers", MARKER)
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is not None:
        if offer := workerinput.get("timeline"):
            try:
                from pytest_timeline.session.worker import WorkerSession
            except ImportError as error:  # on another host the installation may be another
                offer["channel"].send(("unrecorded", str(error)))
                return
            config.pluginmanager.register(WorkerSession(config, offer, workerinput["workerid"]), SESSION)
        return

    early: MainSession | None = config.pluginmanager.get_plugin(SESSION)
    session = _session(config, config.option)
    if early is not None and session is not None and early.settings == session.settings:
        return
    if early is not None:  # now that all is parsed, something else is wanted
        early.discard()
        config.pluginmanager.unregister(early)
    if session is not None:
        config.pluginmanager.register(session, SESSION)


def _session(config: pytest.Config, options: argparse.Namespace) -> MainSession | None:
    """Return the session that is to record, None where no timeline is wanted, or no test runs. Raises UsageError."""
    settings = _settings(config, options)
    if settings is None:
        return None
    try:
        import pytest_timeline._recorder  # noqa: F401
    except ImportError as error:
        raise pytest.UsageError(
            f"--timeline: the compiled module of pytest-timeline is missing ({error}); in a checkout build it with "
            "'python ext/build.py', else reinstall with 'pip install --force-reinstall pytest-timeline'"
        ) from None

    from pytest_timeline.session.main import MainSession

    return MainSession(config, settings)


def _settings(config: pytest.Config, options: argparse.Namespace) -> Config | None:
    """Return what to record, None where no timeline is wanted, or no test runs. Raises UsageError."""
    try:
        on = getattr(options, "timeline_on", False) or config.getini("timeline")
    except Exception as error:  # a UsageError, or before pytest 9.2 a bare ValueError or TypeError
        raise pytest.UsageError(f"timeline in the ini file: {error}") from None
    if not on or any(getattr(options, name, False) for name in WITHOUT_TESTS):  # the last run's timelines stay
        return None

    from pytest_timeline.config import Config, ConfigError

    try:
        return Config.of_pytest(config, options)
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have wrong markers told, also of those that never record: they would find out in CI."""
    for config in {item.config for item in items if "timeline" in getattr(item, "fixturenames", ())}:
        _queries(config)
    if any(item.get_closest_marker("timeline") for item in items):
        from pytest_timeline.session import marker

        marker.report(items)


@pytest.fixture(name="timeline")
def _timeline(request: pytest.FixtureRequest) -> Timeline:
    """Tells the test's timeline more, and asks what is in it so far: timeline.span, timeline.slices, and so on."""
    from pytest_timeline.session.fixture import Timeline
    from pytest_timeline.session.marker import MarkerError, wanted

    with contextlib.suppress(MarkerError):  # told when it was collected
        if wanted(request.node).off:
            return Timeline(None, "no timeline is recorded of this test: its marker says off=True")
    return Timeline(_queries(request.config))


def _queries(config: pytest.Config) -> Queries | None:
    """Return whom tests ask, None if there is nobody; registered for the first that may, since it has hooks, too."""
    plugins = config.pluginmanager
    session: MainSession | WorkerSession | None = plugins.get_plugin(SESSION)
    if not plugins.has_plugin("timeline-queries") and session is not None and (queries := session.queries()):
        with contextlib.suppress(ValueError):  # another thread was first
            plugins.register(queries, "timeline-queries")
    return plugins.get_plugin("timeline-queries")
