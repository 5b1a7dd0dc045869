"""The numbers that go beside the picture, as a short table.

It holds what a picture carries badly (exact values) and leaves out what has to be read from it:
the chart id, the markers, the visible extremes and where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import numpy as np

from analysis.chart_axis import number
from analysis.chart_secrets import TABLE_BARS
from analysis.domain import AnalysisInput, ChartFacts
from analysis.indicators import VISIBLE_BARS, indicators
from exchange.candles import CandleWindow

INDEX_DECIMALS = 2
ATR_DIGITS = 5
UNKNOWN = "unknown"
READ_IT = "read it from the picture"


def numbers_table(given: AnalysisInput, facts: ChartFacts) -> str:
    """The newest bars, indicators, levels and costs in the units of the picture.

    Prices have the decimals that the picture prints, so the two never differ by a rounding.
    Volume is in percent of the mean of the newest 80 bars: raw volume would name the market.
    Raises ``NotEnoughCandles``.
    """
    decimals = _decimals(facts.last_close)
    sections = (
        _bars(given.window, float(facts.factor), decimals),
        _indicators(given, facts, decimals),
        _levels(facts, decimals),
    )
    return "\n\n".join("\n".join("|".join(row) for row in section) for section in sections)


def _decimals(printed: Decimal) -> int:
    return max(INDEX_DECIMALS, -int(printed.as_tuple().exponent))


def _bars(window: CandleWindow, factor: float, decimals: int) -> Iterator[tuple[str, ...]]:
    yield ("bar", "open", "high", "low", "close", "volume", "order")
    newest = window.tail(TABLE_BARS)
    mean = float(window.tail(VISIBLE_BARS).volume.mean())
    for index in range(len(newest)):
        prices = (newest.open, newest.high, newest.low, newest.close)
        yield (
            str(index - len(newest) + 1),
            *(number(float(column[index]) * factor, decimals) for column in prices),
            number(100 * float(newest.volume[index]) / mean, 0) if mean > 0 else UNKNOWN,
            _order(index, len(newest)),
        )


def _order(index: int, count: int) -> str:
    """Said at both ends, since the order of a series is easily taken the wrong way round."""
    return {0: "oldest of these", count - 1: "newest, last closed"}.get(index, "")


def _indicators(
    given: AnalysisInput, facts: ChartFacts, decimals: int
) -> Iterator[tuple[str, str]]:
    found, factor = indicators(given.window), float(facts.factor)
    ratio = float(found.volume_ratio[-1])
    yield ("value", "at bar 0")
    yield ("ATR14", significant(facts.atr))
    yield ("EMA20", number(float(found.ema_fast[-1]) * factor, decimals))
    yield ("EMA50", number(float(found.ema_slow[-1]) * factor, decimals))
    yield ("RSI14", number(float(found.rsi[-1]), 1))
    yield ("volume / mean of 20 bars before", UNKNOWN if np.isnan(ratio) else number(ratio, 2))
    yield ("round-trip fee in ATR", _fee_in_atr(given, facts))


def _fee_in_atr(given: AnalysisInput, facts: ChartFacts) -> str:
    """Both fees as taker: nobody can promise an entry that waits to be filled."""
    if facts.atr <= 0:
        return UNKNOWN
    return number(2 * given.instrument.taker_fee * facts.last_close / facts.atr, 2)


def significant(value: Decimal) -> str:
    """``value`` with five significant digits and no exponent."""
    return format(Decimal(f"{value:.{ATR_DIGITS}g}"), "f")


def _levels(facts: ChartFacts, decimals: int) -> Iterator[tuple[str, str, str]]:
    yield ("level", "price", "touches")
    withheld = set(_withheld(facts, decimals))
    for level in facts.levels:
        price = number(level.price, decimals)
        yield (level.level_id, READ_IT if price in withheld else price, str(level.touches))


def _withheld(facts: ChartFacts, decimals: int) -> Iterable[str]:
    """The visible extremes, as long as no bar of the table shows them anyway."""
    for price, bars in (
        (facts.visible_high, facts.high_bars),
        (facts.visible_low, facts.low_bars),
    ):
        if max(bars) <= -TABLE_BARS:
            yield number(price, decimals)
