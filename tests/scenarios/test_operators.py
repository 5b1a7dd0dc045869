"""What an operator changes while an entry waits on the exchange, or a person does in the app."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from tests.scenarios.stand import QTY, SYMBOL, Stand
from trading.choices import CancelReason, OrderState, TradeState
from trading.models import Bot, Order, Trade

pytestmark = pytest.mark.django_db(transaction=True)


def resting(stand: Stand) -> Order:
    """An entry that waits half a percent below the market."""
    signal = stand.signal(
        entry_price=stand.price(SYMBOL, "0.995"),
        limit_price=stand.price(SYMBOL, "0.995"),
        worst_price=stand.price(SYMBOL, "0.995"),
        stop_loss=stand.price(SYMBOL, "0.965"),
        time_in_force="gtc",
    )
    entries = Order.objects.filter(signal=signal)
    stand.until(entries.filter(state=OrderState.ACKNOWLEDGED).exists)
    return entries.get()


def test_pausing_a_bot_takes_its_entry_back_and_leaves_its_position(
    stand: Stand, console: Client
) -> None:
    open_trade = stand.opened("ETHUSDT", qty=Decimal("0.10"))
    entry = resting(stand)
    console.post(reverse("bot_state", args=[stand.bot.pk]), {"state": "paused"})
    stand.until(Order.objects.filter(pk=entry.pk, state=OrderState.CANCELLED).exists)
    cancelled = Trade.objects.get(symbol=SYMBOL)
    assert (cancelled.state, cancelled.cancel_reason) == (
        TradeState.CANCELLED,
        CancelReason.MANUAL,
    )
    stand.venue.user_stop("ETHUSDT", None)
    stand.until(lambda: stand.stop_on_exchange("ETHUSDT") == open_trade.stop_loss)
    assert stand.position("ETHUSDT") == Decimal("0.10")


def test_a_symbol_taken_off_a_bot_takes_its_entry_back(stand: Stand) -> None:
    entry = resting(stand)
    Bot.objects.filter(pk=stand.bot.pk).update(symbols=["ETHUSDT"])
    stand.until(Order.objects.filter(pk=entry.pk, state=OrderState.CANCELLED).exists)
    stand.venue.advance()
    assert stand.position(SYMBOL) == 0


def test_an_entry_that_somebody_cancels_in_the_app_is_over(stand: Stand) -> None:
    entry = resting(stand)
    began = len(stand.venue.ledger.rows)
    stand.venue.user_cancel(entry.venue_order_id)
    stand.until(Trade.objects.filter(state=TradeState.CANCELLED).exists)
    stand.leap(70)
    assert stand.orders_since(began) == []


def test_a_position_that_somebody_turns_round_is_left_to_them(stand: Stand) -> None:
    stand.foreign.add(SYMBOL)
    stand.opened()
    began = len(stand.venue.ledger.rows)
    stand.venue.user_order(SYMBOL, "Sell", 3 * QTY)
    stand.until(Trade.objects.filter(state=TradeState.CLOSED, exit_reason="external").exists)
    sentence = f"{SYMBOL}: a position that is not ours. It is not touched."
    stand.until(lambda: stand.told("trade_external") == [sentence], leaping=True)
    stand.leap(40)
    assert stand.position() == -2 * QTY
    assert stand.orders_since(began) == []
