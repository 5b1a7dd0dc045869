"""The book of one trade: executions and funding in, quantities, value and result out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from exchange.domain import ZERO, Execution, ExecutionKind, Side, quantise
from trading.choices import ExitReason
from trading.domain.exits import BREAKEVEN_RULE


@dataclass(frozen=True, slots=True)
class TradeBook:
    """Sums of what happened. Values are price x quantity in USDT, each execution rounded to 8
    places as the venue's ledger does; ``fees`` and ``funding`` are paid when above 0.
    ``released_qty`` is not ours any more, and nobody's result."""

    side: Side
    initial_stop: Decimal
    entry_qty: Decimal = ZERO
    entry_value: Decimal = ZERO
    exit_qty: Decimal = ZERO
    exit_value: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    released_qty: Decimal = ZERO
    opened_at: datetime | None = None
    last_at: datetime | None = None

    @property
    def open_qty(self) -> Decimal:
        return self.entry_qty - self.exit_qty - self.released_qty

    @property
    def avg_entry(self) -> Decimal:
        """Average entry price, 8 places; 0 before the first fill."""
        return quantise(self.entry_value / self.entry_qty) if self.entry_qty else ZERO

    @property
    def avg_exit(self) -> Decimal:
        """Average exit price, 8 places; 0 before the first exit."""
        return quantise(self.exit_value / self.exit_qty) if self.exit_qty else ZERO

    @property
    def gross_pnl(self) -> Decimal:
        """Price result of what is closed, against the average entry; 0 while an exit was heard
        of before its entry."""
        if self.exit_qty == self.entry_qty:
            return self.side.sign * (self.exit_value - self.entry_value)
        if self.entry_qty == 0:
            return ZERO
        cost = quantise(self.entry_value * self.exit_qty / self.entry_qty)
        return self.side.sign * (self.exit_value - cost)

    @property
    def net_pnl(self) -> Decimal:
        """s x (exit value - entry value) - fees - funding paid."""
        return self.gross_pnl - self.fees - self.funding

    @property
    def initial_risk(self) -> Decimal:
        """|average entry - initial stop| x entry quantity, in USDT. Taken from the value, because
        8 places are too few for the average of a tiny price."""
        return abs(self.entry_value - self.initial_stop * self.entry_qty)

    @property
    def r_multiple(self) -> Decimal | None:
        """Net result in units of the initial risk; None where that is 0."""
        return quantise(self.net_pnl / self.initial_risk) if self.initial_risk else None


def fold(book: TradeBook, execution: Execution) -> TradeBook:
    """Add one execution, once, in any order: sums do not depend on it.

    An execution on the trade's side enters, one on the other side exits.
    """
    value = quantise(execution.qty * execution.price)
    last = max(filter(None, (book.last_at, execution.time)))
    if execution.side is book.side:
        opened = min(filter(None, (book.opened_at, execution.time)))
        return replace(
            book,
            entry_qty=book.entry_qty + execution.qty,
            entry_value=book.entry_value + value,
            fees=book.fees + execution.fee,
            opened_at=opened,
            last_at=last,
        )
    return replace(
        book,
        exit_qty=book.exit_qty + execution.qty,
        exit_value=book.exit_value + value,
        fees=book.fees + execution.fee,
        last_at=last,
    )


def exit_reason(kind: ExecutionKind, stop_rule: str, ordered: ExitReason | None) -> ExitReason:
    """Why a trade closed: by the venue's stop or target, by our order, or by somebody else."""
    if kind is ExecutionKind.TAKE_PROFIT:
        return ExitReason.TAKE_PROFIT
    if kind is ExecutionKind.STOP_LOSS:
        if not stop_rule:
            return ExitReason.STOP_LOSS
        breakeven = stop_rule == BREAKEVEN_RULE
        return ExitReason.BREAKEVEN if breakeven else ExitReason.TIGHTENED_STOP
    if kind is ExecutionKind.LIQUIDATION:
        return ExitReason.LIQUIDATION
    if kind is ExecutionKind.ADL:
        return ExitReason.ADL
    if kind is ExecutionKind.SETTLEMENT:
        return ExitReason.DELISTING
    return ordered or ExitReason.EXTERNAL
