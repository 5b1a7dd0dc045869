"""Values of the paper venue: its state, what can happen to it, and what came of it.

Money has 8 places. ``Outcome`` lists changes in the order in which they happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from exchange.domain import (
    ZERO,
    AccountUpdate,
    Execution,
    FundingEvent,
    LedgerEntry,
    OrderReport,
    OrderRequest,
    OrderType,
    PriceStep,
    Side,
    TimeInForce,
    VenueOrderStatus,
    quantise,
)

DEFAULT_LEVERAGE = Decimal(1)


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue holds it, working or final.

    ``reference`` is the limit, or for a market order the last price when it arrived: the price
    at which its margin is reserved. ``filled_value`` sums price x quantity of its executions. An
    order with a ``trigger`` is conditional: it waits until the last price gets there.
    """

    order_id: str
    order_link_id: str
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    qty: Decimal
    reference: Decimal
    reduce_only: bool
    close_all: bool
    stop_loss: Decimal | None
    take_profit: Decimal | None
    created_at: datetime
    updated_at: datetime
    status: VenueOrderStatus = VenueOrderStatus.NEW
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    reject_reason: str = ""
    trigger: Decimal | None = None

    @property
    def remaining(self) -> Decimal:
        return self.qty - self.filled_qty

    @property
    def rests(self) -> bool:
        """Whether it waits in the book at its limit. Without a trigger all others are done within
        their first step."""
        return self.order_type is OrderType.LIMIT and self.time_in_force is TimeInForce.GTC

    def report(self) -> OrderReport:
        """The order as clients see it."""
        limit = self.reference if self.order_type is OrderType.LIMIT else None
        average = quantise(self.filled_value / self.filled_qty) if self.filled_qty else None
        return OrderReport(
            order_link_id=self.order_link_id,
            order_id=self.order_id,
            symbol=self.symbol,
            side=self.side,
            order_type=self.order_type,
            status=self.status,
            qty=self.qty,
            filled_qty=self.filled_qty,
            avg_price=average,
            price=limit,
            reduce_only=self.reduce_only,
            created_at=self.created_at,
            updated_at=self.updated_at,
            reject_reason=self.reject_reason,
        )


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position with the levels attached to it.

    ``cost`` is what the open quantity was bought (or sold) for. Profit is taken against it, so
    that a closed position has earned exactly exit value less entry value; ``avg_price`` is the
    rounded figure for reading.
    """

    symbol: str
    side: Side
    qty: Decimal
    cost: Decimal
    avg_price: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None
    opened_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PaperState:
    """Everything the venue knows about one account.

    ``orders`` holds the working ones by order id, oldest first; ``sequence`` is the number of
    the newest id given out; ``advanced_to`` the market time reached.
    """

    wallet: Decimal
    advanced_to: datetime
    sequence: int = 0
    orders: Mapping[str, VenueOrder] = field(default_factory=dict)
    positions: Mapping[str, OpenPosition] = field(default_factory=dict)
    leverage: Mapping[str, Decimal] = field(default_factory=dict)

    def leverage_of(self, symbol: str) -> Decimal:
        return self.leverage.get(symbol, DEFAULT_LEVERAGE)

    def order_by_link(self, order_link_id: str) -> VenueOrder | None:
        """The working order with this client id."""
        matches = (one for one in self.orders.values() if one.order_link_id == order_link_id)
        return next(matches, None)

    def symbols_of_interest(self) -> set[str]:
        """Symbols on which a price can change anything."""
        return {order.symbol for order in self.orders.values()} | set(self.positions)


@dataclass(frozen=True, slots=True)
class Place:
    """A new order arriving at ``time`` while ``last`` is the last price."""

    request: OrderRequest
    time: datetime
    last: Decimal


@dataclass(frozen=True, slots=True)
class Cancel:
    """A wish to cancel the working order with this client id."""

    symbol: str
    order_link_id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class SetTradingStop:
    """New levels for the open position; None takes a level away."""

    symbol: str
    stop_loss: Decimal | None
    take_profit: Decimal | None
    time: datetime
    last: Decimal


@dataclass(frozen=True, slots=True)
class SetLeverage:
    """New leverage of one symbol."""

    symbol: str
    leverage: Decimal
    time: datetime


PaperCommand = Place | Cancel | SetTradingStop | SetLeverage
PaperEvent = PaperCommand | PriceStep | FundingEvent


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command changed nothing: one word for code, one sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state after an event and what changed on the way; a refusal leaves the state alone."""

    state: PaperState
    orders: tuple[VenueOrder, ...] = ()
    executions: tuple[Execution, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    refusal: Refusal | None = None

    @property
    def update(self) -> AccountUpdate:
        """The same as reports to a client."""
        reports = tuple(order.report() for order in self.orders)
        return AccountUpdate(orders=reports, executions=self.executions, ledger=self.ledger)
