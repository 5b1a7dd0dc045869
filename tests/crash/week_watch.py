"""Eyes at the product's ports: what it was told and what it did, held against the true prices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from analysis.domain import AnalysisInput, Recommendation
from analysis.ports import Analyst
from exchange.bybit.market import BybitMarket
from exchange.candles import from_ms, to_ms
from exchange.domain import TIMEFRAMES, OrderAck, OrderRequest, PriceStep, Quote
from exchange.errors import MarketDataError
from exchange.paper.ledger import PaperExchange
from tests.simulators.bybit.prices import Kline, SeededPrices

MINUTE_MS = 60_000
# Age at which a quote must not be traded on, and at which the stream counts as stale.
QUOTE_LIMIT_MS = 3_000
STREAM_LIMIT_MS = 5_000
INSTANT = timedelta(milliseconds=1)
# How long the steps of a symbol may lag behind while nothing is wrong with the way to the venue.
LAG_LIMIT_MS = 5 * MINUTE_MS
TAKER_COST = Decimal("0.011")
Finding = Callable[[str], None]


class Truth:
    """Candles and ranges of the simulated prices, kept because they are asked for often."""

    def __init__(self, prices: SeededPrices) -> None:
        self._prices = prices
        self._candles: dict[tuple[str, int, int], Kline] = {}
        self._ticks = {rules.symbol: rules.tick_size for rules in prices.symbols()}

    def tick(self, symbol: str) -> Decimal:
        return self._ticks[symbol]

    def candle(self, symbol: str, span_ms: int, open_ms: int) -> Kline:
        """A closed candle."""
        key = symbol, span_ms, open_ms
        if key not in self._candles:
            ends_ms = open_ms + span_ms
            self._candles[key] = self._prices.kline(symbol, span_ms // 1000, open_ms, ends_ms)
        return self._candles[key]

    def range(self, symbol: str, first_ms: int, last_ms: int) -> tuple[Decimal, Decimal]:
        """Lowest and highest price from a minute's opening to ``last_ms``."""
        found = self._prices.kline(symbol, (last_ms - first_ms) // 1000 + 1, first_ms, last_ms)
        return found.low, found.high

    def volume(self, symbol: str, minute_ms: int, until_ms: int) -> Decimal:
        """What was traded in the minute up to and with the second of ``until_ms``."""
        return self._prices.kline(symbol, 60, minute_ms, until_ms).volume


class WatchedMarket(BybitMarket):
    """The product's market; remembers the quotes it gave."""

    given: dict[str, Quote]

    def quote(self, symbol: str) -> Quote:
        found = super().quote(symbol)
        self.given[symbol] = found
        return found


def watched_market(*args: Any) -> WatchedMarket:
    """A market without a past."""
    market = WatchedMarket(*args)
    market.given = {}
    return market


class WatchedVenue(PaperExchange):
    """The product's venue; judges each entry at the moment it arrives."""

    judge: Callable[[OrderRequest], None]

    def place_order(
        self, request: OrderRequest, *, last_look: Callable[[], None] | None = None
    ) -> OrderAck:
        if not request.reduce_only:
            self.judge(request)
        return super().place_order(request, last_look=last_look)


class EntryJudge:
    """Entries leave only on prices that are true and young."""

    def __init__(
        self,
        market: WatchedMarket,
        told_ms: dict[str, int],
        now_ms: Callable[[], int],
        finding: Finding,
    ) -> None:
        self._market, self._told_ms, self._now_ms = market, told_ms, now_ms
        self._finding = finding
        self.entries = 0
        self.oldest_ms = 0

    def __call__(self, request: OrderRequest) -> None:
        """Judge an entry that arrives now."""
        self.entries += 1
        symbol, now_ms = request.symbol, self._now_ms()
        quote = self._market.given.get(symbol)
        if quote is None:
            self._finding(f"{symbol}: an entry without any quote")
            return
        age_ms = now_ms - to_ms(quote.time)
        self.oldest_ms = max(self.oldest_ms, age_ms)
        if age_ms > QUOTE_LIMIT_MS:
            self._finding(f"{symbol}: an entry on a quote of {age_ms} ms ago")
        stream_ms = now_ms - self._told_ms.get(symbol, 0)
        if stream_ms > STREAM_LIMIT_MS:
            self._finding(f"{symbol}: an entry {stream_ms} ms after the stream's last price")
        if request.stop_loss is None:
            self._finding(f"{symbol}: an entry without a stop")


class WatchedAnalyst:
    """Compares each candle that an analysis looks at with the exchange's own."""

    def __init__(self, analyst: Analyst, truth: Truth, finding: Finding) -> None:
        self._analyst, self._truth, self._finding = analyst, truth, finding
        self.name, self.version = analyst.name, analyst.version
        self.candles = 0

    def analyse(self, given: AnalysisInput) -> Recommendation:
        """Look at what is given, then read it."""
        window, span = given.window, TIMEFRAMES[given.timeframe]
        span_ms = round(span.total_seconds() * 1000)
        columns = (window.times, window.open, window.high, window.low, window.close, window.volume)
        for open_ms, *told in zip(*(column.tolist() for column in columns), strict=True):
            real = self._truth.candle(given.symbol, span_ms, open_ms)
            wanted = [real.open, real.high, real.low, real.close, real.volume]
            if told != [float(value) for value in wanted]:
                self._finding(
                    f"{given.symbol} {given.timeframe} candle of {from_ms(open_ms)}: "
                    f"read {told}, real {wanted}"
                )
        self.candles += len(window.times)
        return self._analyst.analyse(given)


class StepListener:
    """Hears every symbol's steps from moment to moment and counts what was traded.

    The volume told never exceeds what was traded by then, and all of it is told: so no minute is
    missing and none comes twice. No step goes beyond the prices that there were.
    """

    def __init__(self, truth: Truth, symbols: Sequence[str], finding: Finding) -> None:
        self._truth, self._symbols, self._finding = truth, tuple(symbols), finding
        self._heard: dict[str, _Heard] = {}
        self.steps = 0
        self.worst_lag_ms = 0

    def restart(self, now: datetime) -> None:
        """A new market object tells the minute that is open from its beginning."""
        for heard in self._heard.values():
            minute_ms = to_ms(heard.asked) // MINUTE_MS * MINUTE_MS
            heard.count_from(minute_ms)
        for symbol in self._symbols:
            self._heard.setdefault(symbol, _Heard(now))

    def listen(self, market: BybitMarket) -> None:
        """Hear what happened since the last time."""
        now = market.now()
        for symbol, heard in self._heard.items():
            if now <= heard.asked:
                continue
            try:
                steps = list(market.steps(symbol, heard.asked, now))
            except MarketDataError:
                continue
            for step in steps:
                self._check(heard, step)
            heard.asked = now
            self._check_lag(symbol, heard, to_ms(now))

    def reaches_back_to(self, symbol: str, moment: datetime) -> int:
        """From when on the prices are of what was told at ``moment``."""
        synced = [at for at in self._heard[symbol].synced if at < to_ms(moment) - MINUTE_MS]
        return (synced[-1] if synced else self._heard[symbol].began_ms) // MINUTE_MS * MINUTE_MS

    def _check(self, heard: _Heard, step: PriceStep) -> None:
        symbol, end_ms = step.symbol, to_ms(step.end)
        self.steps += 1
        if step.start != max(heard.end, heard.asked):
            self._finding(f"{symbol}: a step from {step.start} after one to {heard.end}")
        if step.end <= heard.end:
            self._finding(f"{symbol}: a step to {step.end} after one to {heard.end}")
        heard.end = step.end
        heard.count(self._truth, symbol, end_ms, step.volume)
        if heard.told > heard.traded(self._truth, symbol, end_ms):
            self._finding(f"{symbol}: more was told than traded by {step.end}")
        low, high = self._truth.range(symbol, heard.synced[-1] // MINUTE_MS * MINUTE_MS, end_ms)
        if not low <= step.low <= step.high <= high:
            self._finding(f"{symbol}: {step} leaves the real {low} to {high}")
        if heard.told >= heard.whole:
            heard.synced.append(end_ms)

    def _check_lag(self, symbol: str, heard: _Heard, now_ms: int) -> None:
        lag_ms = now_ms - heard.synced[-1]
        self.worst_lag_ms = max(self.worst_lag_ms, lag_ms)
        if lag_ms > LAG_LIMIT_MS:
            self._finding(f"{symbol}: at {from_ms(now_ms)} nothing whole was told for {lag_ms} ms")
            heard.synced.append(now_ms)


class _Heard:
    """One symbol: what was told since a minute's opening, and the sum of whole minutes."""

    def __init__(self, now: datetime) -> None:
        self.asked = self.end = now
        self.began_ms = to_ms(now) // MINUTE_MS * MINUTE_MS
        self.count_from(self.began_ms)

    def count_from(self, minute_ms: int) -> None:
        self.told = self.whole = Decimal(0)
        self._whole_to = minute_ms
        self.synced = [*getattr(self, "synced", []), minute_ms][-2000:]

    def count(self, truth: Truth, symbol: str, end_ms: int, volume: Decimal) -> None:
        self.told += volume
        while self._whole_to + MINUTE_MS <= end_ms:
            self.whole += truth.candle(symbol, MINUTE_MS, self._whole_to).volume
            self._whole_to += MINUTE_MS

    def traded(self, truth: Truth, symbol: str, end_ms: int) -> Decimal:
        return self.whole + truth.volume(symbol, self._whole_to, end_ms)
