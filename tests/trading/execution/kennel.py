"""A watchdog with its venue, file, notes and clock in a test's hands."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from exchange.choices import LinkState
from exchange.domain import OrderAck, OrderRequest, PositionReport, Side
from exchange.errors import (
    ExchangeHalted,
    ExchangeUnavailable,
    OrderOutcomeUnknown,
    OrderRejected,
)
from exchange.ports import ExchangeClient
from tests.exchange.paper.scripted_market import ScriptedMarket
from tests.trading.execution.fake_venue import FakeVenue
from tests.trading.execution.floor import HandClock
from trading.choices import EventLevel
from trading.execution.protection_file import ProtectedTrade, ProtectionFile
from trading.execution.watchdog import Watchdog

D = Decimal
LONG = ProtectedTrade(1, "BTCUSDT", Side.BUY, D(10), D(95), D(110))
SHORT = ProtectedTrade(2, "ETHUSDT", Side.SELL, D(4), D(105), D(90))


class WatchedVenue(FakeVenue):
    """A venue whose orders come from the watchdog; ``lose`` and ``rejects`` as for the trader."""

    def __init__(self) -> None:
        super().__init__(ScriptedMarket("BTCUSDT", "ETHUSDT"))
        self.halted = False
        self.rejection: OrderRejected | None = None
        self.stops_unanswered = 0

    def hold(self, symbol: str, side: Side, qty: Decimal, stop: Decimal | None) -> None:
        self.holdings[symbol] = PositionReport(
            symbol, side, qty, D(100), stop, None, D(2), None, self.market.now()
        )

    def positions(self) -> list[PositionReport]:
        self.lookups += 1
        if self.halted:
            raise ExchangeHalted("the key was revoked")
        return list(super().positions())

    def set_trading_stop(
        self, *, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        if self.rejection is not None:
            self.stop_calls.append((stop_loss, take_profit))
            raise self.rejection
        super().set_trading_stop(symbol=symbol, stop_loss=stop_loss, take_profit=take_profit)
        if self.stops_unanswered:
            self.stops_unanswered -= 1
            raise OrderOutcomeUnknown("no answer in time")

    def place_order(
        self, request: OrderRequest, *, last_look: Callable[[], None] | None = None
    ) -> OrderAck:
        if last_look is not None:
            last_look()
        self.posts.append(request)
        if self.rejects:
            raise OrderRejected("refused", code=self.rejects)
        if self.lose == "before":
            raise OrderOutcomeUnknown("the connection broke")
        report = self.take(request)
        if self.lose == "after":
            raise OrderOutcomeUnknown("no answer in time")
        return OrderAck(request.order_link_id, report.order_id)


class Notebook:
    """Keeps what a watchdog says."""

    def __init__(self) -> None:
        self.states: list[tuple[LinkState, str]] = []
        self.acts: list[tuple[str, EventLevel, str]] = []

    def state(self, state: LinkState, reason: str) -> None:
        self.states.append((state, reason))

    def act(self, kind: str, level: EventLevel, text: str, trade: int) -> None:
        self.acts.append((kind, level, text))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.acts]


class Kennel:
    """A watchdog with its venue, file and clock in a test's hands."""

    def __init__(self, folder: Path) -> None:
        self.venue = WatchedVenue()
        self.clock = HandClock()
        self.file = ProtectionFile(folder / "protection-1.json", 1)
        self.notes = Notebook()
        self.made, self.broken = 0, False
        self.watchdog = Watchdog(self._client, self.file, self.clock, self.notes)

    def _client(self) -> ExchangeClient:
        self.made += 1
        if self.broken:
            raise ExchangeUnavailable("not now")
        return self.venue

    def protect(self, *trades: ProtectedTrade, pid: int = 0) -> None:
        self.file.write(trades, mode="DEMO", region="bybit.com", now=self.clock.now())
        if pid:
            text = self.file.path.read_text()
            self.file.path.write_text(text.replace(f'"pid": {os.getpid()}', f'"pid": {pid}'))

    def look(self, seconds: float = 0.0) -> None:
        """Rounds at the watchdog's own pace until ``seconds`` have passed; one at least."""
        until = self.clock.monotonic() + seconds
        while True:
            pause = self.watchdog.round()
            if self.clock.monotonic() + pause > until:
                self.clock.pass_seconds(until - self.clock.monotonic())
                return
            self.clock.pass_seconds(pause)

    @property
    def state(self) -> tuple[LinkState, str]:
        return self.notes.states[-1]
