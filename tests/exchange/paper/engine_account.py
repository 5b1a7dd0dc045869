"""An account on the bare engine: place orders, play bars, read what was executed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from exchange.domain import (
    ZERO,
    Execution,
    FundingEvent,
    LedgerEntry,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from exchange.paper.engine import apply
from exchange.paper.state import (
    Cancel,
    Outcome,
    PaperEvent,
    PaperState,
    Place,
    SetLeverage,
    SetTradingStop,
    VenueOrder,
)
from tests.exchange.paper.scripted_market import START, Bar, Number, instrument, step

INSTRUMENTS = {name: instrument(name) for name in ("BTCUSDT", "ETHUSDT")}


def price(value: Number | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def order(
    side: Side,
    qty: Number = 10,
    limit: Number | None = None,
    *,
    stop: Number | None = None,
    target: Number | None = None,
    ioc: bool = False,
    reduce_only: bool = False,
    close_all: bool = False,
    link_id: str = "",
    symbol: str = "BTCUSDT",
    trigger: Number | None = None,
) -> OrderRequest:
    """An order in plain numbers; a market order unless it has a limit."""
    return OrderRequest(
        order_link_id=link_id,
        symbol=symbol,
        side=side,
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        qty=Decimal(str(qty)),
        price=price(limit),
        time_in_force=TimeInForce.IOC if ioc else TimeInForce.GTC,
        reduce_only=reduce_only,
        close_all=close_all,
        stop_loss=price(stop),
        take_profit=price(target),
        trigger_price=price(trigger),
    )


class EngineAccount:
    """A state that is moved by events, with everything it reported."""

    def __init__(self, *, wallet: Number = 100_000) -> None:
        self.state = PaperState(wallet=Decimal(str(wallet)), advanced_to=START)
        self.executions: list[Execution] = []
        self.ledger: list[LedgerEntry] = []
        self.orders: dict[str, VenueOrder] = {}
        self.last = Decimal(100)
        self._links = 0

    def apply(self, event: PaperEvent) -> Outcome:
        outcome = apply(self.state, event, INSTRUMENTS)
        self.state = outcome.state
        self.executions += outcome.executions
        self.ledger += outcome.ledger
        self.orders |= {one.order_link_id: one for one in outcome.orders}
        return outcome

    def place(self, request: OrderRequest) -> Outcome:
        """Place at the present; a request without a link id gets the next of a1, a2, ..."""
        if not request.order_link_id:
            self._links += 1
            request = replace(request, order_link_id=f"a{self._links}")
        return self.apply(Place(request, self.state.advanced_to, self.last))

    def cancel(self, link_id: str, symbol: str = "BTCUSDT") -> Outcome:
        return self.apply(Cancel(symbol, link_id, self.state.advanced_to))

    def set_levels(self, stop: Number | None, target: Number | None) -> Outcome:
        at = self.state.advanced_to
        return self.apply(SetTradingStop("BTCUSDT", price(stop), price(target), at, self.last))

    def set_leverage(self, leverage: Number, symbol: str = "BTCUSDT") -> Outcome:
        at = self.state.advanced_to
        return self.apply(SetLeverage(symbol, Decimal(str(leverage)), at))

    def play(self, *bars: Bar, symbol: str = "BTCUSDT") -> None:
        for one in bars:
            self.apply(step(one, self.state.advanced_to, symbol))
            self.last = one.close

    def settle_funding(self, rate: Number) -> None:
        at, mark = self.state.advanced_to, self.last
        self.apply(FundingEvent("BTCUSDT", at, Decimal(str(rate)), mark))

    def signed_qty(self, symbol: str = "BTCUSDT") -> Decimal:
        held = self.state.positions.get(symbol)
        return ZERO if held is None else held.side.sign * held.qty
