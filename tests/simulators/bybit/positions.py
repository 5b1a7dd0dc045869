"""A position: size, cost, margin and the prices at which it dies."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.rules import MONEY, ZERO

NO_LEVELS = {"stopLoss": "", "takeProfit": "", "trailingStop": "", "qty": "0"}


@dataclass(frozen=True, slots=True)
class Closed:
    """What a fill took off a position: its cost and opening fee, and the price gain before fees."""

    qty: Decimal
    entry_value: Decimal
    open_fee: Decimal
    gross: Decimal


@dataclass(slots=True)
class Position:
    """One side of one symbol; `size` is negative when short."""

    symbol: str
    idx: int
    created_ms: int
    updated_ms: int
    size: Decimal = ZERO
    entry_value: Decimal = ZERO
    open_fee: Decimal = ZERO
    opened_ms: int = 0
    realised: Decimal = ZERO
    realised_ever: Decimal = ZERO
    seq: int = -1
    status: str = "Normal"
    # Its stop, target and trailing stop, by their stopOrderType.
    level_orders: dict[str, Order] = field(default_factory=dict)
    # Stops and targets for a part of it each.
    partials: list[Order] = field(default_factory=list)
    # Set together, so that cancelling one by its id removes the other too.
    paired: bool = False
    views: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    # What the ledger last heard.
    noted_size: Decimal = ZERO
    noted_levels: dict[str, str] = field(default_factory=lambda: dict(NO_LEVELS))

    @property
    def side(self) -> str:
        if not self.size:
            return ""
        return "Buy" if self.size > 0 else "Sell"

    @property
    def average(self) -> Decimal:
        return self.entry_value / abs(self.size) if self.size else ZERO

    @property
    def stop_loss(self) -> Order | None:
        return self.level_orders.get("StopLoss")

    @property
    def take_profit(self) -> Order | None:
        return self.level_orders.get("TakeProfit")

    @property
    def trailing_stop(self) -> Order | None:
        return self.level_orders.get("TrailingStop")

    def levels(self) -> list[Order]:
        """Give the orders that would close it, in the order they are looked at."""
        found = (self.stop_loss, self.trailing_stop, self.take_profit)
        return [level for level in found if level is not None]

    def closable_by(self, direction: int) -> Decimal:
        """Give how much an order of this direction could close."""
        return abs(self.size) if self.size * direction < 0 else ZERO

    def close(self, qty: Decimal, price: Decimal) -> Closed:
        """Take `qty` off at `price`."""
        held = abs(self.size)
        direction = 1 if self.size > 0 else -1
        entry = self.entry_value * qty / held
        fee = self.open_fee * qty / held
        self.size -= direction * qty
        self.entry_value = self.entry_value - entry if self.size else ZERO
        self.open_fee = self.open_fee - fee if self.size else ZERO
        return Closed(qty, entry, fee, direction * (qty * price - entry))

    def open(self, direction: int, qty: Decimal, price: Decimal, fee: Decimal, ms: int) -> None:
        """Add `qty` at `price`; the caller has closed the other direction first."""
        if not self.size:
            self.opened_ms = ms
            self.realised = ZERO
        self.size += direction * qty
        self.entry_value += qty * price
        self.open_fee += fee

    def unrealised(self, mark: Decimal) -> Decimal:
        if not self.size:
            return ZERO
        return self.size * mark - (self.entry_value if self.size > 0 else -self.entry_value)

    def bust_price(self, leverage: Decimal) -> Decimal:
        """Give the price at which the margin of an isolated position is gone."""
        return self.average * (1 - (1 if self.size > 0 else -1) / leverage)

    def liquidation_price(self, leverage: Decimal, maintenance_rate: Decimal) -> Decimal:
        """Give the mark price at which an isolated position is liquidated."""
        direction = 1 if self.size > 0 else -1
        return self.average * (1 - direction * (1 / leverage - maintenance_rate))

    def cross_liquidation_price(self, wallet: Decimal, maintenance_rate: Decimal) -> Decimal | None:
        """Estimate the mark price at which the whole wallet is used up, if there is one."""
        direction = 1 if self.size > 0 else -1
        price = (self.average - direction * wallet / abs(self.size)) / (
            1 - direction * maintenance_rate
        )
        return price.quantize(MONEY) if price > 0 else None
