"""What the trader of the state machine would keep in a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from exchange.domain import ZERO
from trading.choices import ExitReason, OrderRole, OrderState, TradeState
from trading.domain import protocol
from trading.domain.order import WORKING
from trading.domain.trade import TradeBook


@dataclass
class Signal:
    """A long, as it was proposed; ``state`` as in the product."""

    number: int
    qty: Decimal
    entry: Decimal
    stop: Decimal
    target: Decimal
    created: float
    state: str = "waiting"
    approvals: int = 0


@dataclass
class Row:
    """An order's row. ``history`` is every state with the filled quantity it had there."""

    link_id: str
    role: OrderRole
    signal: int
    qty: Decimal
    sent: float
    state: OrderState = OrderState.CREATED
    filled: Decimal = ZERO
    not_found: int = 0
    looked_up: float = -1e9
    readings: list[protocol.Reading] = field(default_factory=list)
    history: list[tuple[OrderState, Decimal]] = field(default_factory=list)
    # Whether a kill wants it back; when that was asked last, and whether it was known then.
    unwanted: bool = False
    asked_back: float = -1e9
    asked_known: bool = True

    def move(self, state: OrderState) -> None:
        self.state = state
        self.history.append((state, self.filled))


@dataclass
class Trade:
    """One trade with its book and wishes."""

    signal: Signal
    book: TradeBook
    stop: Decimal
    target: Decimal
    state: TradeState = TradeState.PENDING
    close_wanted: ExitReason | None = None
    target_qty: Decimal = ZERO
    # The least quantity that was ever wanted to stay.
    wished: Decimal = Decimal("Infinity")

    def close(self, reason: ExitReason) -> None:
        self.close_wanted, self.target_qty, self.wished = reason, ZERO, ZERO


def lost(row: Row) -> bool:
    """Whether nobody saw what became of the order."""
    return row.state in (OrderState.UNKNOWN, OrderState.NOT_PLACED)


def exit_facts(
    trade: Trade, exits: Sequence[Row], told: Decimal, position: protocol.Reading
) -> protocol.ExitFacts:
    """What the next exit depends on; ``told`` is what executions of earlier ones have sold."""
    newest = exits[-1] if exits else None
    reported = sum((row.filled for row in exits), ZERO)
    working = [row for row in exits if row.state in WORKING and row.state is not OrderState.UNKNOWN]
    return protocol.ExitFacts(
        target=trade.target_qty,
        open_qty=trade.book.open_qty,
        reason=trade.close_wanted or ExitReason.MANUAL,
        awaited=max(ZERO, reported - told),
        attempts=len(exits),
        since_last_s=position.at_s - newest.sent if newest else 1e9,
        working=bool(working),
        doubtful=any(map(lost, exits)),
        readings=tuple(newest.readings) if newest else (),
        position_qty=position.qty,
    )
