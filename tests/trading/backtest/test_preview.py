"""Closed trades are followed again with other exit settings."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from exchange.choices import Mode
from exchange.market.archive import default_archive
from exchange.market.clock import SteppedClock
from exchange.market.replay import ReplayMarket
from tests.factories.bots import BotFactory, RiskLimitsFactory
from tests.factories.cycles import CycleFactory, SignalFactory
from tests.factories.exchange import MINUTE, NOON, AccountFactory
from tests.factories.trades import OrderFactory, TradeFactory
from tests.trading.test_counterfactual import UP, candles
from trading.backtest.preview import preview
from trading.choices import ExitReason, RiskProfile
from trading.domain.exits import ExitSettings, default_exits
from trading.models import Trade

pytestmark = pytest.mark.django_db

PLAIN = default_exits(RiskProfile.CLASSIC, 15 * MINUTE)


def market() -> ReplayMarket:
    default_archive().store(candles(UP), source="test", replace=True)
    clock = SteppedClock(NOON + 239 * MINUTE)
    return ReplayMarket(default_archive(), clock, ["BTCUSDT"], 0, NOON - 30 * MINUTE)


def closed_trade(**changes: Any) -> Trade:
    """A long from 97,000 that ended at its target."""
    bot = BotFactory.create(account=AccountFactory.create(mode=Mode.PAPER))
    RiskLimitsFactory.create(account=bot.account)
    signal = SignalFactory.create(cycle=CycleFactory.create(bot=bot, boundary=NOON))
    stored = {
        "exit_settings": PLAIN.as_json(),
        "closed_market": NOON + 146 * MINUTE,
        "r_multiple": Decimal("1.72"),
    }
    trade = TradeFactory.create(signal=signal, closed=True, **(stored | changes))
    OrderFactory.create(trade=trade)
    return trade


def test_the_same_settings_give_the_same_end() -> None:
    trade = closed_trade()
    (row,) = preview([trade], PLAIN, market()).trades
    assert (row.new_reason, row.new_exit) == (ExitReason.TAKE_PROFIT, Decimal(99900))
    assert row.compared
    assert row.reproduced


def test_a_shorter_holding_ends_it_sooner_and_costs_profit() -> None:
    shorter = replace(PLAIN, max_holding_bars=2)
    found = preview([closed_trade()], shorter, market())
    (row,) = found.trades
    assert row.new_reason is ExitReason.MAX_HOLDING
    assert row.new_closed_at == NOON + 30 * MINUTE
    assert found.new_r < found.old_r
    assert found.changed == 1


def test_what_a_person_closed_is_shown_and_not_compared() -> None:
    found = preview([closed_trade(exit_reason=ExitReason.MANUAL)], PLAIN, market())
    (row,) = found.trades
    assert row.note.endswith("closed by hand.")
    assert (row.new_reason, row.new_r, found.compared) == (None, None, ())


def test_settings_that_can_not_be_read_are_a_note() -> None:
    (row,) = preview([closed_trade(exit_settings={})], PLAIN, market()).trades
    assert row.note.startswith("Can't be followed")


def test_a_trade_without_candles_is_a_note() -> None:
    (row,) = preview([closed_trade(symbol="ETHUSDT")], PLAIN, market()).trades
    assert row.note.startswith("Can't be followed")
    assert not row.compared


def test_only_the_newest_fifty_closed_ones_are_followed() -> None:
    trade, opened = closed_trade(), TradeFactory.create()
    settings: ExitSettings = PLAIN
    assert len(preview([trade] * 60 + [opened], settings, market()).trades) == 50
