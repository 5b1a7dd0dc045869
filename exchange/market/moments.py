"""Time arithmetic that all markets share: candle spans, boundaries and the refusal to foresee."""

from __future__ import annotations

from datetime import datetime, timedelta

from exchange.candles import from_ms, to_ms
from exchange.errors import CandlesUnavailable


def span_ms(interval: timedelta) -> int:
    """Length of a candle in milliseconds."""
    return interval // timedelta(milliseconds=1)


def closed_boundary_ms(end: datetime, interval: timedelta, now: datetime) -> int:
    """The candle boundary at or before ``end``; ``CandlesUnavailable`` if it lies after now."""
    boundary_ms = to_ms(end) // span_ms(interval) * span_ms(interval)
    if boundary_ms > to_ms(now):
        raise CandlesUnavailable(f"the candle to {from_ms(boundary_ms)} has not closed at {now}")
    return boundary_ms


def refuse_future(end: datetime, now: datetime) -> None:
    """``CandlesUnavailable`` if ``end`` has not come yet."""
    if end > now:
        raise CandlesUnavailable(f"{end} has not come yet, market time is {now}")
