"""From prices to pixels: the price axis, its ticks and how numbers are written on it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log, log10

import numpy as np

from exchange.candles import Floats

PAD = 0.06
# Above this ratio of high to low, equal steps of percent read better than equal steps of price.
LOG_RATIO = 1.4
# A range this small against the price would leave nothing to see: a market that did not move.
LEAST_RANGE = 1e-6
TICK_STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5))
TICKS_WANTED = 7.5
# Above this ratio equal steps of price crowd at the top and leave the bottom empty.
DECADES_RATIO = 10
MOST_TICKS = 10
DECADE_STEPS = tuple(
    tuple(map(Decimal, steps))
    for steps in (("1", "1.5", "2", "3", "5", "7"), ("1", "2", "5"), ("1", "3"), ("1",))
)


@dataclass(frozen=True, slots=True)
class PriceAxis:
    """Maps prices to rows of a panel ``height`` pixels high; row 0 is ``high``."""

    low: float
    high: float
    height: int
    logarithmic: bool

    def rows(self, prices: Floats) -> Floats:
        """Rows of many prices, as floats."""
        low, high, values = self.low, self.high, prices
        if self.logarithmic:
            low, high, values = log(low), log(high), np.log(prices)
        share: Floats = (high - values) / (high - low)
        return share * (self.height - 1)

    def row(self, price: float) -> float:
        """Row of one price."""
        return float(self.rows(np.array([price]))[0])

    def ticks(self) -> list[Decimal]:
        """Round prices in range: 6 to 9 where a round step allows it, else 5 to 11."""
        if self.high / self.low > DECADES_RATIO:
            return _decade_ticks(Decimal(self.low), Decimal(self.high))
        step = tick_step(self.high - self.low)
        first, last = ceil(Decimal(self.low) / step), floor(Decimal(self.high) / step)
        return [step * number for number in range(first, last + 1)]

    def decimals(self) -> int:
        """How many places all ticks need."""
        return max(map(decimals_of, self.ticks()), default=0)


def price_axis(low: float, high: float, height: int) -> PriceAxis:
    """An axis that shows ``low`` to ``high`` with room above and below."""
    if high - low < LEAST_RANGE * high:
        low, high = low * 0.995, high * 1.005
    logarithmic = high / low > LOG_RATIO
    if logarithmic:
        pad = (high / low) ** PAD
        return PriceAxis(low / pad, high * pad, height, logarithmic)
    room = (high - low) * PAD
    return PriceAxis(low - room, high + room, height, logarithmic)


def tick_step(span: float) -> Decimal:
    """The step from {1, 2, 2.5, 5} x 10^k whose number of ticks is by ratio nearest to 7.5."""
    exponent = floor(log10(span / TICKS_WANTED))
    steps = [
        mantissa.scaleb(power) for power in (exponent, exponent + 1) for mantissa in TICK_STEPS
    ]
    return min(steps, key=lambda step: abs(log(span / float(step) / TICKS_WANTED)))


def _decade_ticks(low: Decimal, high: Decimal) -> list[Decimal]:
    """The same round prices in every power of ten, as many as there is room for."""
    powers = range(low.adjusted(), high.adjusted() + 1)
    for steps in DECADE_STEPS:
        prices = (step.scaleb(power) for power in powers for step in steps)
        found = [price for price in prices if low <= price <= high]
        if len(found) <= MOST_TICKS:
            break
    return found


def decimals_of(step: Decimal) -> int:
    """How many places a number in steps of ``step`` needs."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def number(value: Decimal | float, decimals: int) -> str:
    """A number with fixed places and no exponent."""
    return f"{value:.{decimals}f}"
