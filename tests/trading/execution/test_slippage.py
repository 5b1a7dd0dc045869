"""What a closed trade says of its slippage, on the real paper venue and on a scripted one."""

from __future__ import annotations

from decimal import Decimal

from exchange.domain import ExecutionKind, Side
from tests.trading.execution.floor import Floor
from trading.choices import CommandKind
from trading.models import Order, Trade
from trading.services import command_request

D = Decimal


def closed(floor: Floor) -> Trade:
    trade = Trade.objects.get()
    assert trade.state == "closed"
    return trade


def test_paper_stop_costs_more_than_its_level(paper_floor: Floor) -> None:
    paper_floor.signal()
    paper_floor.rounds(2)
    paper_floor.play(100, 94, 94)
    trade = closed(paper_floor)
    entry, leave = trade.executions.order_by("id")
    assert trade.entry_slippage == (entry.price - 100) * 10
    assert trade.exit_slippage == (D(95) - leave.price) * 10 > 0


def test_a_target_gives_its_own_price(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.trigger(trade.symbol, ExecutionKind.TAKE_PROFIT, D("110"))
    floor.rounds(2)
    assert closed(floor).exit_slippage == 0


def test_a_moved_stop_is_the_reference_from_then_on(floor: Floor) -> None:
    trade = floor.opened()
    command_request(
        account=floor.account,
        kind=CommandKind.MOVE_STOP,
        target=trade.pk,
        payload={"stop_loss": "97", "take_profit": "110"},
        idempotency_key="nearer",
        actor=None,
    )
    floor.rounds(2)
    floor.venue.trigger(trade.symbol, ExecutionKind.STOP_LOSS, D("96.5"))
    floor.rounds(2)
    assert closed(floor).exit_slippage == D("0.5") * 10


def test_an_exit_of_ours_is_measured_against_the_last_price(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.fills = False
    command_request(
        account=floor.account,
        kind=CommandKind.CLOSE,
        target=trade.pk,
        idempotency_key="enough",
        actor=None,
    )
    floor.rounds(2)
    order = Order.objects.get(role="x")
    assert order.reference_price == 100
    floor.venue.fill(order.order_link_id, price=D("99.8"))
    floor.rounds(2)
    assert closed(floor).exit_slippage == D("0.2") * 10


def test_what_somebody_else_closed_was_meant_for_no_price(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stranger(trade.symbol, Side.SELL, D(10), price=D(99))
    floor.rounds(3)
    found = closed(floor)
    assert (found.entry_slippage, found.exit_slippage) == (0, None)
