"""The paper venue's tables: load a state, save what an event changed, look up what is final."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError

from exchange.domain import (
    Execution,
    ExecutionKind,
    LedgerEntry,
    LedgerKind,
    OrderType,
    Side,
    TimeInForce,
    VenueOrderStatus,
)
from exchange.models import (
    ExchangeAccount,
    PaperAccount,
    PaperExecution,
    PaperLedgerEntry,
    PaperOrder,
    PaperPosition,
)
from exchange.paper.state import OpenPosition, Outcome, PaperState, VenueOrder

WORKING = (VenueOrderStatus.NEW, VenueOrderStatus.PARTIALLY_FILLED)
ORDER_CHANGES = ("qty", "status", "filled_qty", "filled_value", "reject_reason", "updated_at")
POSITION_CHANGES = (
    "side",
    "qty",
    "avg_price",
    "cost",
    "stop_loss",
    "take_profit",
    "opened_at",
    "updated_at",
)


def load(account: ExchangeAccount) -> PaperState:
    """The state as the tables have it. Raises ``PaperAccount.DoesNotExist`` before the ledger of
    the account was opened."""
    row = PaperAccount.objects.get(account=account)
    orders = PaperOrder.objects.filter(account=account, status__in=WORKING).order_by("id")
    positions = PaperPosition.objects.filter(account=account).order_by("id")
    return PaperState(
        wallet=row.wallet,
        advanced_to=row.advanced_to,
        sequence=row.sequence,
        orders={one.order_id: _order(one) for one in orders},
        positions={one.symbol: _position(one) for one in positions},
        leverage={symbol: Decimal(text) for symbol, text in row.leverage.items()},
    )


def save(account: ExchangeAccount, before: PaperState, outcome: Outcome) -> None:
    """Write the rows that differ from ``before``; the caller holds the transaction.

    Raises ``IntegrityError`` when another process has booked on the account since ``before``.
    """
    _save_account(account, before, outcome.state)
    _save_orders(account, outcome)
    _save_positions(account, before, outcome.state)
    PaperExecution.objects.bulk_create(_execution_row(account, one) for one in outcome.executions)
    PaperLedgerEntry.objects.bulk_create(_entry_row(account, one) for one in outcome.ledger)


def link_id_used(account: ExchangeAccount, order_link_id: str) -> bool:
    """Whether any order of the account, working or final, has this client id."""
    used = PaperOrder.objects.filter(account=account).exclude(order_link_id="")
    return used.filter(order_link_id=order_link_id).exists()


def find_order(account: ExchangeAccount, symbol: str, order_link_id: str) -> VenueOrder | None:
    """An order by its client id, whatever became of it."""
    row = PaperOrder.objects.filter(
        account=account, symbol=symbol, order_link_id=order_link_id
    ).first()
    return None if row is None else _order(row)


def executions_since(account: ExchangeAccount, since: datetime) -> list[Execution]:
    """Fills at or after ``since``, oldest first."""
    rows = PaperExecution.objects.filter(account=account, time__gte=since).order_by("time", "id")
    return [_execution(one) for one in rows]


def ledger_since(account: ExchangeAccount, since: datetime) -> list[LedgerEntry]:
    """Changes of the wallet at or after ``since``, oldest first."""
    rows = PaperLedgerEntry.objects.filter(account=account, time__gte=since).order_by("time", "id")
    return [_entry(one) for one in rows]


def _save_account(account: ExchangeAccount, before: PaperState, after: PaperState) -> None:
    # A holder that lost its lease without noticing must not book from an old copy.
    written = PaperAccount.objects.filter(account=account, sequence=before.sequence).update(
        wallet=after.wallet,
        advanced_to=after.advanced_to,
        sequence=after.sequence,
        leverage={symbol: str(value) for symbol, value in after.leverage.items()},
    )
    if written != 1:
        raise IntegrityError("another process has booked on this paper account")


def _save_orders(account: ExchangeAccount, outcome: Outcome) -> None:
    newest = {order.order_id: order for order in outcome.orders}
    if not newest:
        return
    PaperOrder.objects.bulk_create(
        [_order_row(account, one) for one in newest.values()],
        update_conflicts=True,
        unique_fields=("account", "order_id"),
        update_fields=ORDER_CHANGES,
    )


def _save_positions(account: ExchangeAccount, before: PaperState, after: PaperState) -> None:
    gone = set(before.positions) - set(after.positions)
    if gone:
        PaperPosition.objects.filter(account=account, symbol__in=gone).delete()
    changed = [one for one in after.positions.values() if before.positions.get(one.symbol) != one]
    if changed:
        PaperPosition.objects.bulk_create(
            [_position_row(account, one) for one in changed],
            update_conflicts=True,
            unique_fields=("account", "symbol"),
            update_fields=POSITION_CHANGES,
        )


def _order_row(account: ExchangeAccount, order: VenueOrder) -> PaperOrder:
    return PaperOrder(
        account=account,
        order_id=order.order_id,
        order_link_id=order.order_link_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        qty=order.qty,
        price=order.reference,
        trigger_price=order.trigger,
        reduce_only=order.reduce_only,
        close_all=order.close_all,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        status=order.status,
        filled_qty=order.filled_qty,
        filled_value=order.filled_value,
        reject_reason=order.reject_reason,
        created_at=order.created_at,
        updated_at=order.updated_at,
    )


def _order(row: PaperOrder) -> VenueOrder:
    if row.price is None:
        raise ValueError(f"Paper order {row.order_id} has lost its reference price.")
    return VenueOrder(
        order_id=row.order_id,
        order_link_id=row.order_link_id,
        symbol=row.symbol,
        side=Side(row.side),
        order_type=OrderType(row.order_type),
        time_in_force=TimeInForce(row.time_in_force),
        qty=row.qty,
        reference=row.price,
        reduce_only=row.reduce_only,
        close_all=row.close_all,
        stop_loss=row.stop_loss,
        take_profit=row.take_profit,
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=VenueOrderStatus(row.status),
        filled_qty=row.filled_qty,
        filled_value=row.filled_value,
        reject_reason=row.reject_reason,
        trigger=row.trigger_price,
    )


def _position_row(account: ExchangeAccount, position: OpenPosition) -> PaperPosition:
    return PaperPosition(
        account=account,
        symbol=position.symbol,
        side=position.side,
        qty=position.qty,
        avg_price=position.avg_price,
        cost=position.cost,
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
        opened_at=position.opened_at,
        updated_at=position.updated_at,
    )


def _position(row: PaperPosition) -> OpenPosition:
    return OpenPosition(
        symbol=row.symbol,
        side=Side(row.side),
        qty=row.qty,
        cost=row.cost,
        avg_price=row.avg_price,
        stop_loss=row.stop_loss,
        take_profit=row.take_profit,
        opened_at=row.opened_at,
        updated_at=row.updated_at,
    )


def _execution_row(account: ExchangeAccount, one: Execution) -> PaperExecution:
    return PaperExecution(
        account=account,
        exec_id=one.exec_id,
        order_id=one.order_id,
        order_link_id=one.order_link_id,
        symbol=one.symbol,
        side=one.side,
        qty=one.qty,
        price=one.price,
        fee=one.fee,
        is_maker=one.is_maker,
        kind=one.kind,
        time=one.time,
    )


def _execution(row: PaperExecution) -> Execution:
    return Execution(
        exec_id=row.exec_id,
        order_id=row.order_id,
        order_link_id=row.order_link_id,
        symbol=row.symbol,
        side=Side(row.side),
        qty=row.qty,
        price=row.price,
        fee=row.fee,
        is_maker=row.is_maker,
        kind=ExecutionKind(row.kind),
        time=row.time,
    )


def _entry_row(account: ExchangeAccount, one: LedgerEntry) -> PaperLedgerEntry:
    return PaperLedgerEntry(
        account=account,
        entry_id=one.entry_id,
        kind=one.kind,
        symbol=one.symbol,
        exec_id=one.exec_id,
        amount=one.amount,
        time=one.time,
    )


def _entry(row: PaperLedgerEntry) -> LedgerEntry:
    return LedgerEntry(
        entry_id=row.entry_id,
        kind=LedgerKind(row.kind),
        symbol=row.symbol,
        amount=row.amount,
        time=row.time,
        exec_id=row.exec_id,
    )
