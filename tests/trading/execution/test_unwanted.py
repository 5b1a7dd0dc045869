"""Entries that the account's rules would not let in any more are taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchange.domain import Quote
from exchange.ports import MarketFacts
from tests.exchange.paper.scripted_market import MINUTE
from tests.factories import BotFactory
from tests.trading.execution.floor import SYMBOLS, Floor
from trading.choices import BlackoutAction, BlackoutKind, CancelReason, OrderState, TradeState
from trading.models import Blackout, EquityPoint, Event, Order, RiskLimits, Trade

D = Decimal
BTC, ETH = SYMBOLS


def resting(floor: Floor, *symbols: str) -> list[Order]:
    """Long entries of 10 at 99 with their stop at 95, oldest first."""
    for symbol in symbols:
        floor.resting(symbol)
        floor.rounds(2)
    orders = list(Order.objects.filter(role="e").order_by("pk"))
    assert [order.state for order in orders] == [OrderState.ACKNOWLEDGED] * len(symbols)
    return orders


def new_limits(floor: Floor, **changes: Any) -> None:
    """The next version of the account's limits."""
    row = RiskLimits.objects.filter(account=floor.account).latest("version")
    row.pk, row.version = None, row.version + 1
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(force_insert=True)


def cancelled(floor: Floor) -> dict[str, str]:
    """Symbols whose entry was taken back, with the reason, after the next look."""
    floor.leap(2)
    floor.rounds(2)
    rows = Trade.objects.filter(state=TradeState.CANCELLED)
    return dict(rows.values_list("symbol", "cancel_reason"))


def test_entries_that_are_let_in_stay(floor: Floor) -> None:
    resting(floor, BTC, ETH)
    assert cancelled(floor) == {}
    new_limits(floor, max_slots=2)
    assert cancelled(floor) == {}


def test_lowered_slots_take_the_newest_back_first(floor: Floor) -> None:
    resting(floor, BTC, ETH)
    new_limits(floor, max_slots=1)
    assert cancelled(floor) == {ETH: CancelReason.GUARD}
    assert cancelled(floor) == {ETH: CancelReason.GUARD}
    told = Event.objects.get(kind="entry_withdrawn")
    assert told.text == "ETHUSDT: the unfilled entry is taken back. 1 of 1 slots are taken."


def test_lowered_risk_takes_back_until_it_fits(floor: Floor) -> None:
    resting(floor, BTC, ETH)
    # Each loses 4 x 10 and its costs: 0.42 % of 10,000 apiece.
    new_limits(floor, max_open_risk=D("0.005"))
    assert cancelled(floor) == {ETH: CancelReason.GUARD}
    new_limits(floor, max_open_risk=D("0.004"))
    assert cancelled(floor) == {ETH: CancelReason.GUARD, BTC: CancelReason.GUARD}


def test_lowered_limits_close_no_position(floor: Floor) -> None:
    trade = floor.opened()
    resting_order = floor.resting(ETH)
    floor.rounds(2)
    new_limits(floor, max_slots=1, max_open_risk=D("0.001"))
    assert cancelled(floor) == {ETH: CancelReason.GUARD}
    trade.refresh_from_db()
    assert (trade.state, trade.close_wanted) == (TradeState.OPEN, "")
    assert resting_order.symbol == ETH


def wallet_falls(floor: Floor, wallet: int) -> None:
    EquityPoint.objects.create(
        account=floor.account,
        time=floor.market.now() + timedelta(seconds=1),
        wallet=D(wallet),
        equity=D(wallet),
    )


def test_equity_that_moves_is_no_lowered_limit(floor: Floor) -> None:
    RiskLimits.objects.update(max_position_notional=D("0.1"))
    resting(floor, BTC)
    # The position of 990 is more than 0.1 of this equity now; nobody has lowered anything.
    wallet_falls(floor, 9500)
    assert cancelled(floor) == {}


def test_a_daily_loss_takes_entries_back(floor: Floor) -> None:
    resting(floor, BTC)
    wallet_falls(floor, 9430)
    assert cancelled(floor) == {BTC: CancelReason.GUARD}
    assert "the day ends at" in Event.objects.get(kind="entry_withdrawn").text


@pytest.mark.parametrize(
    ("action", "symbols", "reason"),
    [
        (BlackoutAction.NO_ENTRIES, [], CancelReason.BLACKOUT),
        (BlackoutAction.NO_ENTRIES, [ETH], ""),
        (BlackoutAction.HALVE, [], ""),
    ],
)
def test_a_blackout_takes_entries_of_its_symbols_back(
    floor: Floor, action: str, symbols: list[str], reason: str
) -> None:
    resting(floor, BTC)
    now = floor.market.now()
    Blackout.objects.create(
        name="Rates",
        kind=BlackoutKind.ONCE,
        action=action,
        symbols=symbols,
        starts_at=now - MINUTE,
        ends_at=now + 10 * MINUTE,
    )
    assert cancelled(floor) == ({BTC: reason} if reason else {})


class WideMarket:
    """The floor's market with a spread that a test sets."""

    def __init__(self, floor: Floor) -> None:
        self._quote = floor.market.quote
        self.spread = D("0.02")
        floor.market.facts = replace(floor.market.facts, spread=True)
        floor.market.quote = self.quote  # type: ignore[method-assign]

    def quote(self, symbol: str) -> Quote:
        quote = self._quote(symbol)
        return replace(quote, bid=quote.last - self.spread / 2, ask=quote.last + self.spread / 2)


def test_a_spread_that_stays_too_wide_takes_the_entry_back(floor: Floor) -> None:
    market = WideMarket(floor)
    resting(floor, BTC)
    market.spread = D("0.5")
    floor.rounds()
    _pass_market_seconds(floor, 29)
    assert cancelled(floor) == {}
    _pass_market_seconds(floor, 1)
    assert cancelled(floor) == {BTC: CancelReason.SPREAD}


def test_a_spread_that_narrows_in_between_starts_anew(floor: Floor) -> None:
    market = WideMarket(floor)
    resting(floor, BTC)
    for spread, seconds in (("0.5", 20), ("0.02", 5), ("0.5", 29)):
        market.spread = D(spread)
        floor.rounds()
        _pass_market_seconds(floor, seconds)
    assert cancelled(floor) == {}


def _pass_market_seconds(floor: Floor, seconds: int) -> None:
    floor.market._now += timedelta(seconds=seconds)
    floor.rounds()


def test_a_market_without_spread_is_not_asked_for_one(floor: Floor) -> None:
    market = WideMarket(floor)
    floor.market.facts = MarketFacts(
        spread=False, turnover=False, funding=False, listing=False, mark=False, candles=False
    )
    resting(floor, BTC)
    market.spread = D(5)
    floor.rounds()
    _pass_market_seconds(floor, 60)
    assert cancelled(floor) == {}


def test_the_rest_of_a_partly_filled_entry_is_taken_back_too(floor: Floor) -> None:
    (order,) = resting(floor, BTC)
    floor.venue.fill(order.order_link_id, D(4), price=D(99))
    floor.rounds()
    new_limits(floor, max_slots=1)
    floor.leap(2)
    assert floor.venue.cancels == []
    new_limits(floor, max_open_risk=D("0.001"))
    floor.leap(2)
    floor.rounds()
    assert floor.venue.cancels == [order.order_link_id]
    assert Trade.objects.get().state == TradeState.OPEN


def test_a_replay_looks_by_market_time_however_fast_it_is(floor: Floor) -> None:
    resting(floor, BTC)
    now = floor.market.now()
    Blackout.objects.create(
        name="rates",
        kind=BlackoutKind.ONCE,
        action=BlackoutAction.NO_ENTRIES,
        starts_at=now,
        ends_at=now + 60 * MINUTE,
    )
    floor.rounds(3)
    assert Order.objects.get().cancel_reason == ""
    floor.play(100)
    floor.rounds(2)
    assert Order.objects.get().cancel_reason == CancelReason.BLACKOUT


def test_a_bot_whose_settings_cannot_be_read_keeps_no_other_one_from_being_judged(
    floor: Floor,
) -> None:
    resting(floor, BTC, ETH)
    broken = BotFactory.create(
        account=floor.account, name="broken", symbols=[BTC], tighter_limits={"max_slots": "many"}
    )
    Trade.objects.filter(symbol=BTC).update(bot=broken)
    Blackout.objects.create(
        name="rates",
        kind=BlackoutKind.ONCE,
        action=BlackoutAction.NO_ENTRIES,
        starts_at=floor.market.now() - MINUTE,
        ends_at=floor.market.now() + 60 * MINUTE,
    )
    assert cancelled(floor) == {ETH: CancelReason.BLACKOUT}
