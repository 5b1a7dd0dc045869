"""Figures move by themselves, and a page without its server says so."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.outage import STALE_LIMIT_S, suffer
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MARKET_TIME = "[data-live^='market_time']"


def test_figures_change_without_reload(tab: Page, site: Site) -> None:
    tab.goto(site.address)
    tab.evaluate("window.firstLoad = true")
    clock = tab.locator(MARKET_TIME)
    for _ in range(2):
        shown = clock.inner_text()
        expect(clock).not_to_have_text(shown)
    assert tab.evaluate("window.firstLoad") is True


@pytest.mark.parametrize("frozen", [False, True], ids=["killed", "frozen"])
def test_outage_is_said_within_ten_seconds_and_over_without_reload(
    tab: Page, site: Site, frozen: bool
) -> None:
    tab.goto(site.address)
    expect(tab.locator("[data-age]")).to_contain_text("s old")
    try:
        seen = suffer(tab, site, length_s=0, frozen=frozen)
    finally:
        site.recover()
    assert seen.stale_after_s <= STALE_LIMIT_S
    assert seen.banners == 1
    assert seen.figures_dimmed
    assert not seen.reloaded
    clock = tab.locator(MARKET_TIME)
    expect(clock).not_to_have_text(clock.inner_text())
