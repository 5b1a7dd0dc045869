"""An account: wallet, facts, orders, positions and everything it has ever traded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.simulators.bybit.orders import Order
from tests.simulators.bybit.positions import Position
from tests.simulators.bybit.rules import TAKER_FEE, ZERO

PERMISSIONS: dict[str, list[str]] = {
    "ContractTrade": ["Order", "Position"],
    "Spot": [],
    "Wallet": [],
    "Options": [],
    "Derivatives": ["DerivativesTrade"],
    "CopyTrading": [],
    "BlockTrade": [],
    "Exchange": [],
    "NFT": [],
    "Affiliate": [],
    "Earn": [],
}
ISOLATED = "ISOLATED_MARGIN"
DEFAULT_LEVERAGE = Decimal(10)


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a history; `n` orders rows made in one millisecond."""

    n: int
    ms: int
    row: dict[str, Any]


@dataclass(slots=True)
class ClosedTrade:
    """What one closing order closed."""

    n: int
    order: Order
    leverage: Decimal
    exec_type: str
    created_ms: int
    updated_ms: int
    qty: Decimal = ZERO
    entry_value: Decimal = ZERO
    exit_value: Decimal = ZERO
    open_fee: Decimal = ZERO
    close_fee: Decimal = ZERO
    pnl: Decimal = ZERO
    fills: int = 0


class Account:
    """One user id of the venue."""

    def __init__(self, uid: str, usdt: Decimal, now_ms: int) -> None:
        self.uid = uid
        self.wallet = usdt
        self.created_ms = now_ms
        self.realised_ever = ZERO
        self.margin_mode = ISOLATED
        self.margin_mode_ms = now_ms
        self.hedge_everywhere = False
        self.hedge: dict[str, bool] = {}
        self.leverages: dict[str, Decimal] = {}
        self.orders: dict[str, Order] = {}
        self.open_orders: dict[str, Order] = {}
        self.by_link_id: dict[str, list[Order]] = {}
        self.positions: dict[tuple[str, int], Position] = {}
        self.executions: list[Record] = []
        self.log: list[Record] = []
        self.closed: dict[str, ClosedTrade] = {}
        self.recent_since_ms = 0
        # What differs from an ordinary key; permissions are laid over the usual ones.
        self.key: dict[str, Any] = {}

    def permissions(self) -> dict[str, list[str]]:
        own: dict[str, list[str]] = self.key.get("permissions", {})
        return PERMISSIONS | own

    def leverage(self, symbol: str) -> Decimal:
        return self.leverages.get(symbol, DEFAULT_LEVERAGE)

    def hedged(self, symbol: str) -> bool:
        return self.hedge.get(symbol, self.hedge_everywhere)

    def position(self, symbol: str, idx: int, now_ms: int) -> Position:
        """Give the position of this symbol and side, made flat when there never was one."""
        key = (symbol, idx)
        if key not in self.positions:
            self.positions[key] = Position(symbol, idx, now_ms, now_ms)
        return self.positions[key]

    def open_positions(self, symbol: str | None = None) -> list[Position]:
        return [
            each for each in self.positions.values() if each.size and symbol in (None, each.symbol)
        ]

    def open_orders_of(self, symbol: str) -> list[Order]:
        """Give open orders of a symbol, oldest first."""
        return [order for order in self.open_orders.values() if order.symbol == symbol]

    def active_symbols(self) -> Iterator[str]:
        """Name symbols (perhaps twice) in which something may happen as the price moves."""
        for order in self.open_orders.values():
            yield order.symbol
        for position in self.positions.values():
            if position.size:
                yield position.symbol

    def position_margin(self) -> Decimal:
        return sum(
            (each.entry_value / self.leverage(each.symbol) for each in self.open_positions()), ZERO
        )

    def order_margin(self) -> Decimal:
        """Sum up what resting orders hold back; conditional and reducing ones hold nothing."""
        return sum(
            (
                self.cost(order.symbol, order.leaves * order.price)
                for order in self.open_orders.values()
                if order.status != "Untriggered" and not order.reduce_only
            ),
            ZERO,
        )

    def cost(self, symbol: str, value: Decimal) -> Decimal:
        """Give the margin and both fees an order of this value needs."""
        return value / self.leverage(symbol) + 2 * value * TAKER_FEE

    def unrealised(self, mark: Callable[[str], Decimal]) -> Decimal:
        return sum((each.unrealised(mark(each.symbol)) for each in self.open_positions()), ZERO)

    def free_margin(self, mark: Callable[[str], Decimal]) -> Decimal:
        """Give what a new order may use; open gains and losses count in cross only."""
        free = self.wallet - self.position_margin() - self.order_margin()
        return free if self.margin_mode == ISOLATED else free + self.unrealised(mark)
