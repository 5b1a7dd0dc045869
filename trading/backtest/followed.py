"""What goes into following one entry, and what comes out. Times are market time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from exchange.domain import OrderType, Side, TimeInForce
from trading.choices import CancelReason, ExitReason
from trading.domain.invalidation import Invalidation


@dataclass(frozen=True, slots=True)
class FollowedEntry:
    """An entry order as it is sent at ``placed_at``, stop and target inside.

    ``price`` is its limit (None: at market); with a ``trigger_price`` it waits until the last price
    gets there. It is taken back at ``expires_at`` (None: never by
    age) and at ``outdated_at``, when a new reading turned against it. ``planned_risk`` is what its
    stop may lose in USDT; None trims nothing.
    """

    symbol: str
    side: Side
    qty: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    placed_at: datetime
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.IOC
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    leverage: Decimal = Decimal(1)
    planned_risk: Decimal | None = None
    expires_at: datetime | None = None
    outdated_at: datetime | None = None
    invalidation: Invalidation | None = None


@dataclass(frozen=True, slots=True)
class MovedStop:
    """A stop that a rule moved at the close of a candle."""

    time: datetime
    rule: str
    stop_loss: Decimal


@dataclass(frozen=True, slots=True)
class Followed:
    """The life of one entry as far as the candles told it.

    ``over``: nothing more can happen. An entry that never filled has a ``cancel_reason`` or the
    venue's ``refusal`` and no prices. ``exit_price`` is the average of what was closed; ``reason``
    is that of the newest exit; ``r_multiple`` counts fees, slippage and funding; ``best_r`` and
    ``worst_r`` are the most favourable and least favourable price held through, in R, before
    costs.
    """

    over: bool
    followed_to: datetime
    entry_qty: Decimal
    entry_time: datetime | None = None
    entry_price: Decimal | None = None
    exit_time: datetime | None = None
    exit_price: Decimal | None = None
    reason: ExitReason | None = None
    cancel_reason: CancelReason | None = None
    refusal: str = ""
    net_pnl: Decimal | None = None
    r_multiple: Decimal | None = None
    best_r: Decimal | None = None
    worst_r: Decimal | None = None
    stop_loss: Decimal | None = None
    moves: tuple[MovedStop, ...] = ()

    @property
    def filled(self) -> bool:
        return self.entry_qty > 0
