"""Book what the venue reports: executions, order states, funding. Once each, in any order.

Everything of one update is one transaction. Booking the same report again changes nothing, so
the stream, a look-up and a reconciliation may all bring it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from exchange.domain import (
    ZERO,
    AccountUpdate,
    Execution,
    ExecutionKind,
    LedgerEntry,
    LedgerKind,
    OrderReport,
    quantise,
)
from exchange.models import ExchangeAccount
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
from trading.domain.order import FINAL, LATE, state_after_report
from trading.domain.pipeline import fold
from trading.domain.trade import TradeBook, exit_reason
from trading.events import record
from trading.selectors import trade_book

logger = structlog.get_logger(__name__)

_CANCEL_REASONS = {
    OrderState.REJECTED: CancelReason.REJECTED,
    OrderState.NOT_PLACED: CancelReason.NOT_PLACED,
    OrderState.CANCELLED: CancelReason.NOT_FILLED,
}


@dataclass(slots=True)
class Booked:
    """What one update changed."""

    executions: int = 0
    wallet_changed: bool = False
    trades: set[int] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.executions or self.wallet_changed or self.trades)


def book(account: ExchangeAccount, update: AccountUpdate) -> Booked:
    """Book ``update`` and settle every trade it touched."""
    booked = Booked()
    if not update:
        return booked
    with transaction.atomic():
        for execution in update.executions:
            _book_execution(account, execution, booked)
        for report in update.orders:
            _book_report(account, report, booked)
        for entry in update.ledger:
            _book_ledger(account, entry, booked)
        for trade in models.Trade.objects.filter(pk__in=booked.trades).select_related("account"):
            settle(trade)
    return booked


def _book_execution(account: ExchangeAccount, execution: Execution, booked: Booked) -> None:
    if models.Execution.objects.filter(account=account, exec_id=execution.exec_id).exists():
        return
    order = _order_of(account, execution.order_link_id)
    trade = order.trade if order else _live_trade(account, execution)
    models.Execution.objects.create(
        account=account,
        order=order,
        trade=trade,
        exec_id=execution.exec_id,
        venue_order_id=execution.order_id,
        order_link_id=execution.order_link_id,
        symbol=execution.symbol,
        side=execution.side,
        qty=execution.qty,
        price=execution.price,
        fee=execution.fee,
        is_maker=execution.is_maker,
        kind=execution.kind,
        time=execution.time,
    )
    booked.executions += 1
    booked.wallet_changed = True
    if trade is None:
        record(
            "order_foreign",
            f"{execution.symbol}: {execution.qty} were traded that are not ours.",
            account=account,
            level=EventLevel.WARNING,
            data={"exec_id": execution.exec_id},
            market_time=execution.time,
        )
        return
    _store_book(trade, fold(trade_book(trade), execution), execution, order)
    booked.trades.add(trade.pk)


def _order_of(account: ExchangeAccount, order_link_id: str) -> models.Order | None:
    if not order_link_id:
        return None
    orders = models.Order.objects.select_related("trade")
    return orders.filter(account=account, order_link_id=order_link_id).first()


def _live_trade(account: ExchangeAccount, execution: Execution) -> models.Trade | None:
    """The trade a venue-made order (stop, target) closes: it has no id of ours.

    Only a closing side can be such an order; the other side is somebody else's. A pending trade
    may have filled within the same update, but only the venue's own orders can close it yet.
    """
    trade = models.Trade.objects.filter(
        account=account,
        symbol=execution.symbol,
        state__in=(TradeState.PENDING, TradeState.OPEN),
    ).first()
    if trade is None or trade.side == execution.side:
        return None
    made_by_venue = execution.kind is not ExecutionKind.TRADE
    return trade if trade.state == TradeState.OPEN or made_by_venue else None


def _store_book(
    trade: models.Trade, book: TradeBook, execution: Execution, order: models.Order | None
) -> None:
    trade.entry_qty, trade.entry_value = book.entry_qty, quantise(book.entry_value)
    trade.exit_qty, trade.exit_value = book.exit_qty, quantise(book.exit_value)
    trade.fees = quantise(book.fees)
    trade.opened_market = book.opened_at
    trade.version += 1
    if execution.side != trade.side:
        # The newest exit names the reason, whichever of them was heard of last.
        if trade.closed_market is None or execution.time >= trade.closed_market:
            ordered = ExitReason(order.exit_reason) if order and order.exit_reason else None
            trade.exit_reason = exit_reason(execution.kind, trade.stop_rule, ordered)
        trade.closed_market = book.last_at
    trade.save()


def _book_report(account: ExchangeAccount, report: OrderReport, booked: Booked) -> None:
    order = _order_of(account, report.order_link_id)
    if order is None:
        return
    old = OrderState(order.state)
    new = state_after_report(old, report.status)
    filled = max(order.filled_qty, report.filled_qty)
    if (new, filled, report.order_id) == (old, order.filled_qty, order.venue_order_id):
        return
    if (old, new) in LATE:
        record(
            "order_late",
            f"{order.symbol}: order {order.order_link_id} was {old} and is {new} after all.",
            account=account,
            level=EventLevel.WARNING,
            data={"order": order.pk, "trade": order.trade_id},
            market_time=report.updated_at,
        )
    now = timezone.now()
    order.state, order.filled_qty = new, filled
    order.venue_order_id = report.order_id or order.venue_order_id
    if report.avg_price is not None:
        order.avg_price = quantise(report.avg_price)
    order.reject_reason = report.reject_reason or order.reject_reason
    order.acknowledged_at = order.acknowledged_at or now
    order.final_at = now if new in FINAL else None
    order.save()
    booked.trades.add(order.trade_id)


def _book_ledger(account: ExchangeAccount, entry: LedgerEntry, booked: Booked) -> None:
    if entry.kind is LedgerKind.EXECUTION:
        return
    if models.Cashflow.objects.filter(account=account, entry_id=entry.entry_id).exists():
        return
    funding = entry.kind is LedgerKind.FUNDING
    trade = _trade_at(account, entry) if funding else None
    models.Cashflow.objects.create(
        account=account,
        entry_id=entry.entry_id,
        kind=CashflowKind.FUNDING if funding else CashflowKind.TRANSFER,
        symbol=entry.symbol,
        trade=trade,
        amount=entry.amount,
        time=entry.time,
    )
    booked.wallet_changed = True
    if trade is not None:
        trade.funding -= entry.amount
        trade.version += 1
        trade.save(update_fields=["funding", "version"])
        booked.trades.add(trade.pk)


def _trade_at(account: ExchangeAccount, entry: LedgerEntry) -> models.Trade | None:
    """The trade that held the position when funding was settled."""
    held = models.Trade.objects.filter(
        account=account, symbol=entry.symbol, opened_market__lte=entry.time
    )
    newest = held.order_by("-opened_market")[:2]
    return next((trade for trade in newest if _held_at(trade, entry.time)), None)


def _held_at(trade: models.Trade, moment: datetime) -> bool:
    if trade.opened_market is None or trade.opened_market > moment:
        return False
    flat = trade.entry_qty == trade.exit_qty
    return not flat or trade.closed_market is None or trade.closed_market >= moment


def _adopt_funding(trade: models.Trade) -> None:
    """Funding may be told before the fill that it was settled on."""
    orphans = models.Cashflow.objects.filter(
        account=trade.account, symbol=trade.symbol, kind=CashflowKind.FUNDING, trade=None
    )
    for cashflow in orphans:
        if _held_at(trade, cashflow.time):
            models.Cashflow.objects.filter(pk=cashflow.pk).update(trade=trade)
            trade.funding -= cashflow.amount
            trade.save(update_fields=["funding"])


def settle(trade: models.Trade) -> None:
    """Move the trade to the state its sums and its entry order give it.

    Runs inside the transaction of the booking.
    """
    _adopt_funding(trade)
    entry = trade.orders.filter(role=OrderRole.ENTRY).first()
    book = trade_book(trade)
    entry_final = entry is None or entry_is_over(entry, book)
    if trade.state in (TradeState.CANCELLED, TradeState.CLOSED):
        if book.open_qty > 0:
            _reopen(trade)
        elif trade.state == TradeState.CLOSED:
            _store_result(trade, book)
    elif trade.state == TradeState.PENDING and book.entry_qty > 0:
        _open(trade, book)
    if trade.state == TradeState.OPEN and book.open_qty == 0 and entry_final:
        _close(trade, book)
    elif trade.state == TradeState.PENDING and entry is not None and entry_final:
        _cancel(trade, entry)


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
    """An entry filled after the trade was over: it is ours, and it is closed at market."""
    others = models.Trade.objects.filter(
        account=trade.account, symbol=trade.symbol, state__in=(TradeState.PENDING, TradeState.OPEN)
    )
    alone = not others.exclude(pk=trade.pk).exists()
    if alone:
        trade.state = TradeState.OPEN
        trade.close_wanted, trade.target_qty = ExitReason.LATE_FILL, ZERO
        trade.cancel_reason, trade.net_pnl, trade.r_multiple = "", None, None
        trade.managed_until = trade.managed_until or trade.opened_market
        trade.save()
    record(
        "trade_late_fill",
        f"{trade.symbol}: the entry filled after the trade was over; "
        + ("it is closed at market." if alone else "another trade holds the symbol. Look at it."),
        account=trade.account,
        level=EventLevel.WARNING if alone else EventLevel.CRITICAL,
        data={"trade": trade.pk},
        market_time=trade.opened_market,
    )


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
        f"{trade.symbol}: closed by {reason}, {trade.net_pnl:+.2f} USDT{r_text}.",
        account=trade.account,
        level=EventLevel.NOTICE,
        data={"trade": trade.pk},
        market_time=trade.closed_market,
    )


def _store_result(trade: models.Trade, book: TradeBook) -> None:
    trade.net_pnl = quantise(book.net_pnl)
    trade.r_multiple = book.r_multiple
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
