"""Do what an exit rule says: move the stop, take a part, or close."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User

from exchange.domain import Side
from trading.choices import ExitReason
from trading.domain.exits import CloseTrade, ExitAction, MoveStop, ReduceTrade, overtaken
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.executor import cancel_rest
from trading.execution.protection import move_stop, want_close, want_reduce
from trading.models import StopMove, Trade
from trading.selectors import quote_or_none


def carry_out(
    desk: Desk, trade: Trade, action: ExitAction, at: datetime, actor: User | None = None
) -> bool:
    """Carry out an action that the rules found at the close of a candle, ``at`` (market time);
    ``actor`` changed the rules, where somebody did. True when the trade has to shrink now."""
    if isinstance(action, MoveStop):
        return _move(desk, trade, action, at, actor)
    if isinstance(action, ReduceTrade):
        _reduce(desk, trade, action, at)
    else:
        _close(desk, trade, action, at)
    return True


def _move(desk: Desk, trade: Trade, action: MoveStop, at: datetime, actor: User | None) -> bool:
    move = StopMove(
        trade=trade,
        rule=action.rule,
        old_stop=trade.stop_loss,
        new_stop=action.stop_loss,
        old_target=trade.take_profit,
        new_target=trade.take_profit,
        numbers=action.numbers,
        actor=actor,
        market_time=at,
    )
    if move_stop(desk, trade, move):
        return False
    # Refused or unanswered: price may have passed the stop since the candle closed.
    quote = quote_or_none(desk.market, trade.symbol)
    late = overtaken(Side(trade.side), action, quote.last) if quote else None
    if late is None:
        return False
    _close(desk, trade, late, at)
    return True


def _reduce(desk: Desk, trade: Trade, action: ReduceTrade, at: datetime) -> None:
    cancel_rest(desk, trade)
    want_reduce(trade, action.reason, action.target_qty)
    reached = action.numbers.get("reached_r", "")
    _tell(
        desk,
        trade,
        f"{reached} R reached, profit is taken down to {_plain(action.target_qty)}.",
        action.reason,
        action.numbers,
        at,
    )


def _close(desk: Desk, trade: Trade, action: CloseTrade, at: datetime) -> None:
    if want_close(trade, action.reason):
        text = f"closed at market by a rule ({action.reason.label.lower()})."
        _tell(desk, trade, text, action.reason, action.numbers, at)


def _tell(
    desk: Desk,
    trade: Trade,
    text: str,
    reason: ExitReason,
    numbers: dict[str, str],
    at: datetime,
) -> None:
    record(
        "exit_rule",
        f"{trade.symbol}: {text}",
        account=desk.account,
        data={"trade": trade.pk, "reason": reason.value, "numbers": numbers},
        market_time=at,
    )


def _plain(qty: Decimal) -> str:
    return f"{qty.normalize():f}"
