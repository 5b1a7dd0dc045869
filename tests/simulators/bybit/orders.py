"""An order and its life; orders reach this class only after they were accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.simulators.bybit.rules import ZERO

OPEN_STATUSES = frozenset({"New", "PartiallyFilled", "Untriggered"})
OPPOSITE = {"Buy": "Sell", "Sell": "Buy"}
LEVEL_TYPES = frozenset(
    {"TakeProfit", "StopLoss", "PartialTakeProfit", "PartialStopLoss", "TrailingStop"}
)


def sign_of(side: str) -> int:
    return 1 if side == "Buy" else -1


@dataclass(slots=True, eq=False)
class Order:
    """An order as the venue keeps it; `price` of a market order is its slippage bound."""

    n: int
    order_id: str
    symbol: str
    side: str
    order_type: str
    qty: Decimal
    created_ms: int
    updated_ms: int
    link_id: str = ""
    price: Decimal = ZERO
    time_in_force: str = "GTC"
    position_idx: int = 0
    reduce_only: bool = False
    close_on_trigger: bool = False
    status: str = "New"
    create_type: str = "CreateByUser"
    cancel_type: str = "UNKNOWN"
    reject_reason: str = "EC_NoError"
    stop_order_type: str = ""
    trigger_price: Decimal | None = None
    trigger_direction: int = 0
    trigger_by: str = ""
    # How far a trailing stop stays behind the best price.
    trail_by: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tp_trigger_by: str = ""
    sl_trigger_by: str = ""
    tpsl_mode: str = ""
    parent_link_id: str = ""
    # The other one of a stop and target for a part of the position.
    twin: Order | None = None
    last_on_created: Decimal = ZERO
    cum_qty: Decimal = ZERO
    cum_value: Decimal = ZERO
    cum_fee: Decimal = ZERO
    closed_pnl: Decimal = ZERO
    # What clients saw of it and when, so that reads may lag.
    views: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def is_conditional(self) -> bool:
        """Tell whether it is (or was) a stop order: conditional, or a level of a position."""
        return self.stop_order_type != ""

    @property
    def is_level(self) -> bool:
        """Tell whether it is a position's take-profit or stop-loss."""
        return self.stop_order_type in LEVEL_TYPES

    @property
    def leaves(self) -> Decimal:
        return self.qty - self.cum_qty

    @property
    def direction(self) -> int:
        return sign_of(self.side)

    def end(self, status: str, cancel_type: str = "UNKNOWN", reason: str = "EC_NoError") -> None:
        """Reach a final status."""
        self.status = status
        self.cancel_type = cancel_type
        self.reject_reason = reason

    def is_crossed_by(self, price: Decimal) -> bool:
        """Tell whether a limit order could trade at this price."""
        return price <= self.price if self.side == "Buy" else price >= self.price

    def is_triggered_by(self, price: Decimal) -> bool:
        """Tell whether a waiting order's trigger is reached."""
        if self.trigger_price is None:
            return False
        if self.trigger_direction == 1:
            return price >= self.trigger_price
        return price <= self.trigger_price
