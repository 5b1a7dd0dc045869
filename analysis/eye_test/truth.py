"""What is true about a drawn chart, in the units and words of the examination's question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from analysis.chart_axis import number
from analysis.domain import AnalysisInput, ChartFacts
from analysis.eye_test.generators import ChartSpec, Made, Market
from analysis.eye_test.marks import RELATION_ATR, TOUCH_ATR
from analysis.indicators import indicators
from exchange.candles import Floats

RSI_ZONES = ("under 30", "30 to 50", "50 to 70", "over 70")
RSI_EDGES = (30.0, 50.0, 70.0)
# Points of RSI, and share of the average volume, from which on a relation counts as clear.
RSI_MARGIN = 2.0
VOLUME_MARGIN = 0.2
# A bar whose body is smaller than this share of ATR is neither clearly hollow nor solid.
BODY_MARGIN = 0.1
SWING = 2


class Relation(NamedTuple):
    """An answer in one of few words; ``clear`` when nobody who sees could doubt it."""

    word: str
    clear: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """Printed numbers by field, relations by field, the trend (None where none was planted),
    planted levels in index units, and the highs and lows that a level can rest on."""

    printed: Mapping[str, Decimal]
    relations: Mapping[str, Relation]
    trend: str | None = None
    support: Decimal | None = None
    resistance: Decimal | None = None
    swings: tuple[Decimal, ...] = field(default=())


def truth_of(spec: ChartSpec, made: Made, facts: ChartFacts) -> Truth:
    """Everything that a question about the chart of ``made`` can ask for."""
    found = indicators(made.given.window)
    factor = float(facts.factor)
    fast, slow = float(found.ema_fast[-1]) * factor, float(found.ema_slow[-1]) * factor
    rsi = float(found.rsi[-1])
    decimals = max(0, -int(facts.last_close.as_tuple().exponent))
    return Truth(
        printed={
            "last_close": facts.last_close,
            "ema20": Decimal(number(fast, decimals)),
            "ema50": Decimal(number(slow, decimals)),
            "rsi": Decimal(number(rsi, 1)),
        },
        relations=_relations(made.given, facts, (fast, slow, rsi), float(found.volume_ratio[-1])),
        trend=_trend(spec),
        support=_index(made.support, facts),
        resistance=_index(made.resistance, facts),
        swings=_swings(made.given, facts),
    )


def _relations(
    given: AnalysisInput, facts: ChartFacts, values: tuple[float, float, float], volume: float
) -> dict[str, Relation]:
    fast, slow, rsi = values
    close, atr = float(facts.last_close), float(facts.atr)
    first, second = (float(price) for price in facts.markers)
    body = abs(float(given.window.close[-1] - given.window.open[-1])) * float(facts.factor)
    margin = RELATION_ATR * atr
    zone = int(np.searchsorted(RSI_EDGES, rsi))
    relations = {
        "close_vs_ema20": _side(close - fast, margin),
        "ema20_vs_ema50": _side(fast - slow, margin),
        "rsi_zone": Relation(
            RSI_ZONES[zone], min(abs(rsi - edge) for edge in RSI_EDGES) >= RSI_MARGIN
        ),
        "higher_marker": Relation("1" if first > second else "2", abs(first - second) >= margin),
        "last_bar": Relation(
            "hollow" if facts.newest_hollow else "solid", body >= BODY_MARGIN * atr
        ),
    }
    if not np.isnan(volume):
        relations["volume"] = _side(volume - 1, VOLUME_MARGIN)
    return relations


def _side(difference: float, margin: float) -> Relation:
    return Relation("above" if difference > 0 else "below", abs(difference) >= margin)


def _trend(spec: ChartSpec) -> str | None:
    if spec.market is not Market.DRIFT:
        return None
    if spec.drift_t == 0:
        return "flat"
    return "up" if spec.drift_t > 0 else "down"


def _index(price: Decimal | None, facts: ChartFacts) -> Decimal | None:
    return None if price is None else price * facts.factor


def _swings(given: AnalysisInput, facts: ChartFacts) -> tuple[Decimal, ...]:
    """Prices of visible bars that reach beyond the two bars on both sides, in index units."""
    window = given.window.tail(facts.bars)
    prices = [*_peaks(window.high), *(-price for price in _peaks(-window.low))]
    return tuple(Decimal(repr(price)) * facts.factor for price in prices)


def _peaks(series: Floats) -> list[float]:
    around = range(SWING, len(series) - SWING)
    return [
        float(series[bar])
        for bar in around
        if series[bar] >= series[bar - SWING : bar + SWING + 1].max()
    ]


def touches(price: Decimal, truth: Truth, facts: ChartFacts) -> int:
    """How many swings came near enough to ``price`` to count as touches of it."""
    zone = facts.atr * Decimal(str(TOUCH_ATR))
    return sum(1 for swing in truth.swings if abs(swing - price) <= zone)
