"""A simulated exchange on a hand-moved clock and hand-written prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from tests.simulators.bybit.core import SimExchange
from tests.simulators.bybit.prices import Kline, SymbolRules, Touch
from tests.simulators.bybit.rules import Answer

# 2026-01-05 00:00:00 UTC, a Monday and a funding time.
START_MS = 1_767_571_200_000
HOUR_MS = 3_600_000
UID = "1001"


def symbol_rules(symbol: str, tick: str, step: str) -> SymbolRules:
    return SymbolRules(
        symbol=symbol,
        base_coin=symbol.removesuffix("USDT"),
        tick_size=Decimal(tick),
        qty_step=Decimal(step),
        min_order_qty=Decimal(step),
        max_order_qty=Decimal(1000),
        max_market_qty=Decimal(500),
        max_leverage=Decimal(100),
        base_price=Decimal(100),
        volume_per_s=Decimal(1),
        launch_ms=START_MS - 400 * 24 * HOUR_MS,
    )


class ScriptedPrices:
    """Prices stand at 100 until a test says otherwise; mark and index follow last."""

    def __init__(self) -> None:
        self._rules = {
            rules.symbol: rules
            for rules in (
                symbol_rules("BTCUSDT", "0.10", "0.001"),
                symbol_rules("ETHUSDT", "0.01", "0.01"),
            )
        }
        self.steps: dict[str, list[tuple[int, Decimal]]] = {
            symbol: [(0, Decimal(100))] for symbol in self._rules
        }
        self.marks: dict[str, Decimal] = {}
        self.book = Decimal(1000)

    def set(self, symbol: str, ms: int, price: Decimal) -> None:
        self.steps[symbol].append((ms, price))

    def last(self, symbol: str, ms: int) -> Decimal:
        return next(price for at, price in reversed(self.steps[symbol]) if at <= ms)

    def mark(self, symbol: str, ms: int) -> Decimal:
        return self.marks.get(symbol, self.last(symbol, ms))

    def index(self, symbol: str, ms: int) -> Decimal:
        return self.last(symbol, ms)

    def touch(self, symbol: str, ms: int) -> Touch:
        last = self.last(symbol, ms)
        return Touch(last - self._rules[symbol].tick_size, self.book, last, self.book)

    def path(self, symbol: str, after_ms: int, until_ms: int) -> Iterator[tuple[int, Decimal]]:
        return iter([step for step in self.steps[symbol] if after_ms < step[0] <= until_ms])

    def liquidity(self, symbol: str, ms: int) -> Decimal:
        return self.book

    def kline(self, symbol: str, interval_s: int, start_ms: int, now_ms: int) -> Kline:
        price = self.last(symbol, min(now_ms, start_ms + interval_s * 1000 - 1))
        return Kline(start_ms, price, price, price, price, Decimal(1), price)

    def symbols(self) -> Sequence[SymbolRules]:
        return tuple(self._rules.values())

    def override(self, symbol: str, price: Decimal | None) -> None:
        self.set(symbol, self.steps[symbol][-1][0], price or Decimal(100))


class Bench:
    """The exchange with short ways to ask, move time, and see what was pushed."""

    def __init__(self, **options: Any) -> None:
        self.now_ms = START_MS
        self.prices = ScriptedPrices()
        self.exchange = SimExchange(lambda: self.now_ms, self.prices, **{"usdt": 1000} | options)
        self.pushed: list[tuple[str, str, list[dict[str, Any]]]] = []
        self.exchange.on_push = lambda uid, topic, rows, message_id: self.pushed.append(
            (topic, message_id, rows)
        )

    def call(self, method: str, path: str, **params: Any) -> Answer:
        return self.exchange.handle(method, path, {"category": "linear", **params}, UID)

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        answer = self.call("GET", path, **params)
        assert answer.ret_code == 0, answer
        result: dict[str, Any] = answer.result
        return result

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(path, **params)["list"]
        return found

    def order(self, side: str = "Buy", qty: str = "1", **fields: Any) -> Answer:
        """Place an order: BTCUSDT, market, unless said otherwise."""
        request = {"symbol": "BTCUSDT", "side": side, "orderType": "Market", "qty": qty, **fields}
        return self.call("POST", "/v5/order/create", **request)

    def placed(self, side: str = "Buy", qty: str = "1", **fields: Any) -> str:
        """Place an order that must be accepted, and give its id."""
        answer = self.order(side, qty, **fields)
        assert answer.ret_code == 0, answer
        order_id: str = answer.result["orderId"]
        return order_id

    def limit(self, side: str, qty: str, price: str, **fields: Any) -> str:
        return self.placed(side, qty, orderType="Limit", price=price, **fields)

    def seen(self, order_id: str) -> dict[str, Any]:
        """Give an order as a look-up by its id shows it."""
        return self.rows("/v5/order/realtime", symbol="BTCUSDT", orderId=order_id)[0]

    def position(self, symbol: str = "BTCUSDT") -> dict[str, Any]:
        return self.rows("/v5/position/list", symbol=symbol)[0]

    def levels(self) -> dict[str, dict[str, Any]]:
        found = self.rows("/v5/order/realtime", symbol="BTCUSDT", orderFilter="StopOrder")
        return {row["stopOrderType"]: row for row in found}

    def wallet(self) -> Decimal:
        row = self.rows("/v5/account/wallet-balance", accountType="UNIFIED")[0]
        return Decimal(row["coin"][0]["walletBalance"])

    def price(self, price: str, symbol: str = "BTCUSDT", after_ms: int = 1000) -> None:
        """Let the price change after a while, and let the exchange see it."""
        self.now_ms += after_ms
        self.prices.set(symbol, self.now_ms, Decimal(price))
        self.exchange.advance()

    def wait(self, ms: int) -> None:
        self.now_ms += ms
        self.exchange.advance()

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.pushed]

    def order_pushes(self) -> list[list[tuple[str, str, str]]]:
        """Give each order message as (status, cancelType, stopOrderType) of its rows."""
        return [
            [(row["orderStatus"], row["cancelType"], row["stopOrderType"]) for row in rows]
            for topic, _, rows in self.pushed
            if topic == "order"
        ]
