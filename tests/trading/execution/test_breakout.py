"""A breakout from the approved signal to the protected trade, on the paper venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trading.execution.floor import Floor
from trading.choices import CancelReason, OrderState, SignalState, TradeState
from trading.domain.exits import ExitSettings
from trading.models import Order, Signal, Trade
from trading.payload import payload_hash
from trading.portfolio import portfolio_get
from trading.settings_of import bot_settings, limits_current

D = Decimal


@pytest.fixture
def floor(paper_floor: Floor) -> Floor:
    return paper_floor


def breakout(floor: Floor, **changes: Any) -> Signal:
    """A long that waits for 101, stop 95, while price is at 100."""
    fields: dict[str, Any] = {
        "entry_price": D(101),
        "trigger_price": D(101),
        "limit_price": D("101.5"),
        "worst_price": D("101.5"),
        "risk_amount": D(70),
    }
    return floor.signal(**(fields | changes))


def sent(floor: Floor, **changes: Any) -> Order:
    breakout(floor, **changes)
    floor.rounds(2)
    return floor.entry()


def test_it_waits_on_the_venue_and_counts_at_once(floor: Floor) -> None:
    order = sent(floor)
    assert (order.state, order.trigger_price) == (OrderState.ACKNOWLEDGED, D(101))
    assert order.expires_market is not None
    settings = bot_settings(floor.bot, limits_current(floor.account))
    held = portfolio_get(
        account=floor.account,
        market=floor.market,
        settings=settings,
        wall_now=floor.clock.now(),
    )
    (exposure,) = held.exposures
    assert (exposure.working, exposure.qty, exposure.price) == (True, D(10), D("101.5"))
    assert exposure.risk > 65
    assert held.free_margin < held.wallet - 500


def test_it_opens_a_protected_trade_at_the_trigger(floor: Floor) -> None:
    sent(floor)
    floor.play(101.2)
    floor.rounds(2)
    trade = Trade.objects.get()
    assert (trade.state, trade.entry_qty) == (TradeState.OPEN, D(10))
    (held,) = floor.client.positions()
    assert (held.stop_loss, held.take_profit) == (trade.stop_loss, trade.take_profit)
    assert floor.entry().state == OrderState.FILLED


def test_it_is_taken_back_after_two_bars(floor: Floor) -> None:
    order = sent(floor)
    floor.play(*[100] * 31)
    floor.rounds()
    order.refresh_from_db()
    assert (order.state, order.cancel_reason) == (OrderState.CANCELLED, CancelReason.EXPIRED)
    assert not floor.client.open_orders()


def test_a_gap_beyond_its_limit_fills_nothing(floor: Floor) -> None:
    sent(floor)
    floor.market.play_together({})
    floor.play(103)
    floor.rounds(2)
    trade = Trade.objects.get()
    assert floor.entry().state in (OrderState.CANCELLED, OrderState.FILLED)
    assert trade.entry_value <= trade.entry_qty * D("101.5")


def test_a_trigger_that_has_passed_is_a_refusal_and_no_doubt(floor: Floor) -> None:
    order = sent(floor, entry_price=D("99.9"), trigger_price=D("99.9"), limit_price=D("100.3"))
    trade = Trade.objects.get()
    assert order.state == OrderState.REJECTED
    assert "already passed" in order.reject_reason
    assert (trade.state, trade.cancel_reason) == (TradeState.CANCELLED, CancelReason.REJECTED)
    floor.rounds()
    assert floor.desk.doubts == []


def test_an_approval_is_bound_to_its_trigger(floor: Floor) -> None:
    signal = breakout(floor)
    before = signal.payload_hash
    Signal.objects.filter(pk=signal.pk).update(trigger_price=D("100.9"))
    signal.refresh_from_db()
    assert payload_hash(signal) != before
    floor.rounds()
    signal.refresh_from_db()
    assert (signal.state, signal.rule) == (SignalState.DROPPED, "payload")


def test_it_outlives_a_restart_of_the_trader(floor: Floor) -> None:
    sent(floor)
    floor.restart()
    floor.play(101.2)
    floor.rounds(2)
    assert Trade.objects.get().state == TradeState.OPEN
    assert ExitSettings.from_json(Trade.objects.get().exit_settings)
