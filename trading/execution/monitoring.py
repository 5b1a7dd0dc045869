"""Closed monitor candles for the exit rules: each once, in order, none missed for good.

A venue may give a candle late, twice, or after younger ones. Rules run over an unbroken run of
candles; where one is missing they wait for it, but not for ever: what came after two minutes is
swept up by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from exchange.candles import floor_time
from exchange.domain import Candle
from exchange.errors import CandlesUnavailable
from trading.candle_store import candles_keep
from trading.execution.desk import Desk
from trading.models import Trade

# How far market time may run before the newest managed candle is stored again.
STORE_EVERY = timedelta(minutes=15)
MAX_CANDLES = 2000
# How long younger candles wait for one that is missing, and how often it is looked for then.
PATIENCE = timedelta(minutes=2)
SWEEP_S = 120.0
# A candle that has not come by then is never managed.
GIVEN_UP_AFTER = timedelta(hours=1)


@dataclass(slots=True)
class _Seen:
    """What has been managed of one trade: everything up to ``until``, but for ``missing`` (open
    times)."""

    until: datetime
    missing: set[datetime] = field(default_factory=set)


class Monitor:
    """The candles that the open trades of one desk still have to be managed with. Remembers how
    far it got; after a restart it starts at the newest stored one, which is harmless because stops
    only move one way."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: dict[int, _Seen] = {}
        self._swept_s = -inf

    def keep(self, trade_ids: Collection[int]) -> None:
        """Forget all other trades."""
        self._seen = {pk: seen for pk, seen in self._seen.items() if pk in trade_ids}

    def sweep_due(self) -> bool:
        """Whether two minutes have gone by since the last sweep; the next one begins then."""
        now_s = self._desk.clock.monotonic()
        due = now_s - self._swept_s >= SWEEP_S
        if due:
            self._swept_s = now_s
        return due

    def candles(self, trade: Trade, *, sweep: bool) -> list[Candle]:
        """Closed candles to manage the trade with now, oldest first."""
        seen = self._of(trade)
        interval = self._desk.market.monitor_interval(trade.symbol)
        newest = floor_time(self._desk.market.now(), interval)
        found: list[Candle] = []
        if sweep and seen.missing:
            found += self._late_ones(trade, seen, interval, newest)
        if newest > seen.until:
            found += self._next_ones(trade, seen, interval, newest)
        if found and self._desk.price_source:
            candles_keep(self._desk.price_source, found)
        return found

    def managed(self, trade: Trade, candle: Candle) -> None:
        """The candle was managed; it is stored now and then."""
        seen = self._of(trade)
        if candle.open_time in seen.missing:
            seen.missing.discard(candle.open_time)
            return
        seen.missing |= self._skipped(seen, candle)
        seen.until = candle.close_time
        if trade.managed_until is None or seen.until - trade.managed_until >= STORE_EVERY:
            trade.managed_until = seen.until
            Trade.objects.filter(pk=trade.pk).update(managed_until=seen.until)

    def _of(self, trade: Trade) -> _Seen:
        if trade.pk not in self._seen:
            if trade.managed_until is None:
                raise ValueError(f"{trade} has not opened")
            self._seen[trade.pk] = _Seen(trade.managed_until)
        return self._seen[trade.pk]

    def _next_ones(
        self, trade: Trade, seen: _Seen, interval: timedelta, newest: datetime
    ) -> list[Candle]:
        first = floor_time(seen.until, interval)
        end = min(newest, first + MAX_CANDLES * interval)
        candles = self._ask(trade.symbol, interval, first, end)
        if not candles and end < newest:
            candles = self._ask(trade.symbol, interval, end, newest)
        return self._in_order(candles, first)

    def _in_order(self, candles: Sequence[Candle], first: datetime) -> list[Candle]:
        """The candles up to a hole that may still be filled. History holds all it ever will."""
        found: list[Candle] = []
        expected, now = first, self._desk.market.now()
        for candle in candles:
            if candle.open_time < expected:
                # The same one once more.
                continue
            hole = candle.open_time > expected
            if hole and self._desk.live and now - candle.open_time < PATIENCE:
                break
            found.append(candle)
            expected = candle.close_time
        return found

    def _late_ones(
        self, trade: Trade, seen: _Seen, interval: timedelta, newest: datetime
    ) -> list[Candle]:
        oldest = self._desk.market.now() - GIVEN_UP_AFTER
        seen.missing = {opened for opened in seen.missing if opened >= oldest}
        if not seen.missing:
            return []
        candles = self._ask(trade.symbol, interval, min(seen.missing), newest)
        return [candle for candle in candles if candle.open_time in seen.missing]

    def _ask(
        self, symbol: str, interval: timedelta, start: datetime, end: datetime
    ) -> list[Candle]:
        """Candles that opened at ``start`` or later and had closed by ``end``. A market may refuse
        them all because of one that it lacks; in the end those after the hole have to do."""
        try:
            return self._window(symbol, interval, start, end)
        except CandlesUnavailable as exc:
            # With a cause it is not a hole: nobody answered, and asking on only takes time.
            waited = self._desk.market.now() - start >= PATIENCE + interval
            if exc.__cause__ is not None or not self._desk.live or not waited:
                raise
            return self._newest_run(symbol, interval, start, end)

    def _newest_run(
        self, symbol: str, interval: timedelta, start: datetime, end: datetime
    ) -> list[Candle]:
        """The newest candles that the market gives without a hole, twice as many with each
        question. Raises ``CandlesUnavailable`` where it does not even give the last one."""
        found = self._window(symbol, interval, end - interval, end)
        count = 2
        while end - count * interval > start:
            try:
                found = self._window(symbol, interval, end - count * interval, end)
            except CandlesUnavailable:
                break
            count *= 2
        return found

    def _window(
        self, symbol: str, interval: timedelta, start: datetime, end: datetime
    ) -> list[Candle]:
        count = int((end - start) / interval)
        window = self._desk.market.candles(symbol, interval, end=end, limit=count)
        candles = [window.candle(index) for index in range(len(window))]
        return [candle for candle in candles if candle.open_time >= start]

    @staticmethod
    def _skipped(seen: _Seen, candle: Candle) -> set[datetime]:
        first = floor_time(seen.until, candle.interval)
        count = int((candle.open_time - first) / candle.interval)
        return {first + index * candle.interval for index in range(count)}
