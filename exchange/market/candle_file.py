"""Reading one candle file and finding everything that is wrong with it.

Impossible data refuses the whole file: repairing it silently would make a replay lie. Gaps are
real (venues stop, contracts pause), so they are reported and accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from exchange.candles import CandleWindow, Ints, from_ms, to_ms
from exchange.domain import TIMEFRAMES
from exchange.errors import CandleFileError
from exchange.market.candle_columns import PRICES, Columns, file_kind, listed, read_columns
from exchange.market.moments import span_ms

_NAME = re.compile(r"(?P<symbol>[A-Z0-9]+(?:_[A-Z0-9]+)*)-(?P<interval>\d+[a-zA-Z]+)\.")
_SYMBOL = re.compile(r"[A-Z0-9_]{1,40}")
_TIMEFRAME_OF = {interval: name for name, interval in TIMEFRAMES.items()}


@dataclass(frozen=True, slots=True)
class CandleFile:
    """A file that may be imported; ``gaps`` says in words where candles are missing."""

    window: CandleWindow
    gaps: tuple[str, ...]


def read_candle_file(
    path: Path, *, now: datetime, symbol: str = "", timeframe: str = ""
) -> CandleFile:
    """Read and check ``path``; symbol and timeframe not given come from a name such as
    ``BTCUSDT-1h.csv``. ``CandleFileError`` lists what is wrong with row numbers."""
    # What the file is comes before what it is named, so that the first words help.
    file_kind(path)
    symbol, interval = _identity(path.name, symbol, timeframe)
    columns = read_columns(path)
    problems = [line for check in _CHECKS for line in listed(check(columns))]
    problems += _time_problems(columns.time, interval, now)
    if problems:
        raise CandleFileError("the file holds impossible data", problems=problems)
    return CandleFile(
        window=CandleWindow(symbol, interval, *columns),
        gaps=tuple(find_gaps(columns.time, interval)),
    )


def find_gaps(times: Ints, interval: timedelta) -> list[str]:
    """Where candles are missing between ordered ``times``, in words."""
    missing = np.diff(times) // span_ms(interval) - 1
    return [
        f"row {place + 2}: {missing[place]} candles missing before "
        f"{from_ms(int(times[place + 1])):%Y-%m-%d %H:%M}"
        for place in np.flatnonzero(missing)
    ]


def _identity(name: str, symbol: str, timeframe: str) -> tuple[str, timedelta]:
    match = _NAME.match(name)
    symbol = symbol or (match["symbol"] if match else "")
    timeframe = timeframe or (match["interval"] if match else "")
    if not symbol or not timeframe:
        raise CandleFileError(
            "the name does not say symbol and interval as in BTCUSDT-1h.csv; "
            "give --symbol and --interval"
        )
    if not _SYMBOL.fullmatch(symbol):
        raise CandleFileError(f"{symbol!r} is no symbol: 40 capitals, digits and _ at most")
    if timeframe not in TIMEFRAMES:
        raise CandleFileError(
            f"interval {timeframe} is not supported; use one of {', '.join(TIMEFRAMES)}"
        )
    return symbol, TIMEFRAMES[timeframe]


def _rows(bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Iterator[int]:
    return (int(row) for row in np.flatnonzero(bad))


def _not_finite(columns: Columns) -> Iterator[str]:
    for name in (*PRICES, "volume"):
        for row in _rows(~np.isfinite(getattr(columns, name))):
            yield f"row {row + 1}: {name} is missing or not finite"


def _not_positive(columns: Columns) -> Iterator[str]:
    for name in PRICES:
        values = getattr(columns, name)
        for row in _rows(values <= 0):
            yield f"row {row + 1}: {name} {values[row]:g} is not above zero"


def _negative_volume(columns: Columns) -> Iterator[str]:
    for row in _rows(columns.volume < 0):
        yield f"row {row + 1}: volume {columns.volume[row]:g} is negative"


def _high_below_low(columns: Columns) -> Iterator[str]:
    for row in _rows(columns.high < columns.low):
        yield f"row {row + 1}: high {columns.high[row]:g} is below low {columns.low[row]:g}"


def _outside_range(columns: Columns) -> Iterator[str]:
    for name in ("open", "close"):
        values = getattr(columns, name)
        outside = (values > columns.high) | (values < columns.low)
        for row in _rows(outside & (columns.high >= columns.low)):
            yield (
                f"row {row + 1}: {name} {values[row]:g} is outside "
                f"{columns.low[row]:g} to {columns.high[row]:g}"
            )


_CHECKS: tuple[Callable[[Columns], Iterator[str]], ...] = (
    _not_finite,
    _not_positive,
    _negative_volume,
    _high_below_low,
    _outside_range,
)


def _time_problems(times: Ints, interval: timedelta, now: datetime) -> list[str]:
    steps = np.diff(times)
    order = [
        *listed(f"row {row + 2}: the same time as the row before" for row in _rows(steps == 0)),
        *listed(f"row {row + 2}: earlier than the row before" for row in _rows(steps < 0)),
    ]
    if order:
        return order
    return [
        *_wrong_interval(times, steps, interval),
        *listed(
            f"row {row + 1}: the candle of {from_ms(int(times[row])):%Y-%m-%d %H:%M} "
            f"has not closed yet"
            for row in _rows(times + span_ms(interval) > to_ms(now))
        ),
    ]


def _wrong_interval(times: Ints, steps: Ints, interval: timedelta) -> list[str]:
    timeframe = _TIMEFRAME_OF[interval]
    if len(steps) > 0:
        distances, counts = np.unique(steps, return_counts=True)
        usual_ms = int(distances[np.argmax(counts)])
        if usual_ms != span_ms(interval):
            found = timedelta(milliseconds=usual_ms)
            return [
                f"the candles are {_TIMEFRAME_OF.get(found, found)} apart, not {timeframe} as said"
            ]
    return listed(
        f"row {row + 1}: {from_ms(int(times[row])):%Y-%m-%d %H:%M:%S} is not a {timeframe} boundary"
        for row in _rows(times % span_ms(interval) != 0)
    )
