"""Move trades to the state that their sums and their entry order give them.

Everything here runs inside the transaction of what changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from exchange.domain import ZERO, quantise
from trading import models
from trading.choices import (
    CancelReason,
    CashflowKind,
    EventLevel,
    ExitReason,
    OrderRole,
    OrderState,
    TradeState,
)
from trading.domain.order import FINAL
from trading.domain.trade import TradeBook
from trading.events import record
from trading.execution.slippage import slippage_of
from trading.selectors import LIVE_TRADES, trade_book

OVER_TRADES = (TradeState.CANCELLED, TradeState.CLOSED)
_CANCEL_REASONS = {
    OrderState.REJECTED: CancelReason.REJECTED,
    OrderState.NOT_PLACED: CancelReason.NOT_PLACED,
    OrderState.CANCELLED: CancelReason.NOT_FILLED,
}


def settle(trade: models.Trade) -> None:
    """Move the trade to the state its sums and its entry order give it.

    Runs inside the transaction of the booking.
    """
    _adopt_funding(trade)
    entry = trade.orders.filter(role=OrderRole.ENTRY).first()
    book = trade_book(trade)
    entry_final = entry is None or entry_is_over(entry, book)
    if trade.state in OVER_TRADES:
        _settle_over(trade, book)
    elif trade.state == TradeState.PENDING and book.entry_qty > 0:
        _open(trade, book)
    if trade.state == TradeState.OPEN and book.open_qty == 0 and entry_final:
        _close(trade, book)
    elif trade.state == TradeState.PENDING and entry is not None and entry_final:
        _cancel(trade, entry)


def _settle_over(trade: models.Trade, book: TradeBook) -> None:
    """A trade that was over and is told of more: late fills, late results."""
    if book.open_qty > 0:
        _reopen(trade)
    elif trade.close_wanted and book.entry_qty > 0:
        trade.cancel_reason = ""
        _close(trade, book)
    elif trade.state == TradeState.CLOSED:
        _store_result(trade, book)


def entry_is_over(entry: models.Order, book: TradeBook) -> bool:
    """Whether the entry can change the trade no more: it is final, and every fill that its report
    counts has been booked. Reports and executions come in any order."""
    return OrderState(entry.state) in FINAL and entry.filled_qty <= book.entry_qty


def _open(trade: models.Trade, book: TradeBook) -> None:
    trade.state = TradeState.OPEN
    trade.managed_until = book.opened_at
    trade.save(update_fields=["state", "managed_until"])
    word = "long" if trade.side == "buy" else "short"
    record(
        "trade_opened",
        f"{trade.symbol}: {word} {book.entry_qty.normalize():f} at {book.avg_entry.normalize():f}.",
        account=trade.account,
        level=EventLevel.NOTICE,
        data={"trade": trade.pk},
        market_time=book.opened_at,
    )


def _reopen(trade: models.Trade) -> None:
    """An entry filled after the trade was over: it is ours, and it is closed at market. While
    another trade holds the symbol it stays what it is, and only its own quantity is closed."""
    alone = not rivals(trade).exists()
    told = bool(trade.close_wanted)
    trade.close_wanted, trade.target_qty = ExitReason.LATE_FILL, ZERO
    if alone:
        trade.state = TradeState.OPEN
        trade.cancel_reason, trade.net_pnl, trade.r_multiple = "", None, None
        trade.managed_until = trade.managed_until or trade.opened_market
    trade.save()
    if told:
        return
    record(
        "trade_late_fill",
        f"{trade.symbol}: the entry filled after the trade was over; "
        + ("it is" if alone else "another trade holds the symbol, so only this quantity is")
        + " closed at market.",
        account=trade.account,
        level=EventLevel.WARNING,
        data={"trade": trade.pk},
        market_time=trade.opened_market,
    )


def rivals(trade: models.Trade) -> QuerySet[models.Trade]:
    """Live trades of the same account and symbol."""
    rows = models.Trade.objects.filter(
        account=trade.account, symbol=trade.symbol, state__in=LIVE_TRADES
    )
    return rows.exclude(pk=trade.pk)


def hand_over(trade: models.Trade, qty: Decimal, now: datetime) -> None:
    """``qty`` of the position is not ours any more, without an execution that says so. A trade
    that holds nothing else closes as external. ``now`` is market time."""
    trade.released_qty += qty
    trade.version += 1
    if trade_book(trade).open_qty == 0:
        trade.exit_reason, trade.closed_market = ExitReason.EXTERNAL, now
    trade.save()
    settle(trade)


def _close(trade: models.Trade, book: TradeBook) -> None:
    trade.state = TradeState.CLOSED
    if trade.naked_since is not None:
        naked_ms = int((timezone.now() - trade.naked_since).total_seconds() * 1000)
        trade.longest_naked_ms = max(trade.longest_naked_ms, naked_ms)
    trade.close_wanted, trade.target_qty, trade.naked_since = "", None, None
    _store_result(trade, book)
    reason = ExitReason(trade.exit_reason).label.lower() if trade.exit_reason else "unknown"
    r_text = f", {trade.r_multiple:+.2f} R" if trade.r_multiple is not None else ""
    record(
        "trade_closed",
        f"{trade.symbol}: the trade is over ({reason}), {trade.net_pnl:+.2f} USDT{r_text}.",
        account=trade.account,
        level=EventLevel.NOTICE,
        data={"trade": trade.pk},
        market_time=trade.closed_market,
    )


def _store_result(trade: models.Trade, book: TradeBook) -> None:
    trade.net_pnl = quantise(book.net_pnl)
    trade.r_multiple = book.r_multiple
    trade.entry_slippage, trade.exit_slippage = slippage_of(trade, book)
    trade.save()


def _cancel(trade: models.Trade, entry: models.Order) -> None:
    trade.state = TradeState.CANCELLED
    reason = entry.cancel_reason or _CANCEL_REASONS[OrderState(entry.state)]
    trade.cancel_reason = reason
    trade.close_wanted, trade.target_qty = "", None
    trade.save(update_fields=["state", "cancel_reason", "close_wanted", "target_qty"])
    record(
        "trade_cancelled",
        f"{trade.symbol}: never opened, {CancelReason(reason).label.lower()}.",
        account=trade.account,
        data={"trade": trade.pk},
        market_time=trade.created_market,
    )


def settle_trades(trade_ids: Iterable[int]) -> None:
    """Settle trades whose order changed without a report of the venue."""
    with transaction.atomic():
        rows = models.Trade.objects.filter(pk__in=list(trade_ids)).select_related("account")
        for trade in rows:
            settle(trade)


def _adopt_funding(trade: models.Trade) -> None:
    """Funding may be told before the fill that it was settled on."""
    orphans = models.Cashflow.objects.filter(
        account=trade.account, symbol=trade.symbol, kind=CashflowKind.FUNDING, trade=None
    )
    for cashflow in orphans:
        if held_at(trade, cashflow.time):
            models.Cashflow.objects.filter(pk=cashflow.pk).update(trade=trade)
            trade.funding -= cashflow.amount
            trade.save(update_fields=["funding"])


def held_at(trade: models.Trade, moment: datetime) -> bool:
    """Whether the trade held a position at that market time."""
    if trade.opened_market is None or trade.opened_market > moment:
        return False
    ended = trade.closed_market
    return trade_book(trade).open_qty != 0 or ended is None or ended >= moment
