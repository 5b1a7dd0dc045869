"""Slippage of a trade from its rows: what each fill was meant for, and what it got."""

from __future__ import annotations

from decimal import Decimal

from exchange.domain import ExecutionKind
from trading.domain.slippage import PricedFill, entry_slippage, exit_slippage
from trading.domain.trade import TradeBook
from trading.models import Execution, StopMove, Trade


def slippage_of(trade: Trade, book: TradeBook) -> tuple[Decimal | None, Decimal | None]:
    """Slippage of entry and exit in USDT, greater than 0 is worse; None where it can't be known.

    An entry is measured against the signal's entry price; an exit by the venue's stop or target
    against that level as it stood, an exit of ours against the last price when it was asked for.
    What somebody else closed was meant for no price of ours.
    """
    wanted = trade.signal.entry_price
    entry = None
    if wanted is not None and book.entry_qty:
        entry = entry_slippage(book.side, book.entry_value, book.entry_qty, wanted)
    moves = list(trade.stop_moves.filter(accepted=True).order_by("id"))
    exits = trade.executions.exclude(side=trade.side).select_related("order").order_by("id")
    fills = [
        PricedFill(
            qty=one.qty if one.trade_qty is None else one.trade_qty,
            price=one.price,
            reference=_reference(trade, one, moves),
        )
        for one in exits
    ]
    return entry, exit_slippage(book.side, fills)


def _reference(trade: Trade, execution: Execution, moves: list[StopMove]) -> Decimal | None:
    stop: Decimal | None = trade.initial_stop
    target: Decimal | None = trade.initial_target
    for move in moves:
        if move.market_time <= execution.time:
            stop, target = move.new_stop, move.new_target
    if execution.kind == ExecutionKind.STOP_LOSS:
        return stop
    if execution.kind == ExecutionKind.TAKE_PROFIT:
        return target
    return execution.order.reference_price if execution.order else None
