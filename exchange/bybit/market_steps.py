"""What price did, put together from the stream's candle pushes and from candles of REST.

A push tells the whole of its minute so far, so what happened since the push before is the
difference: exactly how far high and low were extended, and the volume between. A minute is
complete with its confirmed push or its candle from REST; pushes of later minutes wait for that,
so that the steps come in the order in which things happened.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from exchange.candles import from_ms, to_ms
from exchange.domain import ZERO, Candle, PriceStep

MINUTE_MS = 60_000
INSTANT = timedelta(milliseconds=1)
# For how long a venue may still book the last trades of a minute.
GRACE_MS = 2_000
KEPT_MS = 15 * MINUTE_MS
WAITING_MINUTES = 30
WAITING_PUSHES = 300


@dataclass(frozen=True, slots=True)
class Push:
    """The minute that opens at ``minute_ms`` as it stood at ``time``; ``final`` when it is over."""

    minute_ms: int
    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    spread: Decimal
    final: bool


class StepLog:
    """The steps of one symbol from ``begin_ms`` (a minute) on, each told once.

    A step ends when it happened; what is learned after somebody has been told of that moment
    ends just after the newest moment told, so whoever asks from moment to moment misses nothing
    and hears nothing twice. Not thread-safe.
    """

    def __init__(self, symbol: str, begin_ms: int) -> None:
        self._symbol = symbol
        self._begin_ms = begin_ms
        self._minute_ms = begin_ms
        self._seen: Push | None = None
        self._waiting: dict[int, list[Push]] = {}
        self._steps: deque[PriceStep] = deque()
        self._last_end = from_ms(begin_ms)
        self._told = from_ms(begin_ms)

    @property
    def begin(self) -> datetime:
        """What was before is not in this log."""
        return from_ms(self._begin_ms)

    @property
    def held_up(self) -> bool:
        """A minute is missing that later ones wait for."""
        return bool(self._waiting)

    def overdue(self, now: datetime) -> tuple[int, int] | None:
        """Open times, from and up to but not including, of the minutes that ought to be complete
        by now; None where none is missing."""
        due_ms = (to_ms(now) - GRACE_MS) // MINUTE_MS * MINUTE_MS
        return (self._minute_ms, due_ms) if due_ms > self._minute_ms else None

    def push(self, push: Push) -> None:
        """Take a push; one that is older than what is known changes nothing."""
        if push.minute_ms > self._minute_ms:
            self._wait(push)
        elif push.minute_ms == self._minute_ms:
            self._extend(push)

    def fill(self, candles: list[Candle], spread: Decimal) -> None:
        """Complete minutes from REST, oldest first. A minute that is not among them, though a
        later one is, had no trade."""
        for candle in candles:
            open_ms = to_ms(candle.open_time)
            if open_ms < self._minute_ms:
                continue
            while self._minute_ms < open_ms:
                self._complete()
            # Completing the minute before may have completed this one from what waited.
            if self._minute_ms == open_ms:
                self._extend(_whole(candle, open_ms, spread))

    def tell(self, start: datetime, end: datetime) -> list[PriceStep]:
        """Steps that end in ``(start, end]``; one that began before is told from ``start``."""
        self._told = max(self._told, end)
        return [
            replace(step, start=start, began=step.start) if step.start < start else step
            for step in self._steps
            if start < step.end <= end
        ]

    def forget(self, now: datetime) -> None:
        """Drop what is old: from a minute on whose opening a step ends exactly, so that candles
        can take the place of all before it."""
        oldest = now - timedelta(milliseconds=KEPT_MS)
        if not self._steps or self._steps[0].end >= oldest - timedelta(milliseconds=MINUTE_MS):
            return
        ends = [
            step.end
            for step in self._steps
            if step.end < oldest and not to_ms(step.end) % MINUTE_MS
        ]
        if ends:
            self._begin_ms = to_ms(ends[-1])
            while self._steps and self._steps[0].end <= ends[-1]:
                self._steps.popleft()

    def _wait(self, push: Push) -> None:
        pushes = self._waiting.setdefault(push.minute_ms, [])
        if len(pushes) >= WAITING_PUSHES:
            # The newest tells all that those before it told.
            pushes.pop()
        pushes.append(push)
        if len(self._waiting) > WAITING_MINUTES:
            # REST has to be asked anyway and will tell these whole.
            del self._waiting[min(self._waiting)]

    def _extend(self, push: Push) -> None:
        seen = self._seen
        if not push.final and seen is not None and not _is_news(push, seen):
            return
        boundary = from_ms(self._minute_ms + MINUTE_MS)
        moment = boundary if push.final else min(push.time, boundary)
        end = max(moment, self._last_end + INSTANT)
        if moment <= self._told:
            end = max(end, self._told + INSTANT)
        self._steps.append(self._difference(push, seen, end))
        self._last_end = end
        self._seen = push
        if push.final:
            self._complete()

    def _difference(self, push: Push, seen: Push | None, end: datetime) -> PriceStep:
        first = push.open if seen is None else seen.close
        reached = [first, push.close]
        if seen is None or push.high > seen.high:
            reached.append(push.high)
        if seen is None or push.low < seen.low:
            reached.append(push.low)
        before = ZERO if seen is None else seen.volume
        return PriceStep(
            symbol=self._symbol,
            start=self._last_end,
            end=end,
            open=first,
            high=max(reached),
            low=min(reached),
            close=push.close,
            volume=max(push.volume - before, ZERO),
            spread=push.spread,
        )

    def _complete(self) -> None:
        self._minute_ms += MINUTE_MS
        self._seen = None
        for push in self._waiting.pop(self._minute_ms, []):
            self.push(push)


def _is_news(push: Push, seen: Push) -> bool:
    """Whether a push is newer than one seen, and something happened between the two."""
    if push.time < seen.time or push.volume < seen.volume:
        return False
    return (push.close, push.high, push.low, push.volume) != (
        seen.close,
        seen.high,
        seen.low,
        seen.volume,
    )


def _whole(candle: Candle, open_ms: int, spread: Decimal) -> Push:
    return Push(
        minute_ms=open_ms,
        time=candle.close_time,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        spread=spread,
        final=True,
    )


def candle_step(candle: Candle, start: datetime, spread: Decimal) -> PriceStep:
    """A whole candle as one step, told from ``start`` where it opened before."""
    return PriceStep(
        symbol=candle.symbol,
        start=max(candle.open_time, start),
        end=candle.close_time,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        spread=spread,
        began=candle.open_time if candle.open_time < start else None,
    )
