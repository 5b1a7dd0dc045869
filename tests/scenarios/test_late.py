"""An order that turns up after its absence was proved is ours all the same."""

from __future__ import annotations

import time

import pytest
from django.test import Client

from tests.scenarios.stand import QTY, SYMBOL, Stand, page
from trading.choices import ExitReason, OrderState, TradeState
from trading.models import Order, Trade

pytestmark = pytest.mark.django_db(transaction=True)
READS = ("realtime", "history", "executions", "positions", "transaction_log")
LONG_MS = 600_000
# The comparison that finds everything comes once a minute only.
SOON_S = 10.0


def test_a_late_arrival_is_adopted_told_and_closed(stand: Stand, console: Client) -> None:
    knobs, lags = stand.server.knobs, stand.venue.lag_ms
    knobs.add("/v5/order/create", "reset", applied=True)
    knobs.add("ws:private", "gap", times=-1)
    lags.update(dict.fromkeys(READS, LONG_MS))
    signal = stand.signal()
    orders = Order.objects.filter(signal=signal)
    stand.until(lambda: orders.filter(state=OrderState.NOT_PLACED).exists(), leaping=True)
    assert stand.position() == QTY
    # It carries its stop, so that it is protected while nobody knows of it.
    assert stand.stop_on_exchange() == signal.stop_loss
    assert stand.told("order_not_placed") == [f"{SYMBOL}: the entry never reached the exchange."]
    knobs.clear()
    lags.update(dict.fromkeys(READS, 0))
    stand.until(
        lambda: Trade.objects.filter(signal=signal, state=TradeState.CLOSED).exists(),
        leaping=True,
    )
    trade = Trade.objects.get(signal=signal)
    assert (trade.exit_reason, trade.entry_qty, trade.exit_qty) == (ExitReason.LATE_FILL, QTY, QTY)
    assert stand.position() == 0
    late = f"{SYMBOL}: the entry filled after the trade was over; it is closed at market."
    assert stand.told("trade_late_fill") == [late]
    assert late in page(console, "events")
    stand.until(lambda: stand.desk.reconciled)
    assert orders.count() == 1


def test_an_execution_that_the_stream_lost_is_asked_for_at_once(stand: Stand) -> None:
    stand.server.knobs.add("ws:private", "gap", match={"execType": "Trade"})
    signal = stand.signal()
    began = time.monotonic()
    stand.until(lambda: Order.objects.filter(signal=signal, state=OrderState.FILLED).exists())
    assert not Trade.objects.filter(signal=signal, state=TradeState.OPEN).exists()
    stand.until(lambda: Trade.objects.filter(signal=signal, state=TradeState.OPEN).exists())
    assert time.monotonic() - began < SOON_S
    assert Trade.objects.get(signal=signal).entry_qty == QTY
