"""Why no trade: counts, what is behind each of them, and the filters."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.selectors.market import market_read
from exchange.models import ExchangeAccount
from tests.factories import BotFactory, CycleFactory, SignalFactory
from trading.choices import SignalState
from trading.funnel import FunnelQuery, funnel_get, funnel_words
from trading.models import Bot, Signal

HOUR = timedelta(hours=1)
LIMITS = {"rr_net": "1.50", "confidence": "65.0 %"}


def decide(bot: Bot, hours_ago: int, **rules: str) -> None:
    """A cycle of ``bot`` whose symbols ended at ``rules``; an empty one was traded."""
    now = market_read(bot.account).now
    assert now is not None
    moment = now - hours_ago * HOUR
    cycle = CycleFactory.create(bot=bot, boundary=moment)
    for symbol, rule in rules.items():
        SignalFactory.create(
            cycle=cycle,
            bot=bot,
            account=bot.account,
            symbol=f"{symbol}USDT",
            decided_at=moment,
            rule=rule,
            state=SignalState.REJECTED if rule else SignalState.EXECUTING,
            state_reason=f"Because of {rule}." if rule else "",
            rr_net=Decimal("1.42") if rule == "rr_net" else Decimal("1.1"),
            confidence=Decimal("0.5"),
            verdicts=[{"rule": rule, "passed": False, "value": "x", "limit": LIMITS.get(rule, "")}],
        )


@pytest.fixture
def bot(account: ExchangeAccount) -> Bot:
    made: Bot = BotFactory.create(account=account, symbols=["BTCUSDT", "SOLUSDT"])
    decide(made, 30, BTC="none", SOL="none")
    decide(made, 3, BTC="none", SOL="rr_net")
    decide(made, 2, BTC="none", SOL="confidence")
    decide(made, 1, BTC="", SOL="slots")
    return made


@pytest.mark.usefixtures("transactional_db")
def test_the_funnel_says_it_in_one_line(bot: Bot) -> None:
    found = funnel_get(FunnelQuery(bot.account))
    assert found.nearest is not None
    at = f"{found.nearest.decided_at:%H:%M}"
    assert funnel_words(found) == (
        "4 cycles x 2 symbols = 8: 4 no setup, 1 confidence, 1 net reward/risk, 1 slots, 1 traded; "
        f"nearest miss SOL {at}, 1.42 (net reward/risk)"
    )


@pytest.mark.usefixtures("transactional_db")
def test_cycles_that_missed_a_symbol_are_not_multiplied(bot: Bot) -> None:
    decide(bot, 4, BTC="none")
    assert funnel_get(FunnelQuery(bot.account)).headline == "5 cycles, 2 symbols, 9 decisions"


def test_nothing_decided_is_said(console: Client, account: ExchangeAccount) -> None:
    page = console.get(reverse("funnel")).content.decode()
    assert "No decisions in this time." in page
    found = funnel_get(FunnelQuery(account))
    assert funnel_words(found) == "0 cycles x 0 symbols = 0: no decisions"


def test_the_page_counts_the_last_day_first(console: Client, bot: Bot) -> None:
    page = console.get(reverse("funnel")).content.decode()
    assert "3 cycles x 2 symbols = 6" in page
    every = console.get(reverse("funnel"), {"span": "all"}).content.decode()
    assert "4 cycles x 2 symbols = 8" in every
    assert "Nearest miss:" in every


@pytest.mark.parametrize(
    ("given", "headline"),
    [
        ({"symbol": "SOLUSDT"}, "4 cycles x 1 symbol = 4"),
        ({"timeframe": "4h"}, "0 cycles x 0 symbols = 0"),
        ({"bot": "999999"}, "0 cycles x 0 symbols = 0"),
        ({"bot": "x", "symbol": ""}, "4 cycles x 2 symbols = 8"),
    ],
)
def test_filters_narrow_the_count(
    console: Client, bot: Bot, given: dict[str, str], headline: str
) -> None:
    page = console.get(reverse("funnel"), {"span": "all"} | given).content.decode()
    assert headline in page


def test_every_count_leads_to_its_decisions(console: Client, bot: Bot) -> None:
    page = console.get(reverse("funnel"), {"span": "all"}).content.decode()
    found = re.findall(r'href="(/funnel/\?[^"]*stage=[^"]*)".*?<b>(\d+)</b>', page, re.DOTALL)
    assert len(found) == 5
    for address, count in found:
        behind = console.get(address.replace("&amp;", "&")).content.decode()
        body = behind[behind.index("<tbody>") : behind.index("</tbody>")]
        assert body.count("<tr>") == int(count)


def test_a_decision_leads_to_its_cycle_with_its_reason(console: Client, bot: Bot) -> None:
    page = console.get(reverse("funnel"), {"stage": "rr_net"}).content.decode()
    signal = Signal.objects.get(rule="rr_net")
    assert "Ended at: net reward/risk" in page
    assert "Because of rr_net." in page
    assert f'href="/cycles/{signal.cycle_id}/?symbol=SOLUSDT"' in page


def test_the_overview_counts_with_the_same_code(console: Client, bot: Bot) -> None:
    page = console.get(reverse("fragment", args=["funnel"])).content.decode()
    assert "3 cycles x 2 symbols = 6" in page
    assert "nearest" in page.lower()


def test_the_page_asks_as_much_for_many_decisions_as_for_few(console: Client, bot: Bot) -> None:
    console.get(reverse("funnel"))
    with CaptureQueriesContext(connection) as few:
        console.get(reverse("funnel"))
    for hours in range(4, 20):
        decide(bot, hours, BTC="none", SOL="rr_net")
    with CaptureQueriesContext(connection) as many:
        console.get(reverse("funnel"))
    assert len(many) == len(few)
