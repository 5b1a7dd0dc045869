"""Booking: one event's changes to orders, position, wallet and ledger.

Ids are numbered from the account's own sequence, so the same events give the same ids.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from exchange.domain import (
    ZERO,
    Execution,
    ExecutionKind,
    FundingEvent,
    Instrument,
    LedgerEntry,
    LedgerKind,
    OrderType,
    TimeInForce,
    VenueOrderStatus,
    quantise,
)
from exchange.paper.state import OpenPosition, Outcome, PaperState, VenueOrder


class Book:
    """A state under change. Lives for one event; ``outcome`` freezes what became of it."""

    def __init__(self, state: PaperState) -> None:
        self.orders = dict(state.orders)
        self.positions = dict(state.positions)
        self.entered: set[str] = set()
        self._state = state
        self._wallet = state.wallet
        self._sequence = state.sequence
        self._changed: list[VenueOrder] = []
        self._executions: list[Execution] = []
        self._ledger: list[LedgerEntry] = []

    def outcome(self, *, advanced_to: datetime) -> Outcome:
        """The state reached, and the changes in the order in which they were booked."""
        state = replace(
            self._state,
            wallet=self._wallet,
            sequence=self._sequence,
            orders=self.orders,
            positions=self.positions,
            advanced_to=max(advanced_to, self._state.advanced_to),
        )
        return Outcome(state, tuple(self._changed), tuple(self._executions), tuple(self._ledger))

    def next_id(self, prefix: str) -> str:
        """A new id on the account, such as ``po-000017``."""
        self._sequence += 1
        return f"{prefix}-{self._sequence:06d}"

    def put(self, order: VenueOrder) -> None:
        """Report an order's new condition; final ones leave the book."""
        self._changed.append(order)
        if order.status.final:
            self.orders.pop(order.order_id, None)
        else:
            self.orders[order.order_id] = order

    def cancel(self, order: VenueOrder, at: datetime, reason: str = "") -> None:
        """Take what is left of an order out of the book."""
        self.put(
            replace(
                order,
                status=VenueOrderStatus.CANCELLED,
                updated_at=max(at, order.updated_at),
                reject_reason=reason,
            )
        )

    def execute(
        self,
        order: VenueOrder,
        *,
        qty: Decimal,
        price: Decimal,
        instrument: Instrument,
        at: datetime,
        is_maker: bool = False,
        kind: ExecutionKind = ExecutionKind.TRADE,
    ) -> None:
        """Fill ``qty`` of an order: order report, execution, ledger entry, wallet, position."""
        filled = order.filled_qty + qty
        done = filled >= order.qty
        status = VenueOrderStatus.FILLED if done else VenueOrderStatus.PARTIALLY_FILLED
        order = replace(
            order,
            filled_qty=filled,
            filled_value=order.filled_value + quantise(price * qty),
            status=status,
            updated_at=at,
        )
        self.put(order)
        rate = instrument.maker_fee if is_maker else instrument.taker_fee
        execution = Execution(
            exec_id=self.next_id("px"),
            order_id=order.order_id,
            order_link_id=order.order_link_id,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price=price,
            fee=quantise(price * qty * rate),
            is_maker=is_maker,
            kind=kind,
            time=at,
        )
        self._executions.append(execution)
        realised = self._move_position(order, execution)
        amount = realised - execution.fee
        self._enter(LedgerKind.EXECUTION, order.symbol, amount, at, execution.exec_id)

    def close_position(
        self,
        position: OpenPosition,
        *,
        price: Decimal,
        instrument: Instrument,
        at: datetime,
        kind: ExecutionKind,
    ) -> None:
        """Close at a level: the venue sends its own order, which has no client id."""
        order = VenueOrder(
            order_id=self.next_id("po"),
            order_link_id="",
            symbol=position.symbol,
            side=position.side.opposite,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            qty=position.qty,
            reference=price,
            reduce_only=True,
            close_all=True,
            stop_loss=None,
            take_profit=None,
            created_at=at,
            updated_at=at,
        )
        self.execute(order, qty=position.qty, price=price, instrument=instrument, at=at, kind=kind)

    def settle_funding(self, event: FundingEvent) -> None:
        """Charge the holder of a position: longs pay where the rate is above 0."""
        position = self.positions.get(event.symbol)
        if position is None:
            return
        paid = quantise(position.side.sign * position.qty * event.mark * event.rate)
        self._enter(LedgerKind.FUNDING, event.symbol, -paid, event.time)

    def _enter(
        self, kind: LedgerKind, symbol: str, amount: Decimal, at: datetime, exec_id: str = ""
    ) -> None:
        entry_id = self.next_id("pl")
        self._ledger.append(LedgerEntry(entry_id, kind, symbol, amount, at, exec_id))
        self._wallet += amount

    def _move_position(self, order: VenueOrder, execution: Execution) -> Decimal:
        """Apply a fill to the position; returns the realised profit before fees."""
        held = self.positions.get(order.symbol)
        if held is None or held.side is order.side:
            self._add(held, order, execution, execution.qty)
            return ZERO
        closed = min(held.qty, execution.qty)
        realised = self._reduce(held, execution, closed)
        if execution.qty > closed:
            self._add(None, order, execution, execution.qty - closed)
        return realised

    def _add(
        self, held: OpenPosition | None, order: VenueOrder, execution: Execution, qty: Decimal
    ) -> None:
        cost = quantise(execution.price * qty)
        stop, target, opened_at = None, None, execution.time
        if held is not None:
            cost, qty = held.cost + cost, held.qty + qty
            stop, target, opened_at = held.stop_loss, held.take_profit, held.opened_at
        self.positions[order.symbol] = OpenPosition(
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            cost=cost,
            avg_price=quantise(cost / qty),
            stop_loss=stop if order.stop_loss is None else order.stop_loss,
            take_profit=target if order.take_profit is None else order.take_profit,
            opened_at=opened_at,
            updated_at=execution.time,
        )
        self.entered.add(order.symbol)

    def _reduce(self, held: OpenPosition, execution: Execution, closed: Decimal) -> Decimal:
        # The last part releases all the cost that is left, so no remainder stays behind.
        released = quantise(held.cost * closed / held.qty)
        if closed == held.qty:
            del self.positions[held.symbol]
            self._drop_reduce_only(held.symbol, execution.time)
        else:
            self.positions[held.symbol] = replace(
                held,
                qty=held.qty - closed,
                cost=held.cost - released,
                updated_at=execution.time,
            )
        return held.side.sign * (quantise(execution.price * closed) - released)

    def _drop_reduce_only(self, symbol: str, at: datetime) -> None:
        """Nothing is left to reduce, so orders that only reduce are cancelled by the venue."""
        for order in [one for one in self.orders.values() if one.symbol == symbol]:
            if order.reduce_only:
                self.cancel(order, at, "reduce_only")
