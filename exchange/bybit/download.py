"""Filling the candle archive from Bybit: only what it lacks, losing nothing that was fetched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from exchange.bybit.market_candles import FINAL_AFTER, PAGE, fetch_page, window_of
from exchange.bybit.market_instruments import InstrumentBook
from exchange.bybit.rest import BybitRest
from exchange.candles import CandleWindow, Ints, floor_time, to_ms
from exchange.domain import Candle
from exchange.errors import CandleFileError, UnknownSymbol
from exchange.market.archive import Archive
from exchange.market.moments import span_ms
from exchange.models import CandleSeries

STORE_EVERY_S = 15.0
NOTE_EVERY_S = 1.0
DEADLINE_S = 60.0
COLUMNS = ("times", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the candles that were lacking have been asked for, and the seconds left at the
    speed so far (None before the first page)."""

    done: int
    wanted: int
    left_s: float | None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a download brought: candles that were lacking, fetched of them, and not to be had."""

    wanted: int
    fetched: int

    @property
    def missing(self) -> int:
        return self.wanted - self.fetched


class Download:
    """Candles of ``symbol`` that open in ``start`` to ``end`` (not included), from Bybit to
    ``archive``. Only candles that are final are taken, none before the symbol was listed.

    ``run`` stores every 15 seconds and, whatever ends it, at its end. Raises ``UnknownSymbol``,
    ``MarketDataError``, ``ExchangeError`` and, for impossible candles, ``CandleFileError``.
    """

    def __init__(
        self,
        rest: BybitRest,
        archive: Archive,
        symbol: str,
        interval: timedelta,
        *,
        source: str,
        note: Callable[[Progress], None],
    ) -> None:
        self._rest = rest
        self._archive = archive
        self._symbol = symbol
        self._interval = interval
        self._source = source
        self._note = note
        self._fetched: list[Candle] = []

    def run(self, start: datetime, end: datetime) -> Downloaded:
        """Fetch what is lacking, oldest first."""
        lacking = self._lacking(start, end)
        asked = stored = 0
        began = noted = kept = time.monotonic()
        self._note(Progress(0, len(lacking), None))
        try:
            for first_ms, last_ms, count in _pages(lacking, span_ms(self._interval)):
                self._fetch(first_ms, last_ms)
                asked += count
                now = time.monotonic()
                if now - noted >= NOTE_EVERY_S or asked == len(lacking):
                    noted = now
                    left_s = (now - began) / asked * (len(lacking) - asked)
                    self._note(Progress(asked, len(lacking), left_s))
                if now - kept >= STORE_EVERY_S:
                    stored += self._store()
                    kept = time.monotonic()
        finally:
            stored += self._store()
        return Downloaded(len(lacking), stored)

    def _lacking(self, start: datetime, end: datetime) -> Ints:
        """Open times of the candles that the archive lacks."""
        listed_at = InstrumentBook(self._rest, self._rest.server_time.now).listed_at(self._symbol)
        if listed_at is not None:
            start = max(start, listed_at)
        first = floor_time(start, self._interval)
        if first < start:
            first += self._interval
        final_at = self._rest.server_time.now() - FINAL_AFTER
        last = min(end, floor_time(final_at, self._interval))
        wanted = np.arange(to_ms(first), to_ms(last), span_ms(self._interval), dtype=np.int64)
        stored = self._stored()
        return wanted if stored is None else np.setdiff1d(wanted, stored.times)

    def _fetch(self, first_ms: int, last_ms: int) -> None:
        page = fetch_page(
            self._rest, self._symbol, self._interval, first_ms, last_ms, deadline_s=DEADLINE_S
        )
        self._fetched += [
            candle for candle in page.candles if candle.close_time <= page.time - FINAL_AFTER
        ]

    def _store(self) -> int:
        """Put what was fetched into the archive; how many candles that were."""
        if not self._fetched:
            return 0
        fetched = window_of(self._symbol, self._interval, self._fetched)
        _refuse_impossible(fetched)
        stored, source = self._stored(), self._source
        if stored is not None:
            series = CandleSeries.objects.get(
                symbol=self._symbol, interval_s=int(self._interval.total_seconds())
            )
            source = series.source if source in series.source else f"{series.source}, {source}"
            fetched = _joined(stored, fetched)
        self._archive.store(fetched, source=source, replace=True)
        count = len(self._fetched)
        self._fetched = []
        return count

    def _stored(self) -> CandleWindow | None:
        """The series as it is; None where there is none. One that is damaged raises."""
        try:
            intervals = self._archive.intervals(self._symbol)
        except UnknownSymbol:
            return None
        if self._interval not in intervals:
            return None
        return self._archive.load(self._symbol, self._interval)


def _pages(lacking: Ints, length_ms: int) -> Iterator[tuple[int, int, int]]:
    """Runs of neighbours as pages: first and last open time, and how many."""
    breaks = np.flatnonzero(np.diff(lacking) != length_ms) + 1
    for run in np.split(lacking, breaks):
        for begin in range(0, len(run), PAGE):
            page = run[begin : begin + PAGE]
            yield int(page[0]), int(page[-1]), len(page)


def _joined(stored: CandleWindow, fetched: CandleWindow) -> CandleWindow:
    """Both in order; what was stored stays where both have a candle."""
    new = ~np.isin(fetched.times, stored.times)
    times = np.concatenate([stored.times, fetched.times[new]])
    order = np.argsort(times, kind="stable")
    columns = (
        np.concatenate([getattr(stored, name), getattr(fetched, name)[new]])[order]
        for name in COLUMNS
    )
    return CandleWindow(stored.symbol, stored.interval, *columns)


def _refuse_impossible(window: CandleWindow) -> None:
    bodies = np.array([window.open, window.close])
    possible = (
        (window.low > 0)
        & (window.low <= bodies.min(axis=0))
        & (window.high >= bodies.max(axis=0))
        & (window.volume >= 0)
        & (window.times % span_ms(window.interval) == 0)
    )
    if not possible.all():
        bad = window.candle(int(np.flatnonzero(~possible)[0]))
        raise CandleFileError(
            f"Bybit told an impossible candle of {bad.symbol} at {bad.open_time:%Y-%m-%d %H:%M}"
        )
