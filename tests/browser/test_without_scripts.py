"""What must work when no script runs: signing in, and the kill switch in both directions."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import browsing
from tests.browser.browsing import Window
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_operator_signs_in(chromium: Browser, site: Site) -> None:
    with browsing.window(chromium, None, scripts=False) as context:
        page = context.new_page()
        page.goto(site.address)
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        browsing.sign_in(page, site.address)
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_kill_switch_halts_and_is_armed_again_in_two_steps(window: Window, site: Site) -> None:
    page = window(scripts=False, width=browsing.NARROW).new_page()
    page.goto(site.address)
    page.get_by_role("link", name="Kill", exact=True).click()
    _press(page, "Press the kill switch", "trying the switch")
    # The state comes first, the record of presses below it.
    everything = page.get_by_role("row", name="Everything").first
    expect(everything).to_contain_text("Halted")
    expect(everything).to_contain_text("trying the switch")
    _settled(page)
    _press(page, "Everything · Step 1 of 2", "step one of two", "Why Everything may go on")
    expect(everything).to_contain_text("Reducing")
    _press(page, "Everything · Last step", "step two", "Why Everything may go on")
    expect(everything).to_contain_text("Active")


def _settled(page: Page) -> None:
    """Look again by hand until the press was seen done, as somebody without scripts does."""
    for _ in range(40):
        if page.get_by_text("seen done in").count():
            return
        page.wait_for_timeout(500)
        page.get_by_role("link", name="Look again").click()
    raise AssertionError("the press was never seen done")


def _press(page: Page, button: str, reason: str, label: str = "Reason") -> None:
    page.get_by_label(label).fill(reason)
    page.get_by_role("button", name=button).click()
