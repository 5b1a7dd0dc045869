"""Entry, stop and target of a pullback, in exact decimals.

The stop goes behind structure, the target before the next level or a fixed multiple of the risk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from analysis.analysts.reading import SideReading
from analysis.domain import Direction, Level
from analysis.indicators import MIN_TOUCHES, TOUCH_ATR
from exchange.candles import decimal_of
from exchange.domain import PLACES, Instrument, quantise

# A stop inside one average bar is hit by noise; four of them, or 6 % of price, is another trade.
MIN_STOP_ATR = Decimal(1)
MAX_STOP_ATR = Decimal(4)
MAX_STOP_SHARE = Decimal("0.06")
# Validation refuses stops nearer than five round trips of cost; the half is room for rounding
# to ticks and for the price an order really gets.
MIN_STOP_COSTS = Decimal("5.5")
SLIPPAGE = Decimal("0.0005")
# Room behind the swing or level: one touch zone, so that another touch does not stop the trade.
BUFFER_ATR = Decimal(str(TOUCH_ATR))
# The aim is two to three times the risk: before a level in that band, else in its middle.
MIN_TARGET_R = Decimal(2)
MAX_TARGET_R = Decimal(3)
PLAIN_TARGET_R = Decimal("2.5")
# A close this far beyond EMA20 is late: it left by more than the pullback had to give back and
# half as much again, so the order waits for a third of a bar back.
LATE_ATR = 1.5
RETREAT_ATR = Decimal("0.3")


@dataclass(frozen=True, slots=True)
class Plan:
    """Three prices with their worth. ``r_net`` is reward over risk after fees and slippage;
    ``in_the_way`` are the proven levels between entry and target, nearest first;
    ``behind`` is a proven level between stop and entry."""

    direction: Direction
    entry: Decimal
    stop: Decimal
    target: Decimal
    r_net: Decimal
    in_the_way: tuple[Level, ...]
    behind: Level | None

    @property
    def risk(self) -> Decimal:
        return abs(self.entry - self.stop)


@dataclass(frozen=True, slots=True)
class NoPlan:
    """Why no acceptable stop exists here."""

    reason: str


def make_plan(
    side: SideReading,
    *,
    last: Decimal,
    atr: Decimal,
    levels: Sequence[Level],
    instrument: Instrument,
) -> Plan | NoPlan:
    """Place entry, stop and target for ``side``; ``NoPlan`` when the stop would be too far."""
    sign = Decimal(side.direction.sign)
    late = side.extension_atr > LATE_ATR
    entry = quantise(last - sign * RETREAT_ATR * atr) if late else last
    risk = _stop_distance(side, entry, atr, instrument)
    limit = min(MAX_STOP_ATR * atr, MAX_STOP_SHARE * entry)
    if risk > limit:
        return NoPlan(
            f"The nearest sound stop is {risk / atr:.1f} ATR ({risk / entry:.1%} of price) away, "
            f"beyond the limit of {limit / atr:.1f} ATR."
        )
    stop = (entry - sign * risk).quantize(PLACES, ROUND_FLOOR if sign > 0 else ROUND_CEILING)
    ahead = _proven(levels, "R" if sign > 0 else "S", beyond=entry, sign=sign)
    target = quantise(_target(entry, abs(entry - stop), sign, ahead, atr))
    behind = _proven(levels, "S" if sign > 0 else "R", beyond=stop, sign=sign)
    return Plan(
        direction=side.direction,
        entry=entry,
        stop=stop,
        target=target,
        r_net=_r_net(entry, stop, target, instrument),
        in_the_way=tuple(level for level in ahead if (target - level.price) * sign > 0),
        behind=behind[0] if behind else None,
    )


def _stop_distance(
    side: SideReading, entry: Decimal, atr: Decimal, instrument: Instrument
) -> Decimal:
    """Behind the pullback's extreme and its level, never nearer than noise or costs allow."""
    sign = Decimal(side.direction.sign)
    swing = decimal_of(side.swing)
    distances = [(entry - swing) * sign]
    if side.level is not None:
        distances.append((entry - side.level.price) * sign)
    round_trip = entry * (2 * instrument.taker_fee + SLIPPAGE)
    return max(max(distances) + BUFFER_ATR * atr, MIN_STOP_ATR * atr, MIN_STOP_COSTS * round_trip)


def _proven(levels: Sequence[Level], letter: str, *, beyond: Decimal, sign: Decimal) -> list[Level]:
    """Levels of one kind with enough touches that lie beyond a price, seen along ``sign``."""
    return [
        level
        for level in levels
        if level.level_id.startswith(letter)
        and level.touches >= MIN_TOUCHES
        and (level.price - beyond) * sign > 0
    ]


def _target(
    entry: Decimal, risk: Decimal, sign: Decimal, ahead: Sequence[Level], atr: Decimal
) -> Decimal:
    for level in ahead:
        before = level.price - sign * BUFFER_ATR * atr
        reward = (before - entry) * sign
        if MIN_TARGET_R * risk <= reward <= MAX_TARGET_R * risk:
            return before
    return entry + sign * PLAIN_TARGET_R * risk


def _r_net(entry: Decimal, stop: Decimal, target: Decimal, instrument: Instrument) -> Decimal:
    """Reward over risk with taker fees both ways and slippage at the stop."""
    costs = entry * 2 * instrument.taker_fee + stop * SLIPPAGE
    return (abs(target - entry) - costs) / (abs(entry - stop) + costs)
