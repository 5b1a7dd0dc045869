"""One symbol of the live market: its candles, steps and funding from stream and REST."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from exchange.bybit.market_candles import CandleCache, CandlePage, fetch_page
from exchange.bybit.market_funding import HOUR, PUBLISHED_WITHIN, FundingLog
from exchange.bybit.market_steps import GRACE_MS, MINUTE_MS, StepLog, candle_step
from exchange.bybit.parse import UnreadablePayload, funding_rate, streamed_candle
from exchange.bybit.parse_push import interval_of, minute_push, push_time
from exchange.bybit.rest import BybitRest, Endpoint
from exchange.candles import floor_time, from_ms, to_ms
from exchange.domain import ZERO, Candle, FundingEvent, PriceStep
from exchange.errors import CandlesUnavailable, ExchangeError

MINUTE = timedelta(milliseconds=MINUTE_MS)
GRACE = timedelta(milliseconds=GRACE_MS)
FILL_EVERY = timedelta(seconds=1)
FUNDING_EVERY = timedelta(seconds=5)
FUNDING_PAGE = 200
DEADLINE_S = 2.0


class SymbolFeed:
    """What is known of ``symbol``. Thread-safe; ``kline`` and ``distrust`` never wait for REST.

    Raises ``CandlesUnavailable`` where Bybit can't be asked.
    """

    def __init__(self, rest: BybitRest, symbol: str, now: Callable[[], datetime]) -> None:
        self._rest = rest
        self._symbol = symbol
        self._now = now
        self._lock = threading.Lock()
        self._caches: dict[timedelta, CandleCache] = {}
        self._log: StepLog | None = None
        self._fill_at = self._funding_at = from_ms(0)
        self._fill_failure = ""
        self._funding: FundingLog | None = None

    def cache(self, interval: timedelta) -> CandleCache:
        with self._lock:
            if interval not in self._caches:
                self._caches[interval] = CandleCache(self._symbol, interval, self._fetch)
            return self._caches[interval]

    def kline(self, topic: str, message: Mapping[str, Any]) -> None:
        """A message of one of the kline topics. Raises what parsing raises."""
        interval = interval_of(topic)
        if interval is None:
            return
        time = push_time(message)
        for row in message["data"]:
            closed = streamed_candle(self._symbol, interval, row)
            if closed is not None:
                self.cache(interval).add(closed)
            if interval == MINUTE:
                push = minute_push(row, time=time)
                with self._lock:
                    self._steps().push(push)

    def distrust(self) -> None:
        """The stream may have missed something."""
        with self._lock:
            caches = list(self._caches.values())
        for cache in caches:
            cache.distrust()

    def has_gap(self, now: datetime) -> bool:
        """Whether a minute is missing that the stream has already gone beyond."""
        with self._lock:
            log = self._log
            return log is not None and log.held_up and log.overdue(now) is not None

    def complete(self) -> None:
        """Ask for a missing minute, and forget what is old. Nobody may ask for steps for days, and
        the first who does wants them at once."""
        with self._lock:
            if self._log is None:
                return
            self._log.forget(self._now())
            missing = self._log.overdue(self._now()) if self._log.held_up else None
        if missing is not None:
            self._fill(*missing)

    def steps(self, start: datetime, end: datetime) -> Iterator[PriceStep]:
        """Steps that end in ``(start, end]``; their spread is 0, it is not known here."""
        with self._lock:
            overdue = self._steps().overdue(end)
        if overdue is not None:
            self._fill(*overdue)
        with self._lock:
            log = self._steps()
            begin = log.begin
            told = log.tell(start, end)
            log.forget(self._now())
        return chain(self._history(start, min(end, begin)), told)

    def funding(self, start: datetime, end: datetime) -> list[FundingEvent]:
        """Settlements in ``(start, end]``, oldest first."""
        now = self._now()
        with self._lock:
            if self._funding is None:
                self._funding = FundingLog(floor_time(now - PUBLISHED_WITHIN, HOUR))
            log = self._funding
            after = log.known_until
            ask = log.awaits(end) and now - self._funding_at >= FUNDING_EVERY
            if ask:
                self._funding_at = now
        if ask:
            published = self._settled(after, now)
            with self._lock:
                log.learn(published, now)
        old_until = min(end, log.begin)
        old = self._settled(start, old_until) if _has_hour(start, old_until) else []
        with self._lock:
            return [*old, *log.tell(start, end)]

    def _steps(self) -> StepLog:
        if self._log is None:
            self._log = StepLog(self._symbol, _minute(self._now() - GRACE))
        return self._log

    def _fill(self, first_ms: int, last_ms: int) -> None:
        """Complete minutes from REST; at most once a second, in between as it was the last time."""
        now = self._now()
        with self._lock:
            too_soon = now - self._fill_at < FILL_EVERY
            failure = self._fill_failure
            if not too_soon:
                self._fill_at = now
        if too_soon:
            if failure:
                raise CandlesUnavailable(failure)
            return
        try:
            candles = list(self.cache(MINUTE).between(first_ms, last_ms))
            failure = ""
        except CandlesUnavailable as error:
            failure = str(error)
            raise
        finally:
            with self._lock:
                self._fill_failure = failure
        with self._lock:
            self._steps().fill(candles, ZERO)

    def _history(self, start: datetime, end: datetime) -> Iterator[PriceStep]:
        """Whole candles of what the log does not reach back to."""
        last_ms = _minute(end)
        known_until = start
        for candle in self.cache(MINUTE).between(_minute(start), last_ms):
            known_until = candle.close_time
            yield candle_step(candle, start, ZERO)
        boundary = from_ms(last_ms)
        if known_until < boundary and self._now() - boundary < MINUTE:
            raise CandlesUnavailable(f"{self._symbol}: the candle to {boundary} is not there yet")

    def _fetch(self, symbol: str, interval: timedelta, first_ms: int, last_ms: int) -> CandlePage:
        return fetch_page(self._rest, symbol, interval, first_ms, last_ms)

    def _settled(self, after: datetime, until: datetime) -> list[FundingEvent]:
        """Settlements in ``(after, until]`` as Bybit publishes them, oldest first."""
        try:
            rates = self._rates(to_ms(after) + 1, to_ms(until))
        except ExchangeError as error:
            raise CandlesUnavailable(f"{self._symbol}: no funding from Bybit: {error}") from error
        return [
            FundingEvent(self._symbol, time, rate, self._close_at(time).close)
            for time, rate in sorted(rates.items())
        ]

    def _rates(self, first_ms: int, last_ms: int) -> dict[datetime, Any]:
        found: dict[datetime, Any] = {}
        while first_ms <= last_ms:
            reply = self._rest.read(
                Endpoint.FUNDING_HISTORY,
                deadline_s=DEADLINE_S,
                category="linear",
                symbol=self._symbol,
                startTime=first_ms,
                endTime=last_ms,
                limit=FUNDING_PAGE,
            )
            rows = reply.result.get("list")
            if not isinstance(rows, list):
                raise UnreadablePayload("funding/history", "list", rows)
            page = [funding_rate(row) for row in rows]
            found |= {one.time: one.rate for one in page}
            if len(page) < FUNDING_PAGE:
                break
            last_ms = min(to_ms(one.time) for one in page) - 1
        return {time: rate for time, rate in found.items() if first_ms <= to_ms(time)}

    def _close_at(self, time: datetime) -> Candle:
        """The minute that closed at ``time``: its close stands for the mark price, which Bybit
        does not publish with a settlement."""
        found = list(self.cache(MINUTE).between(to_ms(time) - MINUTE_MS, to_ms(time)))
        if not found:
            raise CandlesUnavailable(f"{self._symbol}: no price at the funding of {time}")
        return found[0]


def _minute(moment: datetime) -> int:
    return to_ms(moment) // MINUTE_MS * MINUTE_MS


def _has_hour(start: datetime, end: datetime) -> bool:
    """Whether a whole hour, at which funding may be settled, lies in ``(start, end]``."""
    return floor_time(end, HOUR) > floor_time(start, HOUR)
