"""Exits whose answers get lost sell what was asked for, not more."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.scenarios.stand import SYMBOL, Stand
from trading.choices import CommandKind, OrderRole, TradeState
from trading.models import Trade

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "never arrived"])
def test_two_closes_of_a_quarter_with_a_lost_answer_sell_a_half(
    stand: Stand, arrived: bool
) -> None:
    trade = stand.opened(qty=D("0.040"))
    stand.server.knobs.add("/v5/order/create", "reset", applied=arrived)
    for keep in ("0.030", "0.020"):
        stand.command(CommandKind.REDUCE, trade, qty=keep)
        stand.until(Trade.objects.filter(exit_qty=D("0.040") - D(keep)).exists, leaping=True)
    assert stand.position() == D("0.020")
    stand.leap(40)
    assert stand.position() == D("0.020")
    trade.refresh_from_db()
    assert (trade.state, trade.entry_qty - trade.exit_qty) == (TradeState.OPEN, D("0.020"))
    assert stand.stop_on_exchange() == trade.stop_loss
    exits = trade.orders.filter(role=OrderRole.EXIT)
    assert exits.count() == len(set(exits.values_list("order_link_id", flat=True)))
    assert stand.told("order_unknown") == [
        f"{SYMBOL}: no certain answer to the exit; it is looked up."
    ]
    lost = stand.told("order_not_placed")
    assert lost == ([] if arrived else [f"{SYMBOL}: the exit never reached the exchange."])
