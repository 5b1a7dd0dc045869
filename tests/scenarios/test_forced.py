"""What the exchange does by force: liquidation, auto-deleveraging, delisting."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from tests.scenarios.stand import QTY, SYMBOL, Stand, examined, page
from trading.choices import ExitReason, SignalState, TradeState
from trading.models import Event, Signal, Trade

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal
DAY_MS = 86_400_000


def test_a_liquidation_closes_the_trade_and_is_told(stand: Stand, console: Client) -> None:
    trade = stand.opened()
    began = len(stand.venue.ledger.rows)
    stand.venue.liquidate(SYMBOL)
    stand.until(lambda: Trade.objects.get().state == TradeState.CLOSED)
    stand.until(lambda: stand.desk.reconciled)
    trade.refresh_from_db()
    assert (trade.exit_reason, trade.exit_qty) == (ExitReason.LIQUIDATION, QTY)
    event = Event.objects.get(kind="trade_liquidation")
    assert (event.level, event.text) == (
        "critical",
        f"{SYMBOL}: the exchange liquidated the position.",
    )
    assert event.text in page(console, "overview")
    stand.leap(40)
    assert stand.orders_since(began) == []


def test_a_deleveraging_shrinks_the_trade_and_the_rest_stays_protected(
    stand: Stand, console: Client
) -> None:
    trade = stand.opened()
    began = len(stand.venue.ledger.rows)
    stand.venue.adl(SYMBOL, D("0.004"))
    stand.until(lambda: Trade.objects.get().exit_qty == D("0.004"))
    stand.until(lambda: stand.desk.reconciled)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.OPEN, ExitReason.ADL)
    assert (stand.position(), stand.stop_on_exchange()) == (D("0.006"), trade.stop_loss)
    (told,) = stand.told("trade_adl")
    assert told == f"{SYMBOL}: the exchange reduced the position by auto-deleveraging."
    assert told in page(console, "overview")
    assert stand.orders_since(began) == []


def test_an_announced_delisting_closes_the_symbol_for_entries(
    stand: Stand, console: Client
) -> None:
    stand.venue.delist("ETHUSDT", stand.server.clock.now_ms() + 3 * DAY_MS)
    began = len(stand.venue.ledger.rows)
    signal = stand.signal("ETHUSDT", qty=D("0.10"))
    stand.until(lambda: Signal.objects.get(pk=signal.pk).state == SignalState.DROPPED)
    signal.refresh_from_db()
    assert signal.state_reason.startswith("ETHUSDT is ")
    assert stand.orders_since(began, "ETHUSDT") == []
    told = stand.doctor()
    assert "It is to be delisted on " in told
    assert "Take it off the list of symbols; close what is open there in time." in told
    assert "It is to be delisted on " in examined(console, symbols="ETHUSDT")
    # The other symbols go on.
    assert stand.opened().symbol == SYMBOL


def test_a_delisting_settles_an_open_trade(stand: Stand, console: Client) -> None:
    trade = stand.opened()
    stand.venue.delist(SYMBOL)
    began = len(stand.venue.ledger.rows)
    stand.until(lambda: Trade.objects.get().state == TradeState.CLOSED)
    trade.refresh_from_db()
    assert (trade.exit_reason, trade.exit_qty) == (ExitReason.DELISTING, QTY)
    (told,) = stand.told("trade_settlement")
    assert told == f"{SYMBOL}: the contract was delisted and the position settled."
    assert told in page(console, "overview")
    stand.until(lambda: stand.desk.reconciled)
    assert stand.orders_since(began) == []
    assert "delisted" in stand.doctor() or "does not trade on Bybit" in stand.doctor()
