"""What the technical analyst says: observations for both sides, objections, invalidation."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from analysis.analysts.plan import Plan
from analysis.analysts.reading import PULLBACK_ATR, TREND_BARS, TREND_SLOPE_ATR, SideReading
from analysis.analysts.rubric import STRETCHED_RSI, WILD_RATIO, typical
from analysis.domain import Direction, Evidence, Level

SIGNIFICANT_DIGITS = 7


def price_text(price: Decimal | float) -> str:
    """A price as people write it: seven significant digits, no exponent, no trailing zeros."""
    rounded = Decimal(f"{price:.{SIGNIFICANT_DIGITS}g}")
    return format(rounded.normalize(), "f")


def observations(
    long: SideReading, short: SideReading, *, atr_ratio: float, volume_ratio: float
) -> list[Evidence]:
    """Trend, momentum, volatility and volume, each for the side it speaks for."""
    return [
        _trend(long, short),
        _momentum(long),
        _volatility(atr_ratio),
        _volume(long, short, volume_ratio),
    ]


def _trend(long: SideReading, short: SideReading) -> Evidence:
    side = long if long.trend_bars else short
    order = "above" if side is long else "below"
    text = (
        f"EMA20 has been {order} EMA50 for {side.trend_bars} bars and moved "
        f"{long.slope_atr:+.1f} ATR in ten bars."
    )
    return Evidence("trend", text, side.direction if side.trending else Direction.NONE)


def _momentum(long: SideReading) -> Evidence:
    way = "rising" if long.rsi_rising else "not rising"
    above = long.rsi >= 50
    side = Direction.NONE
    if above == long.rsi_rising:
        side = Direction.LONG if above else Direction.SHORT
    return Evidence("momentum", f"RSI14 is {long.rsi:.1f} and {way}.", side)


def _volatility(atr_ratio: float) -> Evidence:
    judged = "typical" if typical(atr_ratio) else "unusual"
    text = f"ATR14 is {atr_ratio:.2f} times its median over 80 bars: {judged}."
    return Evidence("volatility", text, Direction.NONE)


def _volume(long: SideReading, short: SideReading, ratio: float) -> Evidence:
    if ratio != ratio:  # NaN: nothing traded in the bars before
        return Evidence("volume", "No volume to compare with.", Direction.NONE)
    turned = next((side.direction for side in (long, short) if side.reacted), Direction.NONE)
    text = f"The newest bar traded {ratio:.2f} times the mean of the 20 bars before."
    return Evidence("volume", text, turned if ratio > 1 else Direction.NONE)


def level_observations(levels: Sequence[Level], last: Decimal, atr: Decimal) -> list[Evidence]:
    """The nearest support and resistance with their distance."""
    found = []
    for letter, side, way in (("S", Direction.LONG, "below"), ("R", Direction.SHORT, "above")):
        level = next((each for each in levels if each.level_id.startswith(letter)), None)
        if level is not None:
            text = (
                f"{level.level_id} at {price_text(level.price)} lies "
                f"{abs(level.price - last) / atr:.1f} ATR {way} price ({_touches(level)})."
            )
            found.append(Evidence("level", text, side))
    return found


def _touches(level: Level) -> str:
    return "1 touch" if level.touches == 1 else f"{level.touches} touches"


def pullback_observation(side: SideReading) -> Evidence:
    """Where the pullback ended."""
    held = "EMA20" if side.level is None else side.level.level_id
    if side.level is not None and side.touched_average:
        held = f"EMA20 and {side.level.level_id}"
    text = (
        f"The pullback to {price_text(side.swing)} touched {held}, "
        f"and the newest bar closed back in the trend's direction."
    )
    return Evidence("structure", text, side.direction)


def missing_parts(side: SideReading) -> list[str]:
    """What keeps ``side`` from being a setup, in the order it is looked for."""
    parts = (
        (
            side.trending,
            f"no trend: EMA20 ordered for {side.trend_bars} bars (needs {TREND_BARS}), moving "
            f"{side.slope_atr:+.1f} ATR its way in ten bars (needs {TREND_SLOPE_ATR:+.1f})",
        ),
        (side.pulled_back, f"no pullback of {PULLBACK_ATR:.0f} ATR that stayed beyond EMA50"),
        (
            side.touched_average or side.level is not None,
            "the last three bars touched neither EMA20 nor a proven level",
        ),
        (side.reacted, "the newest bar did not turn to this side"),
    )
    return [text for present, text in parts if not present]


def open_objections(side: SideReading, plan: Plan, atr_ratio: float) -> list[str]:
    """Reasons against the plan that nothing visible answers, the strongest first."""
    near = [each for each in plan.in_the_way if abs(each.price - plan.entry) < plan.risk]
    found = []
    if not side.context_agrees:
        found.append("The average of a timeframe four times as long points the other way.")
    if near:
        found.append(
            f"{near[0].level_id} at {price_text(near[0].price)} ({_touches(near[0])}) stands "
            f"nearer to the entry than the stop."
        )
    if side.rsi > STRETCHED_RSI:
        found.append(
            f"RSI14 has gone {side.rsi - 50:.0f} points past its middle: a stretched move."
        )
    if atr_ratio > WILD_RATIO:
        found.append(f"ATR14 is {atr_ratio:.1f} times its median: the stop may be noise.")
    return found


def mild_objection(plan: Plan) -> str:
    """What can always be said against a plan that has no open objection."""
    if plan.in_the_way:
        level = plan.in_the_way[0]
        return (
            f"{level.level_id} at {price_text(level.price)} ({_touches(level)}) stands between "
            f"entry and target."
        )
    reward = abs(plan.target - plan.entry) / plan.risk
    return (
        f"Without an edge a target {reward:.1f} times as far as the stop is reached first only "
        f"about {1 / (1 + reward):.0%} of the time."
    )


def invalidation(plan: Plan) -> str:
    """What would prove the plan wrong."""
    way = "below" if plan.direction is Direction.LONG else "above"
    return f"A trade at or {way} {price_text(plan.stop)} ends the idea."
