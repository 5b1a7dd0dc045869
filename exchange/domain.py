"""Values of the venue: what goes to an exchange and what comes back.

Prices, quantities and money are ``Decimal`` in USDT or base coin; times are aware UTC
datetimes of *market time*. Nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

ZERO = Decimal(0)
PLACES = Decimal("0.00000001")
# Share of its entry value at which a position is liquidated, in Bybit's lowest tier.
MAINTENANCE_RATE = Decimal("0.005")

TIMEFRAMES: dict[str, timedelta] = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}


def quantise(amount: Decimal) -> Decimal:
    """Round an amount to the 8 places that ledgers, books and tables keep (half even)."""
    return amount.quantize(PLACES)


class Side(StrEnum):
    """Direction of an order: BUY opens longs and closes shorts."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(StrEnum):
    GTC = "gtc"
    IOC = "ioc"


class VenueOrderStatus(StrEnum):
    """State of an order as the venue reports it; all but NEW and PARTIALLY_FILLED are final."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def final(self) -> bool:
        return self not in (VenueOrderStatus.NEW, VenueOrderStatus.PARTIALLY_FILLED)


class ExecutionKind(StrEnum):
    """Why an execution happened on the venue. SETTLEMENT closes a delisted contract."""

    TRADE = "trade"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    SETTLEMENT = "settlement"


class LedgerKind(StrEnum):
    """Kinds of balance change a venue's transaction log shows."""

    EXECUTION = "execution"
    FUNDING = "funding"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class Instrument:
    """Trading rules of one USDT perpetual.

    ``tradable`` is False where the venue takes no new positions; ``delisting_at`` is known as soon
    as it is announced. ``max_market_qty`` bounds one market order (None: as ``max_qty``). A
    position is liquidated when less than ``maintenance_rate`` of its entry value is left of its
    margin.
    """

    symbol: str
    tick_size: Decimal
    qty_step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_notional: Decimal
    max_leverage: Decimal
    funding_interval: timedelta = timedelta(hours=8)
    taker_fee: Decimal = Decimal("0.00055")
    maker_fee: Decimal = Decimal("0.0002")
    max_market_qty: Decimal | None = None
    maintenance_rate: Decimal = MAINTENANCE_RATE
    tradable: bool = True
    delisting_at: datetime | None = None

    def floor_price(self, price: Decimal) -> Decimal:
        """Round ``price`` down to a tick."""
        return _to_multiple(price, self.tick_size, ROUND_FLOOR)

    def ceil_price(self, price: Decimal) -> Decimal:
        """Round ``price`` up to a tick."""
        return _to_multiple(price, self.tick_size, ROUND_CEILING)

    def floor_qty(self, qty: Decimal) -> Decimal:
        """Round ``qty`` down to a quantity step."""
        return _to_multiple(qty, self.qty_step, ROUND_FLOOR)


def _to_multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding=rounding) * step


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed candle, identified by its open time."""

    symbol: str
    open_time: datetime
    interval: timedelta
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @property
    def close_time(self) -> datetime:
        return self.open_time + self.interval


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask with the last traded price at one instant of market time."""

    symbol: str
    time: datetime
    bid: Decimal
    ask: Decimal
    last: Decimal


@dataclass(frozen=True, slots=True)
class Ticker:
    """Facts about a symbol that change slowly; ``None`` where a market cannot know them."""

    symbol: str
    time: datetime
    last: Decimal
    mark: Decimal | None
    turnover_24h: Decimal | None
    funding_rate: Decimal | None
    next_funding: datetime | None
    listed_at: datetime | None


@dataclass(frozen=True, slots=True)
class PriceStep:
    """What price did in ``(start, end]``: a mini candle the paper engine fills from.

    ``spread`` is ask minus bid in price units; ``volume`` in base coin. Where the step was told
    from its middle on, ``began`` is when it really began: its open is as old as that.
    ``mark_low`` and ``mark_high`` are the extremes of the mark price, None where the market has
    none.
    """

    symbol: str
    start: datetime
    end: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    spread: Decimal
    began: datetime | None = None
    mark_low: Decimal | None = None
    mark_high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FundingEvent:
    """A funding settlement: ``rate`` > 0 means longs pay, on ``mark`` x quantity."""

    symbol: str
    time: datetime
    rate: Decimal
    mark: Decimal


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as it is sent. ``qty`` 0 with ``close_all`` closes whatever is open.

    ``price`` is the limit (None for market orders). ``stop_loss`` and ``take_profit`` ride
    inside an entry and apply to the whole position at the last price. With a ``trigger_price`` the
    venue keeps the order back until the last price gets there, a buy from below and a sell from
    above; what it then sends takes what it can at once.
    """

    order_link_id: str
    symbol: str
    side: Side
    order_type: OrderType
    qty: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    close_all: bool = False
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trigger_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderAck:
    """The venue accepted a request for processing: not that it rests, and not that it filled."""

    order_link_id: str
    order_id: str


@dataclass(frozen=True, slots=True)
class OrderReport:
    """State of one order on the venue at ``updated_at``. ``order_link_id`` is empty for orders
    that the venue itself created (attached stops) or that were sent by others without one."""

    order_link_id: str
    order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    status: VenueOrderStatus
    qty: Decimal
    filled_qty: Decimal
    avg_price: Decimal | None
    price: Decimal | None
    reduce_only: bool
    created_at: datetime
    updated_at: datetime
    reject_reason: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill. ``fee`` > 0 is paid; ``exec_id`` is unique on the account."""

    exec_id: str
    order_id: str
    order_link_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    is_maker: bool
    kind: ExecutionKind
    time: datetime


@dataclass(frozen=True, slots=True)
class PositionReport:
    """Size is signed by ``side`` (None while flat); stop and target as they stand on the venue."""

    symbol: str
    side: Side | None
    qty: Decimal
    avg_price: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    leverage: Decimal
    mark: Decimal | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """USDT wallet: ``wallet`` without and ``equity`` with unrealised P&L."""

    wallet: Decimal
    equity: Decimal
    available: Decimal
    time: datetime


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A line of the venue's transaction log. ``amount`` is the change of the wallet in USDT."""

    entry_id: str
    kind: LedgerKind
    symbol: str
    amount: Decimal
    time: datetime
    exec_id: str = ""


@dataclass(frozen=True, slots=True)
class AccountUpdate:
    """What a venue told us since the last call of ``ExchangeClient.drain``, oldest first.

    ``positions`` are those that were told to have changed, flat ones included. ``resync`` says that
    something may have been missed (a stream was opened again, a message could not be read), so
    that everything must be asked for and compared.
    """

    orders: tuple[OrderReport, ...] = ()
    executions: tuple[Execution, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    positions: tuple[PositionReport, ...] = ()
    resync: bool = False

    def __bool__(self) -> bool:
        told = self.orders or self.executions or self.ledger or self.positions
        return bool(told) or self.resync


@dataclass(frozen=True, slots=True)
class VenueHealth:
    """Whether a venue can be relied on now. ``doubts`` are sentences, each a reason to send no
    entry; ``halted`` says what a person must mend first (a revoked key, a banned address).
    ``clock_offset_ms`` is the venue's clock minus ours, None where it is not measured."""

    doubts: tuple[str, ...] = ()
    halted: str = ""
    clock_offset_ms: int | None = None
