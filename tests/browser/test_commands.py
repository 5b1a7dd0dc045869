"""Buttons that reach the trader: each wish counts once and its result is seen on the page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.browsing import Window
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CLOSES = "SELECT count(*) FROM trading_command WHERE kind = 'close' AND target = ?"
RECOVERED_MS = 45_000


def question(tab: Page, symbol: str) -> Locator:
    """The card that asks about ``symbol``."""
    return tab.locator("article.approval", has_text=symbol)


def position(tab: Page, symbol: str) -> Locator:
    """The row of the open position in ``symbol``."""
    return tab.locator("table.positions tbody tr", has_text=symbol)


def fact(tab: Page, name: str) -> Locator:
    """What stands under ``name`` in a list of figures."""
    return tab.locator("dl.facts div", has=tab.get_by_text(name, exact=True)).locator("dd")


def test_double_clicked_close_is_one_command_and_ends_the_position(tab: Page, site: Site) -> None:
    trade_id = site.trade_of("ETHUSDT")
    tab.goto(site.address)
    position(tab, "ETHUSDT").get_by_role("button", name="Close").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog).to_contain_text("SIM: buy back")
    dialog.get_by_role("button", name="Close position").dblclick()
    expect(tab.locator("#notice .command")).to_have_count(1)
    expect(tab.locator("#notice .command")).to_contain_text("Done")
    expect(position(tab, "ETHUSDT")).to_have_count(0)
    assert site.value(CLOSES, trade_id) == 1
    tab.goto(f"{site.address}/trades/{trade_id}/")
    expect(tab.locator(".headline")).to_contain_text("Closed")


def test_close_can_be_left_alone(tab: Page, site: Site) -> None:
    trade_id = site.trade_of("BTCUSDT")
    tab.goto(f"{site.address}/trades/{trade_id}/")
    tab.get_by_role("button", name="Close position").click()
    tab.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    expect(tab.get_by_role("dialog")).to_have_count(0)
    assert site.value(CLOSES, trade_id) == 0


def test_approved_signal_becomes_a_position_on_the_page(tab: Page, site: Site) -> None:
    tab.goto(site.address)
    question(tab, "XRPUSDT").get_by_role("button", name="Approve").click()
    expect(tab.locator("#notice")).to_contain_text("XRPUSDT: approved.")
    expect(question(tab, "XRPUSDT")).to_have_count(0)
    expect(position(tab, "XRPUSDT")).to_contain_text("SHORT")
    expect(position(tab, "XRPUSDT").locator(".shield")).to_be_visible()


def test_second_answer_to_a_question_is_refused_with_a_sentence(
    tab: Page, window: Window, site: Site
) -> None:
    late = window(scripts=False).new_page()
    late.goto(site.address)
    tab.goto(site.address)
    question(tab, "SOLUSDT").get_by_role("button", name="Refuse").click()
    expect(tab.locator("#notice")).to_contain_text("SOLUSDT: refused.")
    expect(question(tab, "SOLUSDT")).to_have_count(0)
    question(late, "SOLUSDT").get_by_role("button", name="Approve").click()
    expect(late.locator("#notice")).to_contain_text("the request was already answered: refused")


def test_pulled_plug_shows_how_the_trader_recovered(tab: Page, window: Window, site: Site) -> None:
    approver = window().new_page()
    approver.goto(site.address)
    tab.goto(site.address)
    tab.get_by_role("button", name="Pull the plug").click()
    tab.get_by_role("dialog").get_by_role("button", name="Pull the plug").click()
    tab.wait_for_url("**/plug/?event=*")
    question(approver, "DOGEUSDT").get_by_role("button", name="Approve").click()
    expect(tab.get_by_role("heading", name="Recovered")).to_be_visible(timeout=RECOVERED_MS)
    expect(fact(tab, "Recovered in")).to_have_text(re.compile(r"^\d+\.\d\d s$"))
    expect(fact(tab, "Duplicate orders")).to_have_text("0")
    expect(fact(tab, "Longest time without a stop")).to_have_text(re.compile(r"^\d[\d.]* m?s$"))
    expect(fact(tab, "In flight")).to_contain_text("DOGEUSDT buy entry")
    expect(tab.get_by_text("ledgers agree", exact=True)).to_be_visible()
    expect(position(approver, "DOGEUSDT")).to_be_visible()
