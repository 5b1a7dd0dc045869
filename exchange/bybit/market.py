"""The live market: Bybit's prices, candles and trading rules in the venue's own time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from exchange.bybit import parse
from exchange.bybit.market_instruments import InstrumentBook
from exchange.bybit.market_symbol import MINUTE, SymbolFeed
from exchange.bybit.market_tickers import TickerBook, TickerState
from exchange.bybit.parse import UnreadablePayload
from exchange.bybit.rest import BybitRest, Endpoint
from exchange.bybit.stream import StreamBatch
from exchange.candles import CandleWindow, from_ms
from exchange.domain import TIMEFRAMES, ZERO, FundingEvent, Instrument, PriceStep, Quote, Ticker
from exchange.errors import CandlesUnavailable, ExchangeError, UnknownSymbol
from exchange.market.moments import closed_boundary_ms, refuse_future
from exchange.ports import MarketFacts

logger = logging.getLogger(__name__)

QUOTE_AGE = timedelta(seconds=2)
STALE_AFTER = timedelta(seconds=5)
ASK_EVERY = timedelta(seconds=1)
DEADLINE_S = 2.0


class PriceSource(Protocol):
    """A public stream, as its reader sees it."""

    def watch(self, topics: Iterable[str]) -> None: ...

    def take(self) -> StreamBatch: ...

    def doubts(self) -> tuple[str, ...]: ...


class BybitMarket:
    """``symbols`` of Bybit's USDT perpetuals. Thread-safe.

    Prices come from ``stream``, which whoever made it starts and stops; where it is silent, late
    or None, from REST. What Bybit can't be asked for raises ``CandlesUnavailable``. A quote
    carries the time at which it was true.
    """

    facts = MarketFacts(spread=True, turnover=True, funding=True, listing=True, mark=True)

    def __init__(
        self,
        rest: BybitRest,
        stream: PriceSource | None,
        symbols: Sequence[str],
        *,
        speed: float = 1.0,
    ) -> None:
        self._rest = rest
        self._stream = stream
        self._speed = speed
        self._lock = threading.Lock()
        self._pump_lock = threading.Lock()
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._tickers = TickerBook()
        self._instruments = InstrumentBook(rest, self.now)
        self._feeds = {symbol: SymbolFeed(rest, symbol, self.now) for symbol in symbols}
        self._asking = {symbol: threading.Lock() for symbol in symbols}
        self._asked = dict.fromkeys(symbols, from_ms(0))
        if stream is not None:
            stream.watch(
                topic
                for symbol in self._feeds
                for topic in (f"tickers.{symbol}", f"kline.1.{symbol}")
            )

    def now(self) -> datetime:
        """The venue's time; it never goes back, even where it is corrected."""
        moment = self._rest.server_time.now()
        with self._lock:
            self._latest = max(self._latest, moment)
            return self._latest

    @property
    def speed(self) -> float:
        return self._speed

    def symbols(self) -> Sequence[str]:
        return tuple(self._feeds)

    def instrument(self, symbol: str) -> Instrument:
        """The trading rules, at most an hour old."""
        self._feed(symbol)
        return self._instruments.rules(symbol)

    def instrument_refresh(self, symbol: str) -> Instrument:
        """The trading rules as they are now."""
        self._feed(symbol)
        return self._instruments.refresh(symbol)

    def candles(
        self, symbol: str, interval: timedelta, *, end: datetime, limit: int
    ) -> CandleWindow:
        feed = self._feed(symbol)
        if interval not in TIMEFRAMES.values():
            raise CandlesUnavailable(f"there are no candles of {interval}: {list(TIMEFRAMES)}")
        self._pump()
        last_ms = closed_boundary_ms(end, interval, self.now())
        return feed.cache(interval).window(last_ms, limit)

    def quote(self, symbol: str) -> Quote:
        state = self._ticker(symbol)
        try:
            return parse.quote(state.fields, time=state.time)
        except UnreadablePayload as error:
            self._tickers.distrust()
            raise CandlesUnavailable(f"{symbol}: no quote: {error}") from error

    def ticker(self, symbol: str) -> Ticker:
        state = self._ticker(symbol)
        try:
            return parse.ticker(
                state.fields, time=state.time, listed_at=self._instruments.listed_at(symbol)
            )
        except UnreadablePayload as error:
            self._tickers.distrust()
            raise CandlesUnavailable(f"{symbol}: no ticker: {error}") from error

    def monitor_interval(self, symbol: str) -> timedelta:
        self._feed(symbol)
        return MINUTE

    def steps(self, symbol: str, start: datetime, end: datetime) -> Iterator[PriceStep]:
        """What the stream showed, second by second where it did; whole minutes elsewhere.

        A minute that was not seen live is told once it is certain, two seconds after its close.
        """
        feed = self._feed(symbol)
        refuse_future(end, self.now())
        self._pump()
        spread, mark = self._spread(symbol), self._mark(symbol)
        return (_dressed(step, spread, mark) for step in feed.steps(start, end))

    def funding(self, symbol: str, start: datetime, end: datetime) -> Sequence[FundingEvent]:
        feed = self._feed(symbol)
        refuse_future(end, self.now())
        return feed.funding(start, end)

    def complete(self) -> None:
        """Ask REST for minutes that the stream did not show; due every second where there is a
        stream. Raises ``CandlesUnavailable``."""
        self._pump()
        for feed in self._feeds.values():
            feed.complete()

    def doubts(self) -> tuple[str, ...]:
        """Besides the stream's own and the connection's: stale prices and candles with a gap."""
        self._pump()
        now = self.now()
        found = list(self._rest.health_doubts())
        if self._stream is not None:
            found += self._stream.doubts()
            found += [sentence for symbol in self._feeds if (sentence := self._stale(symbol, now))]
        found += [
            f"{symbol}: candles are missing that later prices wait for."
            for symbol, feed in self._feeds.items()
            if feed.has_gap(now)
        ]
        return tuple(found)

    def feed(self, message: Mapping[str, Any]) -> None:
        """Take one message of the public stream; one that can't be read is a reason to ask REST."""
        topic = str(message.get("topic", ""))
        kind, _, rest = topic.partition(".")
        symbol = rest.rpartition(".")[2]
        if symbol not in self._feeds:
            return
        try:
            if kind == "tickers":
                self._tickers.stream(symbol, message)
            elif kind == "kline":
                self._feeds[symbol].kline(topic, message)
        except (UnreadablePayload, LookupError, TypeError, ValueError, OverflowError) as error:
            logger.warning("a message on %s can't be read: %s", topic, error)
            self._distrust()

    def _feed(self, symbol: str) -> SymbolFeed:
        try:
            return self._feeds[symbol]
        except KeyError:
            raise UnknownSymbol(
                f"{symbol} is not on this market; it has {', '.join(self._feeds)}"
            ) from None

    def _pump(self) -> None:
        """Take in what the stream has received. Whoever asks does it: no thread is needed."""
        if self._stream is None:
            return
        with self._pump_lock:
            batch = self._stream.take()
            if batch.opened:
                self._distrust()
            for message in batch.messages:
                self.feed(message)

    def _distrust(self) -> None:
        self._tickers.distrust()
        for feed in self._feeds.values():
            feed.distrust()

    def _ticker(self, symbol: str) -> TickerState:
        """The newest state: the stream's, or REST's where that is older than two seconds. REST is
        asked once a second at most, and what is known stands where it does not answer."""
        self._feed(symbol)
        self._pump()
        with self._asking[symbol]:
            state, now = self._tickers.get(symbol), self.now()
            within = ASK_EVERY if self._stream is None else QUOTE_AGE
            if state is not None and state.fresh(now, within):
                return state
            return self._asked_ticker(symbol, state, now)

    def _asked_ticker(self, symbol: str, state: TickerState | None, now: datetime) -> TickerState:
        if state is not None and now - self._asked[symbol] < ASK_EVERY:
            return state
        self._asked[symbol] = now
        try:
            reply = self._rest.read(
                Endpoint.TICKERS, deadline_s=DEADLINE_S, category="linear", symbol=symbol
            )
            rows = reply.result.get("list")
            if not isinstance(rows, list) or not rows:
                raise UnreadablePayload("tickers", "list", rows)
            return self._tickers.replace(symbol, rows[0], reply.time)
        except ExchangeError as error:
            if state is None:
                raise CandlesUnavailable(f"{symbol}: no price from Bybit: {error}") from error
            logger.info("%s: the last price known stands: %s", symbol, error)
            return state

    def _spread(self, symbol: str) -> Decimal:
        """Ask minus bid as last known, one tick where neither is."""
        state = self._tickers.get(symbol)
        if state is not None:
            try:
                quote = parse.quote(state.fields, time=state.time)
            except UnreadablePayload:
                return self._instruments.rules(symbol).tick_size
            if quote.ask > quote.bid > ZERO:
                return quote.ask - quote.bid
        return self._instruments.rules(symbol).tick_size

    def _mark(self, symbol: str) -> tuple[datetime, Decimal] | None:
        """The newest mark price and its time, where it is known."""
        state = self._tickers.get(symbol)
        if state is None:
            return None
        try:
            mark = parse.ticker(state.fields, time=state.time, listed_at=None).mark
        except UnreadablePayload:
            return None
        return None if mark is None else (state.time, mark)

    def _stale(self, symbol: str, now: datetime) -> str:
        streamed_at = self._tickers.streamed_at(symbol)
        if streamed_at is None:
            return f"{symbol}: Bybit's stream has not told a price yet."
        age = now - streamed_at
        if age <= STALE_AFTER:
            return ""
        return f"{symbol}: no price from Bybit's stream for {age.total_seconds():.0f} s."


def _dressed(step: PriceStep, spread: Decimal, mark: tuple[datetime, Decimal] | None) -> PriceStep:
    """The step with the spread as it is now, and with the mark price if both are of one moment."""
    if not step.spread:
        step = replace(step, spread=spread)
    if mark is None or step.end - step.start >= MINUTE or abs(mark[0] - step.end) > QUOTE_AGE:
        return step
    return replace(step, mark_low=mark[1], mark_high=mark[1])
