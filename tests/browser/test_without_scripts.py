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
    _set_state(page, "Halt", "trying the switch")
    everything = page.get_by_role("row", name="Everything")
    expect(everything).to_contain_text("Halted")
    expect(everything).to_contain_text("trying the switch")
    _set_state(page, "Arm again", "in one step")
    expect(page.locator("#notice")).to_contain_text("in two steps: set Reducing first")
    expect(everything).to_contain_text("Halted")
    _set_state(page, "Reduce", "step one of two")
    _set_state(page, "Arm again", "step two")
    expect(everything).to_contain_text("Active")


def _set_state(page: Page, button: str, reason: str) -> None:
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=button).click()
