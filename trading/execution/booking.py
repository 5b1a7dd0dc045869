"""Book what the venue reports: executions, order states, funding. Once each, in any order.

Everything of one update is one transaction. Booking the same report again changes nothing, so
the stream, a look-up and a reconciliation may all bring it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

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
    CashflowKind,
    EventLevel,
    ExitReason,
    OrderRole,
    OrderState,
)
from trading.domain.order import FINAL, LATE, WORKING, state_after_report
from trading.domain.ownership import Holding, is_ours, share_of
from trading.domain.pipeline import fold
from trading.domain.trade import TradeBook, exit_reason
from trading.equity import units_restate
from trading.events import record
from trading.execution.extremes import widen
from trading.execution.settling import OVER_TRADES, held_at, rivals, settle
from trading.selectors import LIVE_TRADES, trade_book

SEIZED = {
    ExecutionKind.LIQUIDATION: "the exchange liquidated the position.",
    ExecutionKind.ADL: "the exchange reduced the position by auto-deleveraging.",
    ExecutionKind.SETTLEMENT: "the contract was delisted and the position settled.",
}


@dataclass(slots=True)
class Booked:
    """What one update changed. ``foreign``: something was traded that is not ours."""

    executions: int = 0
    wallet_changed: bool = False
    foreign: bool = False
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
    trade, share = _owner(account, execution, order)
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
        trade_qty=share if trade and share != execution.qty else None,
        price=execution.price,
        fee=execution.fee,
        is_maker=execution.is_maker,
        kind=execution.kind,
        time=execution.time,
    )
    booked.executions += 1
    booked.wallet_changed = True
    if share < execution.qty:
        booked.foreign = True
        _tell_foreign(account, execution, execution.qty - share)
    if trade is None:
        return
    _store_book(trade, _part_of(execution, share), order)
    _tell_seized(trade, execution)
    booked.trades.add(trade.pk)


def _order_of(account: ExchangeAccount, order_link_id: str) -> models.Order | None:
    if not order_link_id:
        return None
    orders = models.Order.objects.select_related("trade")
    return orders.filter(account=account, order_link_id=order_link_id).first()


def _owner(
    account: ExchangeAccount, execution: Execution, order: models.Order | None
) -> tuple[models.Trade | None, Decimal]:
    """The trade an execution belongs to, and how much of it."""
    if order is not None:
        # An entry that fills after its trade is over, against the trade that holds the symbol now,
        # closes that one: the venue has one position.
        against = _netted(order) if order.role == OrderRole.ENTRY else None
        share = share_of(execution, holding_of(against)) if against else ZERO
        return (against, share) if share > 0 else (order.trade, execution.qty)
    trade = models.Trade.objects.filter(
        account=account, symbol=execution.symbol, state__in=LIVE_TRADES
    ).first()
    if trade is None:
        return None, ZERO
    share = share_of(execution, holding_of(trade))
    return (trade, share) if share > 0 else (None, ZERO)


def _netted(order: models.Order) -> models.Trade | None:
    if order.trade.state not in OVER_TRADES:
        return None
    opposite = rivals(order.trade).exclude(side=order.side).exclude(entry_qty=ZERO)
    return opposite.first()


def holding_of(trade: models.Trade) -> Holding:
    """What the trade holds, and what its entry has added unseen or may still add."""
    book = trade_book(trade)
    entry = trade.orders.filter(role=OrderRole.ENTRY).first()
    if entry is None:
        return Holding(book.side, book.open_qty)
    known = max(entry.filled_qty, book.entry_qty)
    working = OrderState(entry.state) in WORKING
    return Holding(
        side=book.side,
        open_qty=book.open_qty,
        reported=known - book.entry_qty,
        working=max(ZERO, entry.qty - known) if working else ZERO,
    )


def _part_of(execution: Execution, share: Decimal) -> Execution:
    """The execution as the trade counts it: with its part of quantity and fee."""
    if share == execution.qty:
        return execution
    return replace(execution, qty=share, fee=quantise(execution.fee * share / execution.qty))


def _tell_foreign(account: ExchangeAccount, execution: Execution, qty: Decimal) -> None:
    lost = is_ours(execution.order_link_id)
    record(
        "order_foreign",
        f"{execution.symbol}: {qty.normalize():f} were traded that are not ours."
        + (" The order has an id of ours and is in no table." if lost else ""),
        account=account,
        level=EventLevel.CRITICAL if lost else EventLevel.WARNING,
        data={"exec_id": execution.exec_id},
        market_time=execution.time,
    )


def _tell_seized(trade: models.Trade, execution: Execution) -> None:
    """The exchange closed it by force; told once per order of the exchange's."""
    if execution.kind not in SEIZED:
        return
    same = models.Execution.objects.filter(
        account=trade.account, kind=execution.kind, venue_order_id=execution.order_id
    )
    if execution.order_id and same.count() > 1:
        return
    record(
        f"trade_{execution.kind}",
        f"{trade.symbol}: {SEIZED[execution.kind]}",
        account=trade.account,
        level=EventLevel.CRITICAL,
        data={"trade": trade.pk, "exec_id": execution.exec_id},
        market_time=execution.time,
    )


def _store_book(trade: models.Trade, execution: Execution, order: models.Order | None) -> None:
    before = trade_book(trade)
    book = fold(before, execution)
    if _fills_too_late(trade, before, execution):
        _close_late_fill(trade, before, execution)
    trade.entry_qty, trade.entry_value = book.entry_qty, quantise(book.entry_value)
    trade.exit_qty, trade.exit_value = book.exit_qty, quantise(book.exit_value)
    trade.fees = quantise(book.fees)
    trade.opened_market = book.opened_at
    trade.version += 1
    widen(trade, execution.price)
    if execution.side != trade.side:
        # The newest exit names the reason, whichever of them was heard of last.
        if trade.closed_market is None or execution.time >= trade.closed_market:
            ordered = _ordered_reason(execution, order)
            trade.exit_reason = exit_reason(execution.kind, trade.stop_rule, ordered)
        trade.closed_market = book.last_at
    trade.save()


def _ordered_reason(execution: Execution, order: models.Order | None) -> ExitReason | None:
    """Why we asked for an exit. One with an id of ours and no row is the watchdog's."""
    if order is None:
        return ExitReason.UNPROTECTED if is_ours(execution.order_link_id) else None
    if order.role == OrderRole.ENTRY:
        return ExitReason.LATE_FILL
    return ExitReason(order.exit_reason) if order.exit_reason else None


def _fills_too_late(trade: models.Trade, before: TradeBook, execution: Execution) -> bool:
    """Whether an entry fills after exits have begun."""
    if execution.side != trade.side or trade.close_wanted or trade.closed_market is None:
        return False
    live = trade.state in LIVE_TRADES and before.open_qty >= 0
    return live and execution.time > trade.closed_market


def _close_late_fill(trade: models.Trade, before: TradeBook, execution: Execution) -> None:
    """What the entry adds now is closed again; what was kept on purpose is kept."""
    trade.close_wanted, trade.target_qty = ExitReason.LATE_FILL, before.open_qty
    record(
        "trade_late_fill",
        f"{trade.symbol}: the entry filled {execution.qty.normalize():f} more after an exit; "
        "that is closed at market.",
        account=trade.account,
        level=EventLevel.WARNING,
        data={"trade": trade.pk},
        market_time=execution.time,
    )


def _book_report(account: ExchangeAccount, report: OrderReport, booked: Booked) -> None:
    order = _order_of(account, report.order_link_id)
    if order is None:
        return
    old = OrderState(order.state)
    new = state_after_report(old, report.status)
    filled = max(order.filled_qty, report.filled_qty)
    known = (old, order.filled_qty, order.venue_order_id, 0)
    if (new, filled, report.order_id, order.not_found_count) == known:
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
    order.state, order.filled_qty, order.not_found_count = new, filled, 0
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
    if not funding:
        # Points that were kept before the transfer was told took it for a gain or a loss.
        units_restate(account, entry.time)
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
    return next((trade for trade in newest if held_at(trade, entry.time)), None)
