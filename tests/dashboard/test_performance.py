"""The performance page: figures of the chosen trades, with intervals, numbers and words."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from exchange.models import ExchangeAccount
from tests import factories
from tests.dashboard.conftest import Desk
from tests.factories import NOON
from trading.models import Bot, Trade

HOUR = timedelta(hours=1)
DASH = "\N{EN DASH}"


@pytest.fixture
def bot(account: ExchangeAccount) -> Bot:
    made: Bot = factories.BotFactory.create(account=account, name="scout")
    return made


def closed(bot: Bot, number: int, net: str = "10", **more: object) -> Trade:
    """A trade that closed so many hours before NOON."""
    moment = NOON - number * HOUR
    made: Trade = factories.TradeFactory.create(
        signal__cycle__bot=bot,
        closed=True,
        net_pnl=Decimal(net),
        r_multiple=Decimal(net) / 10,
        opened_market=moment - HOUR,
        closed_market=moment,
        **more,
    )
    return made


def body(client: Client, query: str = "") -> str:
    answer = client.get(f"/performance/{query}")
    assert answer.status_code == 200
    # Spaces of the template's lines are no part of what is read.
    return re.sub(r"\s+", " ", answer.content.decode())


def test_without_trades_it_says_so(console: Client, account: ExchangeAccount) -> None:
    text = body(console)
    assert "No closed trade yet." in text
    assert "NaN" not in text


def test_without_an_account_it_works(console: Client) -> None:
    assert console.get("/performance/").status_code == 200


def test_needs_a_login(client: Client, account: ExchangeAccount) -> None:
    assert client.get("/performance/").status_code == 302


def test_figures_carry_their_interval_and_number(console: Client, bot: Bot) -> None:
    for number, net in enumerate(("10", "20", "-10", "5")):
        closed(bot, number, net)
    text = body(console)
    assert "75.0 %" in text
    assert "30 to 95 %" in text
    assert "+25.00" in text
    assert "3 won, 1 lost" in text
    assert "Only 4 trades: too few to tell skill from luck." in text


def test_what_cannot_be_computed_is_a_dash(console: Client, bot: Bot) -> None:
    closed(bot, 1, "10")
    text = body(console)
    assert f'<dt>Profit factor</dt><dd class="figure">{DASH}</dd>' in text
    assert f"<dt>Average loss</dt><dd>{DASH}</dd>" in text
    assert "NaN" not in text
    assert "nan" not in re.sub(r"<[^>]+>", "", text).lower().split()


@pytest.mark.parametrize(
    ("query", "won"),
    [
        ("?symbol=ETHUSDT", "+7.00"),
        ("?side=sell", "+7.00"),
        ("?period=7", "+10.00"),
        ("?symbol=NOPE", "+17.00"),
        ("?bot=9999&analyst=x&period=1000", "+17.00"),
    ],
)
def test_filters_stand_in_the_address(console: Client, bot: Bot, query: str, won: str) -> None:
    closed(bot, 1, "10")
    closed(bot, 24 * 20, "7", symbol="ETHUSDT", side="sell", initial_stop=Decimal(98000))
    net = re.search(
        r"<dt>Net P&amp;L</dt><dd class=\"figure\"><span[^>]*>([^<]+)", body(console, query)
    )
    assert net is not None
    assert net[1] == won


def test_a_bot_and_its_analyst_can_be_chosen(console: Client, bot: Bot) -> None:
    trade = closed(bot, 1, "10")
    other = factories.BotFactory.create(account=bot.account, name="other")
    closed(other, 2, "3")
    assert trade.signal.analysis is not None
    assert "1 won, 0 lost" in body(console, f"?bot={bot.pk}")
    assert "1 won, 0 lost" in body(console, f"?analyst={trade.signal.analysis.profile_id}")
    assert "2 won, 0 lost" in body(console)
    assert "Uncalibrated (n = " in body(console, f"?bot={bot.pk}")


def test_modes_stand_side_by_side(console: Client, bot: Bot) -> None:
    closed(bot, 1, "10")
    live = factories.BotFactory.create(account__mode="DEMO", account__name="venue")
    closed(live, 1, "-4")
    text = body(console)
    assert "1 won, 0 lost" in text
    assert "never added up" in text
    modes = text[text.index("Mode, all accounts") :]
    assert "DEMO" in modes
    assert "SIM" in modes


def test_charts_can_be_read_without_seeing_them(console: Client, bot: Bot) -> None:
    for number in range(5):
        closed(bot, number, "10", best_price=Decimal(99000), worst_price=Decimal(96000))
    text = body(console)
    charts = re.findall(r'<svg class="plot"[^>]*>', text)
    assert len(charts) >= 5
    assert all('role="img"' in chart and 'aria-label="' in chart for chart in charts)
    assert text.count("View as table") == len(charts)
    assert "style=" not in text


def test_the_worst_hour_is_one_that_was_traded(console: Client, bot: Bot) -> None:
    closed(bot, 1, "10")
    assert body(console).count("00 (+10.00 USDT)") == 2


def test_trades_that_cannot_be_verified_are_told(console: Client, bot: Bot) -> None:
    closed(bot, 1)
    closed(bot, 2, unverifiable=True)
    text = body(console)
    assert "1 closed trade can&#x27;t be verified" in text
    assert "1 won, 0 lost" in text


def test_calibration_of_what_was_stated(console: Client, bot: Bot) -> None:
    for number in range(6):
        trade = closed(bot, number, "10" if number % 2 else "-10")
        trade.signal.calibration = {"p": "0.6", "se": "0.05", "n": 120, "method": "platt"}
        trade.signal.save()
    text = body(console)
    assert "Calibrated chance against outcome" in text
    assert "Brier score" in text
    assert "0.2600" in text


def test_it_asks_a_bounded_number_of_questions(console: Client, bot: Bot) -> None:
    for number in range(8):
        closed(bot, number)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        body(console)
    assert len(asked) <= 40


def test_the_calibrated_chance_stands_beside_the_raw_score(console: Client, desk: Desk) -> None:
    signal = desk.closed.signal
    signal.calibration = {"p": "0.6102", "se": "0.0512", "n": 140, "method": "platt"}
    signal.save()
    page = console.get(f"/cycles/{signal.cycle_id}/?symbol={signal.symbol}").content.decode()
    assert "calibrated 61 % ± 5, n = 140" in page
