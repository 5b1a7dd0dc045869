"""Monitor candles of markets that can't be asked for them for ever, so that the exits of any
period can be run again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Context

from exchange.domain import Candle
from exchange.fields import SQLITE_DIGITS
from trading.models import MonitorCandle

# Keeping a candle must never fail for a digit: rules are waiting for it.
_STORED = Context(prec=SQLITE_DIGITS)


def candles_keep(source: str, candles: Iterable[Candle]) -> None:
    """Store candles of ``source`` (such as ``bybit:global``) in one statement; those that are
    there already stay."""
    MonitorCandle.objects.bulk_create(
        [
            MonitorCandle(
                market=source,
                symbol=one.symbol,
                open_time=one.open_time,
                seconds=int(one.interval.total_seconds()),
                open=_STORED.create_decimal(one.open),
                high=_STORED.create_decimal(one.high),
                low=_STORED.create_decimal(one.low),
                close=_STORED.create_decimal(one.close),
                volume=_STORED.create_decimal(one.volume),
            )
            for one in candles
        ],
        ignore_conflicts=True,
    )


def candles_kept(source: str, symbol: str, start: datetime, end: datetime) -> list[Candle]:
    """What is stored of candles that opened from ``start`` on and closed by ``end``, oldest
    first. There may be holes: candles are kept while a trade of theirs is open."""
    rows = MonitorCandle.objects.filter(
        market=source, symbol=symbol, open_time__gte=start, open_time__lt=end
    )
    candles = [
        Candle(
            symbol=row.symbol,
            open_time=row.open_time,
            interval=timedelta(seconds=row.seconds),
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=row.volume,
        )
        for row in rows.order_by("open_time")
    ]
    return [candle for candle in candles if candle.close_time <= end]
