"""An opposite signal closes a trade at market; one that turns it enters when nothing is left."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tests.trading.execution.floor import Floor
from trading.choices import CommandKind, CommandState, ExitReason, SignalState, TradeState
from trading.execution.entries import enter_approved
from trading.models import Command, Signal, Trade

D = Decimal


def ask_to_close(floor: Floor, trade: Trade, *, late: bool = False) -> Command:
    until = floor.market.now() + timedelta(minutes=-1 if late else 15)
    command: Command = Command.objects.create(
        account=floor.account,
        kind=CommandKind.CLOSE,
        target=trade.pk,
        payload={"reason": "opposite_signal", "until": until.isoformat()},
        idempotency_key=f"opposite-1-{trade.pk}",
    )
    return command


def short(floor: Floor) -> Signal:
    return floor.signal(
        direction="short",
        stop_loss=D(105),
        take_profit=D(90),
        worst_price=D("99.9"),
        limit_price=D("99.9"),
    )


def test_an_opposite_signal_closes_at_market(floor: Floor) -> None:
    trade = floor.opened()
    ask_to_close(floor, trade)
    floor.rounds(3)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.OPPOSITE_SIGNAL)
    assert floor.venue.posts[-1].price is None


def test_an_old_opposite_signal_closes_nothing(floor: Floor) -> None:
    trade = floor.opened()
    command = ask_to_close(floor, trade, late=True)
    floor.rounds(3)
    command.refresh_from_db()
    trade.refresh_from_db()
    assert (command.state, trade.state) == ("refused", TradeState.OPEN)


def test_a_signal_that_turns_a_trade_waits_until_nothing_is_left(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.fills = False
    ask_to_close(floor, trade)
    signal = short(floor)
    floor.rounds(4)
    signal.refresh_from_db()
    assert signal.state == SignalState.APPROVED
    assert len(floor.venue.posts) == 2
    floor.venue.fill(floor.venue.posts[-1].order_link_id)
    floor.venue.fills = True
    floor.rounds(3)
    trade.refresh_from_db()
    signal.refresh_from_db()
    assert trade.state == TradeState.CLOSED
    assert signal.state == SignalState.EXECUTING
    assert Trade.objects.get(signal=signal).side == "sell"


def test_a_signal_whose_close_is_only_asked_for_waits_too(floor: Floor) -> None:
    """The cycle may write both between two looks of the trader."""
    trade = floor.opened()
    signal = short(floor)
    command = ask_to_close(floor, trade)
    assert command.state == CommandState.REQUESTED
    assert not enter_approved(floor.desk)
    signal.refresh_from_db()
    assert signal.state == SignalState.APPROVED
