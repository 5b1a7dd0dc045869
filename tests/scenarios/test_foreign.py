"""Somebody else trades in the account: what is theirs stays, what they took is noticed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from tests.scenarios.stand import QTY, SYMBOL, Stand, page
from trading.choices import CommandKind, ExitReason, SignalState, TradeState
from trading.models import Signal, Trade

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


def test_a_foreign_position_closes_its_symbol_only_and_is_never_touched(
    stand: Stand, console: Client
) -> None:
    stand.foreign.add("ETHUSDT")
    stand.venue.user_order("ETHUSDT", "Buy", D("0.5"))
    began = len(stand.venue.ledger.rows)
    sentence = "ETHUSDT: a position that is not ours. It is not touched."
    stand.until(lambda: stand.told("trade_external") == [sentence], leaping=True)
    assert sentence in page(console, "events")
    signal = stand.signal("ETHUSDT", qty=D("0.10"))
    stand.until(lambda: Signal.objects.get(pk=signal.pk).state == SignalState.DROPPED)
    trade = stand.opened()
    stand.command(CommandKind.FLATTEN)
    stand.until(lambda: Trade.objects.get(pk=trade.pk).state == TradeState.CLOSED)
    assert stand.orders_since(began, "ETHUSDT") == []
    assert (stand.position("ETHUSDT"), stand.position()) == (D("0.5"), D(0))
    told = stand.doctor()
    assert "Positions that are not ours: ETHUSDT long 0.5." in told
    assert "close them on Bybit to trade these symbols here." in told


def test_what_somebody_adds_to_our_position_stays_when_we_close(stand: Stand) -> None:
    stand.foreign.add(SYMBOL)
    trade = stand.opened()
    stand.venue.user_order(SYMBOL, "Buy", D("0.007"))
    stand.until(lambda: stand.told("order_foreign"))
    assert stand.told("order_foreign") == [f"{SYMBOL}: 0.007 were traded that are not ours."]
    stand.until(lambda: stand.told("trade_external"), leaping=True)
    stand.command(CommandKind.CLOSE, trade)
    stand.until(lambda: Trade.objects.get().state == TradeState.CLOSED, leaping=True)
    stand.leap(40)
    assert stand.position() == D("0.007")


def test_a_part_that_somebody_closes_is_taken_off_our_trade(stand: Stand) -> None:
    trade = stand.opened()
    began = len(stand.venue.ledger.rows)
    stand.venue.user_close(SYMBOL, D("0.004"))
    stand.until(lambda: Trade.objects.get().exit_qty == D("0.004"))
    stand.until(lambda: stand.desk.reconciled)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.OPEN, ExitReason.EXTERNAL)
    assert stand.stop_on_exchange() == trade.stop_loss
    assert stand.orders_since(began) == []
    stand.command(CommandKind.CLOSE, trade)
    stand.until(lambda: Trade.objects.get().state == TradeState.CLOSED)
    assert stand.position() == 0


def test_a_trade_that_somebody_closes_is_closed_as_external_and_not_opened_again(
    stand: Stand, console: Client
) -> None:
    trade = stand.opened()
    began = len(stand.venue.ledger.rows)
    stand.venue.user_close(SYMBOL)
    stand.until(lambda: Trade.objects.get().state == TradeState.CLOSED)
    stand.until(lambda: stand.desk.reconciled)
    trade.refresh_from_db()
    assert (trade.exit_qty, trade.exit_reason) == (QTY, ExitReason.EXTERNAL)
    (told,) = stand.told("trade_closed")
    assert told.startswith(f"{SYMBOL}: the trade is over (closed elsewhere), ")
    assert told in page(console, "events").replace("&#x2B;", "+")
    stand.leap(70)
    assert stand.orders_since(began) == []
    assert stand.position() == 0
