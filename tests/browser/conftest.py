"""A Chromium and a Firefox for the browser tests, which are skipped where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support import browser, chromium, firefox


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "firefox: a test that runs in Firefox too")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "running" in metafunc.fixturenames:
        too = ["firefox"] if metafunc.definition.get_closest_marker("firefox") else []
        metafunc.parametrize("running", ["chromium", *too], indirect=True, scope="session")


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest) -> Iterator[chromium.Chromium | firefox.Firefox]:
    """The browser that the test is for."""
    kind = {"chromium": chromium, "firefox": firefox}[request.param]
    binary = kind.find()
    if binary is None:
        pytest.skip(f"no {request.param.title()} here: install it, or name it in {kind.VARIABLE}")
    with kind.running(binary) as browser:
        yield browser


@pytest.fixture
def new_page(running: chromium.Chromium | firefox.Firefox) -> Iterator[Callable[..., browser.Page]]:
    """Make pages, in which nothing may go wrong that the test does not expect."""
    pages: list[browser.Page] = []

    def make(*args: int, **kwargs: bool) -> browser.Page:
        pages.append(running.page(*args, **kwargs))
        return pages[-1]

    yield make
    troubles = [trouble for page in pages for trouble in page.troubles]
    for page in pages:
        page.close()
    assert not troubles


@pytest.fixture
def page(new_page: Callable[..., browser.Page]) -> browser.Page:
    """One page of 1600 by 1000 pixels."""
    return new_page()
