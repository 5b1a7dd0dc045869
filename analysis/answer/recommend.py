"""From a checked answer in index units to a recommendation in real prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from analysis.analysts.words import price_text
from analysis.answer.grounding import bars_off
from analysis.answer.value import Answer, Conflict, InvalidationCondition, LevelId
from analysis.domain import (
    AnalysisInput,
    ChartFacts,
    Direction,
    Evidence,
    Grounding,
    Level,
    Recommendation,
    ScoreParts,
)
from analysis.errors import AnalysisInvalid
from exchange.candles import decimal_of
from exchange.domain import quantise

VETOES = {
    Conflict.NONE: "",
    Conflict.IMAGE_VS_TABLE: "The model sees the picture contradict the numbers.",
    Conflict.WITHIN_IMAGE: "The model sees the picture contradict itself.",
}
PRICE_FIELDS = (
    "last_close",
    "marker_1",
    "marker_2",
    "visible_high",
    "visible_low",
    "invalidation_price",
    "entry",
    "stop",
    "target",
)
TWO_PLACES = Decimal("0.01")


def to_recommendation(
    answer: Answer, given: AnalysisInput, facts: ChartFacts, grounding: Grounding
) -> Recommendation:
    """Turn index units into real prices (8 places) and add what code knows.

    Symbol, timeframe and candle time come from ``given``, never from the answer. A conflict that
    the model reports becomes the veto; an ungrounded answer keeps its prices and says so in
    ``grounding``. Raises ``AnalysisInvalid`` when the three prices coincide in real prices.
    """
    entry, stop, target = (
        _real(price, facts) for price in (answer.entry, answer.stop, answer.target)
    )
    _refuse_collapsed(answer.direction, entry, stop, target)
    reward = _gross_r(entry, stop, target)
    return Recommendation(
        symbol=given.symbol,
        timeframe=given.timeframe,
        candle_time=given.candle_time,
        direction=answer.direction,
        entry_price=entry,
        stop_loss=stop,
        take_profit=target,
        scores=ScoreParts(
            setup_quality=answer.setup_quality, market_environment=answer.environment_fit
        ),
        environment=answer.environment,
        evidence=_evidence(answer, facts),
        strongest_objection=answer.strongest_objection,
        invalidation=_invalidation(answer, facts),
        atr=quantise(facts.atr / facts.factor),
        last_price=quantise(decimal_of(given.window.close[-1])),
        grounding=grounding,
        veto=VETOES[answer.conflict],
        features=_features(answer, facts, grounding, reward),
        answer=_for_people(answer, facts, reward),
    )


def _real(price: Decimal | None, facts: ChartFacts) -> Decimal | None:
    return None if price is None else quantise(price / facts.factor)


def _refuse_collapsed(
    direction: Direction, entry: Decimal | None, stop: Decimal | None, target: Decimal | None
) -> None:
    """Prices near the last of the 8 places can fall together when they are rounded."""
    if entry is None or stop is None or target is None:
        return
    sign = direction.sign
    ordered = stop * sign < entry * sign < target * sign
    if not ordered or min(entry, stop, target) <= 0:
        raise AnalysisInvalid(
            "entry, stop and target are too near to one another.", "price_resolution"
        )


def _gross_r(entry: Decimal | None, stop: Decimal | None, target: Decimal | None) -> Decimal | None:
    """Reward over risk before costs; the model is never asked for it."""
    if entry is None or stop is None or target is None:
        return None
    return (abs(target - entry) / abs(entry - stop)).quantize(TWO_PLACES)


def _evidence(answer: Answer, facts: ChartFacts) -> tuple[Evidence, ...]:
    """What was seen, for neither side, then the case for each side."""
    seen = (
        Evidence(
            each.kind.value,
            f"{each.text} ({_place(each.from_bar, each.to_bar, each.level_id, facts)})",
            Direction.NONE,
        )
        for each in answer.observations
    )
    sides = ((answer.case_long, Direction.LONG), (answer.case_short, Direction.SHORT))
    cases = (Evidence("case", text, side) for texts, side in sides for text in texts)
    return (*seen, *cases)


def _place(from_bar: int, to_bar: int, level_id: LevelId | None, facts: ChartFacts) -> str:
    """Where an observation rests, with the touches of its level as code counted them."""
    bars = f"bar {to_bar}" if from_bar == to_bar else f"bars {from_bar} to {to_bar}"
    level = _level(level_id, facts)
    if level is None:
        return bars
    times = "touch" if level.touches == 1 else "touches"
    return f"{bars}; {level.level_id} has {level.touches} {times}"


def _level(level_id: LevelId | None, facts: ChartFacts) -> Level | None:
    return next((level for level in facts.levels if level.level_id == level_id), None)


def _touches(level_id: LevelId | None, facts: ChartFacts) -> int | None:
    level = _level(level_id, facts)
    return None if level is None else level.touches


def _invalidation(answer: Answer, facts: ChartFacts) -> str:
    """One sentence in real prices; empty when the model named nothing."""
    condition = answer.invalidation_condition
    if condition is None:
        return ""
    within = _within(answer.invalidation_bars)
    if condition is InvalidationCondition.TIME:
        return f"The idea ends if it has not worked{within}."
    level = _level(answer.invalidation_level_id, facts)
    price = _invalidation_price(answer, facts)
    name = "" if level is None else f" ({level.level_id})"
    at = "" if price is None else f" {price_text(price)}{name}"
    if condition is InvalidationCondition.TOUCH:
        return f"A trade at{at}{within} ends the idea."
    return f"A close beyond{at}{within} ends the idea."


def _invalidation_price(answer: Answer, facts: ChartFacts) -> Decimal | None:
    """The real price that ends the idea: as named, or that of the level that was named."""
    level = _level(answer.invalidation_level_id, facts)
    return _real(answer.invalidation_price or (level.price if level else None), facts)


def _within(bars: int | None) -> str:
    if bars is None:
        return ""
    return " within 1 bar" if bars == 1 else f" within {bars} bars"


def _features(
    answer: Answer, facts: ChartFacts, grounding: Grounding, reward: Decimal | None
) -> dict[str, Any]:
    """Measures for calibration: numbers as text, so that none turns into a float."""
    return {
        "readback": {item: _text(error) for item, error in grounding.errors.items()},
        "readback_worst": _text(grounding.worst),
        "high_bar_off": bars_off(answer.high_bar, facts.high_bars),
        "low_bar_off": bars_off(answer.low_bar, facts.low_bars),
        "legible": answer.legible.value,
        "conflict": answer.conflict.value,
        "setup_quality": _text(answer.setup_quality),
        "environment_fit": _text(answer.environment_fit),
        "target_first": _text(answer.target_first),
        "stop_first": _text(answer.stop_first),
        "neither": _text(answer.neither),
        "r_gross": _text(reward),
        "stop_touches": _touches(answer.stop_level_id, facts),
        "target_touches": _touches(answer.target_level_id, facts),
    }


def _for_people(answer: Answer, facts: ChartFacts, reward: Decimal | None) -> dict[str, Any]:
    """The answer's fields with real prices. Its sentences still speak of index units, which is
    why the factor stands beside them."""
    shown: dict[str, Any] = {name: _plain(value) for name, value in asdict(answer).items()}
    prices = {name: _real(getattr(answer, name), facts) for name in PRICE_FIELDS}
    prices["invalidation_at"] = _invalidation_price(answer, facts)
    for name, price in prices.items():
        shown[name] = None if price is None else _text(price.normalize())
    return {**shown, "factor": _text(facts.factor), "r_gross": _text(reward)}


def _plain(value: Any) -> Any:
    """JSON-ready: decimals as text, enums by value, tuples as lists."""
    if isinstance(value, Decimal):
        return _text(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return value


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")
