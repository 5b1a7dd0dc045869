"""What code knows about a picture, in the units that are drawn on it."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from analysis.chart_axis import PriceAxis, number
from analysis.chart_secrets import Secrets
from analysis.chart_study import Study
from analysis.domain import ChartFacts, Level
from exchange.candles import Floats

# Places beyond those on the picture: a reading is compared with more than it can show.
MORE_PLACES = 4
# Extremes drawn less than a pixel apart can't be told from each other.
SAME_ROW = 1.0


def facts_of(
    study: Study, secrets: Secrets, axis: PriceAxis, slots: tuple[int, int], decimals: int
) -> ChartFacts:
    """The facts of one picture; ``decimals`` are the places of its printed prices."""
    factor = float(secrets.factor)
    high, low = study.visible.high * factor, study.visible.low * factor

    def exact(price: float) -> Decimal:
        return Decimal(number(price, decimals + MORE_PLACES))

    first, second = slots
    return ChartFacts(
        chart_id=secrets.chart_id,
        question_id=secrets.question_id,
        factor=secrets.factor,
        bars=len(study.visible),
        last_close=Decimal(number(float(study.visible.close[-1]) * factor, decimals)),
        visible_high=exact(float(high.max())),
        visible_low=exact(float(low.min())),
        high_bars=_extreme_bars(axis.rows(high)),
        low_bars=_extreme_bars(-axis.rows(low)),
        markers=(exact(float(high[first])), exact(float(low[second]))),
        newest_hollow=bool(study.visible.close[-1] >= study.visible.open[-1]),
        atr=exact(float(study.found.atr[-1]) * factor),
        levels=tuple(
            Level(level.level_id, exact(float(level.price) * factor), level.touches)
            for level in study.levels
        ),
    )


def _extreme_bars(rows: Floats) -> tuple[int, ...]:
    """Offsets from the newest bar (0) of the bars drawn in the smallest row."""
    found = np.flatnonzero(rows < rows.min() + SAME_ROW) - len(rows) + 1
    return tuple(int(bar) for bar in found)
