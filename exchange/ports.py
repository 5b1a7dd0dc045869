"""The three doors to the outside: orders, market data, wall time.

Every implementation passes the conformance suite in ``tests/exchange/conformance``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from exchange.candles import CandleWindow
from exchange.domain import (
    AccountUpdate,
    Balance,
    Execution,
    FundingEvent,
    Instrument,
    LedgerEntry,
    OrderAck,
    OrderReport,
    OrderRequest,
    PositionReport,
    PriceStep,
    Quote,
    Ticker,
    VenueHealth,
)


class Clock(Protocol):
    """Wall time: ``now`` for records, ``monotonic`` (seconds) for ages and deadlines."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class ExchangeClient(Protocol):
    """Orders and account of one account on one venue.

    Reads raise ``ExchangeUnavailable``; an error is never an empty answer. Writes raise
    ``OrderRejected`` (certainly not taken) or ``OrderOutcomeUnknown`` (look it up).
    ``OrderRejected.code`` is one of ``exchange.errors.REJECTIONS``.
    """

    def place_order(
        self, request: OrderRequest, *, last_look: Callable[[], None] | None = None
    ) -> OrderAck:
        """Send an order, once. ``last_look`` is called when there is nothing left to wait for,
        right before it leaves; what it raises is raised, and then nothing has left."""

    def cancel_order(self, *, symbol: str, order_link_id: str) -> None:
        """Ask for a cancel; ``OrderRejected(code="order_not_open")`` when it is not working."""

    def set_trading_stop(
        self, *, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        """Set both levels of the open position; repeating the same levels changes nothing."""

    def set_leverage(self, *, symbol: str, leverage: Decimal) -> None:
        """Returns once the venue shows this leverage, and one-way mode, for the symbol."""

    def order(self, *, symbol: str, order_link_id: str) -> OrderReport | None:
        """The order wherever the venue keeps it; None is a successful "not found"."""

    def open_orders(self) -> Sequence[OrderReport]: ...

    def executions(self, *, since: datetime, order_link_id: str = "") -> Sequence[Execution]:
        """Executions from ``since``, oldest first; only those of one order where it is named."""

    def positions(self) -> Sequence[PositionReport]:
        """Open positions only."""

    def balance(self) -> Balance: ...

    def ledger(self, *, since: datetime) -> Sequence[LedgerEntry]:
        """The transaction log from ``since``, oldest first."""

    def drain(self) -> AccountUpdate:
        """What happened since the last call, in the order it happened; never blocks."""

    def health(self) -> VenueHealth:
        """Whether entries may be sent, from what is known already; never blocks."""

    def close(self) -> None:
        """End streams and connections; the client is not used afterwards."""


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """Which facts a market can give at all; rules on the others are not applicable.

    ``candles`` are those of every timeframe a bot may have, with some history behind them.
    """

    spread: bool
    turnover: bool
    funding: bool
    listing: bool
    mark: bool
    candles: bool = True


class MarketData(Protocol):
    """Prices of one market and its own time."""

    facts: MarketFacts

    def now(self) -> datetime:
        """Market time (UTC)."""

    @property
    def speed(self) -> float:
        """Seconds of market time per second of wall time; 0 when a driver steps it."""

    def symbols(self) -> Sequence[str]: ...

    def instrument(self, symbol: str) -> Instrument:
        """Raises ``UnknownSymbol``."""

    def candles(
        self, symbol: str, interval: timedelta, *, end: datetime, limit: int
    ) -> CandleWindow:
        """The newest ``limit`` candles that had closed by ``end``, fewer at the start of history.

        Raises ``UnknownSymbol`` and ``CandlesUnavailable``; never an open or a future candle.
        """

    def quote(self, symbol: str) -> Quote: ...

    def ticker(self, symbol: str) -> Ticker: ...

    def monitor_interval(self, symbol: str) -> timedelta:
        """Span of the finest candles this market has (1 minute where it can)."""

    def steps(self, symbol: str, start: datetime, end: datetime) -> Iterator[PriceStep]:
        """Price between two instants in steps of at most one monitor candle, oldest first."""

    def funding(self, symbol: str, start: datetime, end: datetime) -> Sequence[FundingEvent]:
        """Settlements in ``(start, end]``, oldest first."""

    def doubts(self) -> tuple[str, ...]:
        """Sentences on why these prices can't be relied on now; never blocks."""
