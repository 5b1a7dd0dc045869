"""One served system and one Chromium for all tests of this folder.

The fixtures end with the folder, not with the session: while Playwright runs, its event loop
does too, and Django refuses database access beside a running loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState

from tests.browser import browsing
from tests.browser.browsing import Window
from tests.browser.site import Site


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The served scene, with its two approved signals entered."""
    made = Site(tmp_path_factory.mktemp("site"))
    made.draw()
    try:
        made.up()
        made.trade_of("BTCUSDT")
        made.trade_of("ETHUSDT")
        yield made
    finally:
        made.down()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    try:
        with browsing.chromium() as browser:
            yield browser
    except browsing.BrowserMissing as exc:
        pytest.skip(str(exc))


@pytest.fixture(scope="package")
def signed_in(chromium: Browser, site: Site) -> StorageState:
    """The cookies of the operator's session."""
    return browsing.session(chromium, site.address)


@pytest.fixture
def window(chromium: Browser, signed_in: StorageState) -> Iterator[Window]:
    """Opens windows in which the operator has signed in; they close with the test."""
    opened: list[BrowserContext] = []

    def open_window(**options: Any) -> BrowserContext:
        opened.append(browsing.window(chromium, signed_in, **options))
        return opened[-1]

    yield open_window
    for context in opened:
        context.close()


@pytest.fixture
def tab(window: Window) -> Page:
    """A wide, light tab of the operator."""
    return window().new_page()
