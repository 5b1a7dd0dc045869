"""What the public streams say: tickers, candles, trades and the best quotes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.simulators.bybit.respond import Venue
from tests.simulators.bybit.rules import Prices, text

Frame = dict[str, Any]
MINUTES = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720")
INTERVALS = (*MINUTES, "D", "W", "M")
KINDS = ("tickers", "kline", "publicTrade", "orderbook")
DAY_MS = 86_400_000
# The epoch was a Thursday; weeks start on Monday.
FIRST_MONDAY_MS = 4 * DAY_MS
BOOK_REPEAT_MS = 3_000


def candle_bounds(interval: str, ms: int) -> tuple[int, int]:
    """Start of the candle that ``ms`` lies in, and of the next."""
    if interval == "M":
        month = datetime.fromtimestamp(ms / 1000, UTC).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        later = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
        return round(month.timestamp() * 1000), round(later.timestamp() * 1000)
    if interval == "W":
        start = (ms - FIRST_MONDAY_MS) // (7 * DAY_MS) * 7 * DAY_MS + FIRST_MONDAY_MS
        return start, start + 7 * DAY_MS
    length = DAY_MS if interval == "D" else int(interval) * 60_000
    start = ms // length * length
    return start, start + length


class PublicFeed:
    """Makes the frames of topics somebody watches. Call ``due`` every 100 ms."""

    def __init__(self, venue: Venue, prices: Prices, clock: Callable[[], int]) -> None:
        self._venue = venue
        self._prices = prices
        self._clock = clock
        self._symbols = {rules.symbol for rules in prices.symbols()}
        self._tickers: dict[str, dict[str, Any]] = {}
        self._told_ms: dict[str, int] = {}
        self._books: dict[str, tuple[Any, int]] = {}
        self._sequence = 0

    def exists(self, topic: str) -> bool:
        """Whether a client may subscribe to it."""
        parts = topic.split(".")
        kind, symbol = parts[0], parts[-1]
        if kind not in KINDS or symbol not in self._symbols:
            return False
        if kind == "kline":
            return len(parts) == 3 and parts[1] in INTERVALS
        if kind == "orderbook":
            return len(parts) == 3 and parts[1] == "1"
        return len(parts) == 2

    def snapshot(self, topic: str) -> Frame | None:
        """The first frame of a new subscription, where the topic has one."""
        kind, symbol = topic.split(".")[0], topic.split(".")[-1]
        if kind == "tickers":
            ticker = self._tickers.setdefault(symbol, self._ticker(symbol))
            return self._frame(topic, "snapshot", dict(ticker), cs=self._sequence)
        if kind == "orderbook":
            return self._book(topic, symbol)
        return None

    def due(self, topics: Iterable[str]) -> Iterator[tuple[str, Frame]]:
        """The frames of these topics that are due now."""
        now_ms = self._clock()
        for topic in topics:
            parts = topic.split(".")
            kind, symbol = parts[0], parts[-1]
            if kind == "tickers":
                yield from self._ticker_change(topic, symbol)
                continue
            told_ms = self._told_ms.get(topic, now_ms)
            if now_ms // 1000 == told_ms // 1000 and topic in self._told_ms:
                continue
            self._told_ms[topic] = now_ms
            if kind == "kline":
                yield from self._candles(topic, parts[1], symbol, told_ms, now_ms)
            elif kind == "publicTrade":
                yield topic, self._trade(topic, symbol, now_ms)
            else:
                yield from self._book_change(topic, symbol, now_ms)

    def forget(self, watched: Iterable[str]) -> None:
        """Drop the memory of topics nobody watches any more."""
        kept = set(watched)
        self._told_ms = {topic: ms for topic, ms in self._told_ms.items() if topic in kept}
        self._tickers = {s: row for s, row in self._tickers.items() if f"tickers.{s}" in kept}

    def _ticker(self, symbol: str) -> dict[str, Any]:
        asked = {"category": "linear", "symbol": symbol}
        result = self._venue.handle("GET", "/v5/market/tickers", asked, None).result
        # A symbol that is delisted has no ticker any more.
        return dict(result["list"][0]) if result["list"] else {}

    def _ticker_change(self, topic: str, symbol: str) -> Iterator[tuple[str, Frame]]:
        now = self._ticker(symbol)
        before = self._tickers.get(symbol, {})
        changed = {name: value for name, value in now.items() if before.get(name) != value}
        self._tickers[symbol] = now
        if changed:
            self._sequence += 1
            data = {"symbol": symbol, **changed}
            yield topic, self._frame(topic, "delta", data, cs=self._sequence)

    def _candles(
        self, topic: str, interval: str, symbol: str, told_ms: int, now_ms: int
    ) -> Iterator[tuple[str, Frame]]:
        """Each candle closed since the last telling, then the one that is open."""
        start, end = candle_bounds(interval, told_ms)
        while end <= now_ms:
            yield topic, self._candle(topic, interval, symbol, start, end, end)
            start, end = candle_bounds(interval, end)
        yield topic, self._candle(topic, interval, symbol, start, end, now_ms)

    def _candle(
        self, topic: str, interval: str, symbol: str, start: int, end: int, at_ms: int
    ) -> Frame:
        kline = self._prices.kline(symbol, (end - start) // 1000, start, at_ms)
        row = {
            "start": start,
            "end": end - 1,
            "interval": interval,
            "open": text(kline.open),
            "close": text(kline.close),
            "high": text(kline.high),
            "low": text(kline.low),
            "volume": text(kline.volume),
            "turnover": text(kline.turnover),
            "confirm": at_ms >= end,
            "timestamp": at_ms,
        }
        return self._frame(topic, "snapshot", [row])

    def _trade(self, topic: str, symbol: str, now_ms: int) -> Frame:
        second = now_ms // 1000 * 1000
        kline = self._prices.kline(symbol, 1, second, now_ms)
        row = {
            "T": second,
            "s": symbol,
            "S": "Buy" if kline.close >= kline.open else "Sell",
            "v": text(kline.volume),
            "p": text(kline.close),
            "L": "PlusTick" if kline.close > kline.open else "MinusTick",
            "i": str(uuid.uuid4()),
            "BT": False,
            "RPI": False,
            "seq": second,
        }
        return self._frame(topic, "snapshot", [row])

    def _book_change(self, topic: str, symbol: str, now_ms: int) -> Iterator[tuple[str, Frame]]:
        touch, told_ms = self._books.get(topic, (None, 0))
        if touch != self._prices.touch(symbol, now_ms) or now_ms - told_ms >= BOOK_REPEAT_MS:
            yield topic, self._book(topic, symbol)

    def _book(self, topic: str, symbol: str) -> Frame:
        now_ms = self._clock()
        touch = self._prices.touch(symbol, now_ms)
        self._books[topic] = touch, now_ms
        self._sequence += 1
        data = {
            "s": symbol,
            "b": [[text(touch.bid), text(touch.bid_size)]],
            "a": [[text(touch.ask), text(touch.ask_size)]],
            "u": self._sequence,
            "seq": self._sequence,
        }
        return self._frame(topic, "snapshot", data, cts=now_ms)

    def _frame(self, topic: str, kind: str, data: Any, **more: Any) -> Frame:
        return {"topic": topic, "type": kind, "data": data, "ts": self._clock(), **more}
