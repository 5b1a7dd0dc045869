"""A market whose every price a test writes down, at the ``MarketData`` port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from exchange.candles import CandleWindow
from exchange.domain import FundingEvent, Instrument, PriceStep, Quote, Ticker
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.ports import MarketFacts

START = datetime(2024, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

Number = str | int | Decimal


def instrument(symbol: str = "BTCUSDT") -> Instrument:
    """Round trading rules: tick 0.1, step 0.001, value from 5 USDT, leverage to 20."""
    return Instrument(
        symbol=symbol,
        tick_size=Decimal("0.1"),
        qty_step=Decimal("0.001"),
        min_qty=Decimal("0.002"),
        max_qty=Decimal(1000),
        min_notional=Decimal(5),
        max_leverage=Decimal(20),
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One step without its time."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    spread: Decimal


def bar(
    open_: Number,
    high: Number,
    low: Number,
    close: Number,
    *,
    volume: Number = 1000,
    spread: Number = "0.2",
) -> Bar:
    """A bar from plain numbers."""
    return Bar(*(Decimal(str(one)) for one in (open_, high, low, close, volume, spread)))


def candles(*prices: Number, volume: Number = 1000) -> list[Bar]:
    """Bars that walk from price to price: ``candles(100, 101, 97)`` is two of them."""
    path = [Decimal(str(price)) for price in prices]
    return [bar(a, max(a, b), min(a, b), b, volume=volume) for a, b in pairwise(path)]


def step(bar_: Bar, start: datetime, symbol: str = "BTCUSDT") -> PriceStep:
    """The bar as the minute that begins at ``start``."""
    return PriceStep(
        symbol=symbol,
        start=start,
        end=start + MINUTE,
        open=bar_.open,
        high=bar_.high,
        low=bar_.low,
        close=bar_.close,
        volume=bar_.volume,
        spread=bar_.spread,
    )


class ScriptedMarket:
    """Time stands still until ``play`` adds a minute."""

    facts = MarketFacts(
        spread=False, turnover=False, funding=False, listing=False, mark=False, candles=False
    )
    speed = 0.0

    def __init__(self, *symbols: str, price: Number = 100) -> None:
        names = symbols or ("BTCUSDT",)
        self._now = START
        self._rules = {name: instrument(name) for name in names}
        self._last = {name: Decimal(str(price)) for name in names}
        self._steps: dict[str, list[PriceStep]] = {name: [] for name in names}
        self._funding: dict[str, list[FundingEvent]] = {name: [] for name in names}
        self.silent = False
        self.doubted: list[str] = []

    def play(self, *bars: Bar, symbol: str = "BTCUSDT") -> None:
        """Let each bar happen, one minute after the other."""
        for one in bars:
            self.play_together({symbol: one})

    def play_together(self, bars: dict[str, Bar]) -> None:
        """Let a bar of each symbol happen in the same minute."""
        for symbol, one in bars.items():
            self._steps[symbol].append(step(one, self._now, symbol))
            self._last[symbol] = one.close
        self._now += MINUTE

    def settle_funding(
        self, rate: Number, *, symbol: str = "BTCUSDT", after: timedelta = timedelta()
    ) -> None:
        """A settlement at the present, or ``after`` it, on the present last price."""
        time, mark = self._now + after, self._last[symbol]
        self._funding[symbol].append(FundingEvent(symbol, time, Decimal(str(rate)), mark))

    def now(self) -> datetime:
        return self._now

    def symbols(self) -> Sequence[str]:
        return tuple(self._rules)

    def instrument(self, symbol: str) -> Instrument:
        if symbol not in self._rules:
            raise UnknownSymbol(f"The scripted market has no {symbol}.")
        return self._rules[symbol]

    def candles(
        self, symbol: str, interval: timedelta, *, end: datetime, limit: int
    ) -> CandleWindow:
        raise CandlesUnavailable("The scripted market keeps steps only.")

    def quote(self, symbol: str) -> Quote:
        self.instrument(symbol)
        last, half = self._last[symbol], Decimal("0.1")
        return Quote(symbol, self._now, last - half, last + half, last)

    def ticker(self, symbol: str) -> Ticker:
        return Ticker(symbol, self._now, self._last[symbol], None, None, None, None, None)

    def monitor_interval(self, symbol: str) -> timedelta:
        return MINUTE

    def steps(self, symbol: str, start: datetime, end: datetime) -> Iterator[PriceStep]:
        if self.silent:
            raise CandlesUnavailable("The scripted market is silent.")
        return iter([one for one in self._steps[symbol] if start < one.end <= end])

    def funding(self, symbol: str, start: datetime, end: datetime) -> Sequence[FundingEvent]:
        return [one for one in self._funding[symbol] if start < one.time <= end]

    def doubts(self) -> tuple[str, ...]:
        return tuple(self.doubted)
