"""One Chromium for all browser tests, which are skipped where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support import browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[browser.Browser]:
    binary = browser.find()
    if binary is None:
        pytest.skip("no Chromium here: install it, or name it in BROWSER_BINARY")
    with browser.running(binary) as running:
        yield running


@pytest.fixture
def new_page(chromium: browser.Browser) -> Iterator[Callable[..., browser.Page]]:
    """Make pages, in which nothing may go wrong that the test does not expect."""
    pages: list[browser.Page] = []

    def make(*args: int, **kwargs: bool) -> browser.Page:
        pages.append(chromium.page(*args, **kwargs))
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
