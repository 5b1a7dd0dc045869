"""Closed candles of Bybit, kept in memory, extended by the stream and mended from REST."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from exchange.bybit.parse import KLINE_CODES, UnreadablePayload, candles
from exchange.bybit.rest import BybitRest, Endpoint
from exchange.candles import CandleWindow, from_ms, to_ms
from exchange.domain import Candle
from exchange.errors import CandlesUnavailable, ExchangeError
from exchange.market.moments import span_ms

PAGE = 1000
DEADLINE_S = 4.0
# The venue may still book the last trades of a candle for a moment after its close.
FINAL_AFTER = timedelta(seconds=2)
DISTRUSTED = 5
# Bybit's first contract began to trade later in that year.
EARLIEST_MS = to_ms(datetime(2018, 1, 1, tzinfo=UTC))
KEPT = 4000
LIVE_KEPT = 500


class CandlePage(NamedTuple):
    """Closed candles, oldest first, and the venue's time when it gave them."""

    candles: list[Candle]
    time: datetime


PageFetch = Callable[[str, timedelta, int, int], CandlePage]


def fetch_page(
    rest: BybitRest,
    symbol: str,
    interval: timedelta,
    first_ms: int,
    last_ms: int,
    *,
    deadline_s: float = DEADLINE_S,
) -> CandlePage:
    """The newest ``PAGE`` closed candles that open in ``first_ms`` to ``last_ms``, both included.

    Raises ``ExchangeError``.
    """
    reply = rest.read(
        Endpoint.KLINES,
        deadline_s=deadline_s,
        category="linear",
        symbol=symbol,
        interval=KLINE_CODES[interval],
        start=first_ms,
        end=last_ms,
        limit=PAGE,
    )
    rows = reply.result.get("list")
    if not isinstance(rows, list):
        raise UnreadablePayload("kline", "list", rows)
    found = candles(symbol, interval, rows, now=reply.time)
    inside = [one for one in found if first_ms <= to_ms(one.open_time) <= last_ms]
    return CandlePage(inside, reply.time)


class CandleCache:
    """Candles of one symbol and interval. Thread-safe; ``add`` and ``distrust`` never wait.

    Raises ``CandlesUnavailable`` for what Bybit can't be asked for, or has not.
    """

    def __init__(self, symbol: str, interval: timedelta, fetch: PageFetch) -> None:
        self._symbol = symbol
        self._interval = interval
        self._span_ms = span_ms(interval)
        self._fetch = fetch
        self._lock = threading.Lock()
        self._rows: dict[int, Candle] = {}
        self._fresh: set[int] = set()
        self._begins_ms = EARLIEST_MS
        self._live: deque[Candle] = deque(maxlen=LIVE_KEPT)
        self._distrusted = False

    def add(self, candle: Candle) -> None:
        """A closed candle that the stream told."""
        self._live.append(candle)

    def distrust(self) -> None:
        """The stream may have missed something: ask for the newest candles again."""
        self._distrusted = True

    def window(self, last_ms: int, limit: int) -> CandleWindow:
        """The newest ``limit`` candles up to the boundary ``last_ms``, without a gap; fewer where
        history begins."""
        with self._lock:
            self._settle()
            opens = self._opens(last_ms - limit * self._span_ms, last_ms)
            missing = [open_ms for open_ms in opens if open_ms not in self._rows]
            if missing:
                self._fill(missing[0], missing[-1])
                opens = self._opens(opens[0], last_ms)
            self._refuse_gaps(opens)
            found = [self._rows[open_ms] for open_ms in opens]
            self._trim()
        return window_of(self._symbol, self._interval, found)

    def between(self, first_ms: int, last_ms: int) -> Iterator[Candle]:
        """Those that open from ``first_ms`` up to, not including, ``last_ms``; a page at a time
        and without those that the venue does not have."""
        for start_ms in range(first_ms, last_ms, PAGE * self._span_ms):
            stop_ms = min(start_ms + PAGE * self._span_ms, last_ms)
            yield from self._page(start_ms, stop_ms)

    def _page(self, first_ms: int, last_ms: int) -> list[Candle]:
        with self._lock:
            self._settle()
            opens = self._opens(first_ms, last_ms)
            missing = [open_ms for open_ms in opens if open_ms not in self._rows]
            if missing:
                self._keep(self._ask(missing[0], missing[-1]))
            found = [self._rows[open_ms] for open_ms in opens if open_ms in self._rows]
            self._trim()
        return found

    def _opens(self, first_ms: int, last_ms: int) -> Sequence[int]:
        return range(max(first_ms, self._begins_ms), last_ms, self._span_ms)

    def _settle(self) -> None:
        """Bring in what the stream told, and drop what was not final or may be wrong."""
        for open_ms in self._fresh:
            self._rows.pop(open_ms, None)
        self._fresh.clear()
        if self._distrusted:
            self._distrusted = False
            for open_ms in sorted(self._rows)[-DISTRUSTED:]:
                del self._rows[open_ms]
        while self._live:
            candle = self._live.popleft()
            self._rows[to_ms(candle.open_time)] = candle

    def _fill(self, first_ms: int, last_ms: int) -> None:
        """Ask back from the newest to the oldest, or to the first there ever was."""
        while last_ms >= first_ms:
            start_ms = max(first_ms, last_ms - (PAGE - 1) * self._span_ms)
            page = self._ask(start_ms, last_ms)
            self._keep(page)
            oldest_ms = to_ms(page.candles[0].open_time) if page.candles else last_ms + 1
            if oldest_ms > start_ms:
                self._note_beginning(oldest_ms, last_ms)
                return
            last_ms = start_ms - self._span_ms

    def _note_beginning(self, oldest_ms: int, last_ms: int) -> None:
        """Nothing lies right before ``oldest_ms``: the beginning of history, unless there is
        something further back."""
        if not self._ask(EARLIEST_MS, oldest_ms - 1).candles:
            self._begins_ms = oldest_ms if oldest_ms <= last_ms else last_ms + self._span_ms

    def _ask(self, first_ms: int, last_ms: int) -> CandlePage:
        try:
            return self._fetch(self._symbol, self._interval, first_ms, last_ms)
        except ExchangeError as error:
            raise CandlesUnavailable(f"{self._symbol}: no candles from Bybit: {error}") from error

    def _keep(self, page: CandlePage) -> None:
        for candle in page.candles:
            open_ms = to_ms(candle.open_time)
            self._rows[open_ms] = candle
            if candle.close_time > page.time - FINAL_AFTER:
                self._fresh.add(open_ms)

    def _refuse_gaps(self, opens: Sequence[int]) -> None:
        for open_ms in opens:
            if open_ms not in self._rows:
                close = from_ms(open_ms + self._span_ms)
                raise CandlesUnavailable(f"{self._symbol}: the candle to {close} is missing")

    def _trim(self) -> None:
        if len(self._rows) > 2 * KEPT:
            for open_ms in sorted(self._rows)[:-KEPT]:
                del self._rows[open_ms]


def window_of(symbol: str, interval: timedelta, found: Sequence[Candle]) -> CandleWindow:
    """Candles as columns."""
    return CandleWindow(
        symbol,
        interval,
        times=np.array([to_ms(one.open_time) for one in found], dtype=np.int64),
        open=np.array([float(one.open) for one in found]),
        high=np.array([float(one.high) for one in found]),
        low=np.array([float(one.low) for one in found]),
        close=np.array([float(one.close) for one in found]),
        volume=np.array([float(one.volume) for one in found]),
    )
