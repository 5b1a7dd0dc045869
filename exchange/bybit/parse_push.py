"""The pushes of the kline topic, of candles that are still open too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from exchange.bybit.market_steps import MINUTE_MS, Push
from exchange.bybit.parse_market import KLINE_CODES
from exchange.bybit.parse_values import Row
from exchange.candles import to_ms
from exchange.domain import ZERO

INTERVALS = {code: interval for interval, code in KLINE_CODES.items()}


def interval_of(topic: str) -> timedelta | None:
    """The length of the candles of "kline.5.BTCUSDT"; None for a length that is not used."""
    return INTERVALS.get(topic.split(".")[1])


def push_time(message: Mapping[str, Any]) -> datetime:
    """When Bybit sent a message."""
    return Row.of("kline topic", message).needed_time("ts")


def minute_push(data: Mapping[str, Any], *, time: datetime) -> Push:
    """One row of a one-minute topic. Its spread is not told, so it is 0."""
    row = Row.of("kline topic", data)
    return Push(
        minute_ms=to_ms(row.needed_time("start")) // MINUTE_MS * MINUTE_MS,
        time=time,
        open=row.needed("open"),
        high=row.needed("high"),
        low=row.needed("low"),
        close=row.needed("close"),
        volume=row.needed("volume"),
        spread=ZERO,
        final=row.flag("confirm"),
    )
