"""Closed trades read from the database are the trades that stand in it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.models import ExchangeAccount
from tests import factories
from tests.factories import NOON
from trading.ai import bot_key
from trading.choices import CashflowKind
from trading.domain.statistics import ClosedTrade, Dimension, statistics
from trading.domain.statistics.figures import figures
from trading.domain.statistics.trades import columns_of
from trading.models import Trade
from trading.results import Chosen, equity_curve, results_read

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def closed(**more: object) -> Trade:
    made: Trade = factories.TradeFactory.create(closed=True, **more)
    return made


def test_figures_are_those_of_the_rows() -> None:
    first = closed(
        best_price=Decimal(99900),
        worst_price=Decimal(96500),
        entry_slippage=Decimal("0.5"),
        exit_slippage=Decimal("-0.2"),
    )
    account = first.account
    second = closed(
        signal__cycle__bot=first.bot,
        symbol="ETHUSDT",
        side="sell",
        net_pnl=Decimal("-50.00000001"),
        r_multiple=None,
        initial_stop=Decimal(98000),
        worst_price=Decimal(97500),
        best_price=Decimal(96000),
        closed_market=NOON + 5 * HOUR,
    )
    results = results_read(Chosen([account.pk]))
    by_hand = [
        ClosedTrade(
            net_pnl=first.net_pnl or Decimal(0),
            fees=first.fees,
            funding=first.funding,
            r_multiple=first.r_multiple,
            opened=first.opened_market,
            closed=first.closed_market,
            best_r=Decimal(2900) / 1550,
            worst_r=Decimal(-500) / 1550,
            slippage=Decimal("0.3"),
        ),
        ClosedTrade(
            net_pnl=second.net_pnl or Decimal(0),
            fees=second.fees,
            funding=second.funding,
            opened=second.opened_market,
            closed=second.closed_market,
            best_r=Decimal(1),
            worst_r=Decimal("-0.5"),
        ),
    ]
    assert figures(results.columns) == figures(columns_of(by_hand)) == statistics(by_hand)
    assert list(results.ids) == [first.pk, second.pk]


def test_slippage_of_which_a_part_is_missing_is_not_known() -> None:
    whole = closed(entry_slippage=Decimal("0.5"), exit_slippage=Decimal("0.1"))
    closed(signal__cycle__bot=whole.bot, entry_slippage=Decimal(7), exit_slippage=None)
    found = figures(results_read(Chosen([whole.account_id])).columns)
    assert (found.trades, found.slippage, found.slippage_known) == (2, Decimal("0.6"), 1)


def test_what_cannot_be_verified_is_counted_apart() -> None:
    trade = closed()
    closed(signal__cycle__bot=trade.bot, unverifiable=True)
    results = results_read(Chosen([trade.account_id]))
    assert (len(results.columns), results.left_out) == (1, 1)


def test_open_trades_and_other_accounts_are_not_read() -> None:
    trade = closed()
    closed()
    factories.TradeFactory.create(signal__cycle__bot=trade.bot, symbol="ETHUSDT")
    assert list(results_read(Chosen([trade.account_id])).ids) == [trade.pk]
    assert len(results_read(Chosen([])).columns) == 0


def test_every_filter_filters() -> None:
    long = closed()
    bot, analyst = long.bot, long.signal.analysis
    short = closed(signal__cycle__bot=bot, side="sell", symbol="ETHUSDT")
    Trade.objects.filter(pk=short.pk).update(closed_market=NOON + 9 * HOUR)
    assert analyst is not None

    def ids(**chosen: object) -> list[int]:
        return list(results_read(Chosen([bot.account_id], **chosen)).ids)  # type: ignore[arg-type]

    assert ids(side="sell") == [short.pk]
    assert ids(symbol="BTCUSDT") == [long.pk]
    assert ids(analyst=analyst.profile_id) == [long.pk]
    assert ids(bot=bot.pk) == [long.pk, short.pk]
    assert ids(bot=bot.pk + 1) == []
    assert ids(since=NOON + 4 * HOUR) == [short.pk]


def test_each_dimension_has_its_name() -> None:
    prompt = factories.PromptVersionFactory.create()
    trade = closed(
        signal__analysis__prompt_version=prompt,
        opened_market=NOON,
        signal__calibration={"p": "0.6"},
    )
    results = results_read(Chosen([trade.account_id]))
    assert trade.signal.analysis is not None
    names = {each: labels.names[labels.codes[0]] for each, labels in results.labels.items()}
    assert names == {
        Dimension.BOT: trade.bot.name,
        Dimension.SYMBOL: "BTCUSDT",
        Dimension.TIMEFRAME: "15m",
        Dimension.PROMPT: str(prompt),
        Dimension.ANALYST: trade.signal.analysis.profile.name,
        Dimension.DIRECTION: "long",
        Dimension.EXIT_REASON: "take_profit",
        Dimension.HOUR: f"{NOON:%H}",
        Dimension.WEEKDAY: f"{NOON:%A}",
        Dimension.MODE: trade.account.mode,
        Dimension.CONFIDENCE: "0.70 to 0.75",
    }
    assert results.columns.chance[0] == 0.6


def test_ai_cost_is_what_the_trade_s_own_bot_paid() -> None:
    trade = closed()
    for charged_to, cost in ((bot_key(trade.bot_id), "0.0300"), ("bot:999", "0.5")):
        factories.ModelCallFactory.create(
            analysis=trade.signal.analysis, charged_to=charged_to, cost=Decimal(cost)
        )
    found = figures(results_read(Chosen([trade.account_id])).columns)
    assert found.ai_cost == Decimal("0.03")


def test_huge_amounts_stay_exact() -> None:
    trade = closed(net_pnl=Decimal("30000000.123456"))
    found = figures(results_read(Chosen([trade.account_id])).columns)
    assert found.net_pnl == Decimal("30000000.123456")


def test_transfers_do_not_bend_the_curve_of_equity() -> None:
    account: ExchangeAccount = factories.AccountFactory.create()
    for hour, equity in ((0, 1000), (1, 1100), (2, 880), (3, 968)):
        factories.EquityPointFactory.create(
            account=account, time=NOON + hour * HOUR, equity=Decimal(equity)
        )
    factories.CashflowFactory.create(
        trade=None,
        account=account,
        symbol="",
        kind=CashflowKind.TRANSFER,
        amount=Decimal(-220),
        time=NOON + 1.5 * HOUR,
    )
    curve, every = equity_curve(account)
    assert every == 1
    assert curve.index == pytest.approx([1, 1.1, 1.1, 1.21])
    assert list(curve.money) == [units * 10**8 for units in (1000, 1100, 1100, 1188)]
