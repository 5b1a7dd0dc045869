"""What an answer must fulfil as a whole, against the chart it is about.

Every rule refuses with a sentence that may be sent back to the model, so none tells what only
the picture shows.
"""

from __future__ import annotations

from decimal import Decimal

from analysis.answer.fields import refuse
from analysis.answer.value import Answer, InvalidationCondition, Legible, LevelId
from analysis.domain import ChartFacts, Direction, Level

PROBABILITY_SLACK = Decimal("0.02")
FARTHEST_ATR = Decimal(8)
NEAREST_STOP_ATR = Decimal("0.5")
FARTHEST_STOP_ATR = Decimal(4)
# A price rests on the level it names when it lies this near to it.
LEVEL_ATR = Decimal("0.25")


def check_answer(answer: Answer, facts: ChartFacts) -> None:
    """Raise ``AnalysisInvalid`` at the first broken rule."""
    _check_subject(answer, facts)
    _check_readback(answer)
    _check_observations(answer, facts)
    _check_probabilities(answer)
    _check_invalidation(answer, facts)
    if answer.direction is Direction.NONE:
        _check_no_plan(answer)
    else:
        _check_plan(answer, facts)


def _check_subject(answer: Answer, facts: ChartFacts) -> None:
    if answer.question_id != facts.question_id:
        refuse("question_id", "question_id is not the id of this question: copy it from the text.")
    if answer.chart_id != facts.chart_id:
        refuse("chart_id", "chart_id is not the id printed on this picture: read it again.")
    if answer.legible is Legible.NO:
        refuse("illegible", "The picture was called illegible.")


def _check_readback(answer: Answer) -> None:
    if answer.visible_high <= answer.visible_low:
        refuse("readback_order", "visible_high must lie above visible_low.")


def _check_observations(answer: Answer, facts: ChartFacts) -> None:
    oldest = 1 - facts.bars
    for index, seen in enumerate(answer.observations):
        name = f"observations[{index}]"
        if seen.from_bar > seen.to_bar:
            refuse("bar_order", f"{name}.from_bar must not be newer than its to_bar.")
        if seen.from_bar < oldest:
            refuse("bar_off_chart", f"{name}: the oldest bar on the picture is {oldest}.")
        _level(seen.level_id, f"{name}.level_id", facts)


def _check_probabilities(answer: Answer) -> None:
    total = answer.target_first + answer.stop_first + answer.neither
    if abs(total - 1) > PROBABILITY_SLACK:
        refuse("probability_sum", "target_first, stop_first and neither must sum to 1.")


def _check_invalidation(answer: Answer, facts: ChartFacts) -> None:
    """The four fields agree with one another; ``_check_plan`` compares them with the prices."""
    level_id, price = answer.invalidation_level_id, answer.invalidation_price
    condition, bars = answer.invalidation_condition, answer.invalidation_bars
    nowhere = level_id is None and price is None
    if condition is None and not (nowhere and bars is None):
        refuse("invalidation", "Without invalidation_condition the other three must be null.")
    if condition is InvalidationCondition.TIME and bars is None:
        refuse("invalidation", "invalidation_condition time needs invalidation_bars.")
    by_price = condition in (InvalidationCondition.CLOSE_BEYOND, InvalidationCondition.TOUCH)
    if by_price and nowhere:
        refuse("invalidation", "The invalidation needs a level or a price.")
    _check_level_price(level_id, price, "invalidation", facts)
    if price is not None:
        _check_near(price, "invalidation_price", facts)


def _check_no_plan(answer: Answer) -> None:
    plan = (
        answer.entry_type,
        answer.entry,
        answer.stop,
        answer.target,
        answer.stop_level_id,
        answer.target_level_id,
    )
    if any(part is not None for part in plan):
        refuse(
            "prices_without_side",
            "With direction none entry_type, entry, stop, target and their level ids must be null.",
        )


def _check_plan(answer: Answer, facts: ChartFacts) -> None:
    entry, stop, target = answer.entry, answer.stop, answer.target
    if entry is None or stop is None or target is None or answer.entry_type is None:
        refuse(
            "prices_missing",
            "A direction needs entry_type, entry, stop and target; without them it is none.",
        )
    for name, price in (("entry", entry), ("stop", stop), ("target", target)):
        _check_near(price, name, facts)
    sign = answer.direction.sign
    if not stop * sign < entry * sign < target * sign:
        refuse(
            "price_order",
            "For long stop < entry < target must hold, for short target < entry < stop.",
        )
    if not NEAREST_STOP_ATR * facts.atr <= abs(entry - stop) <= FARTHEST_STOP_ATR * facts.atr:
        refuse(
            "stop_distance",
            f"The stop must lie {NEAREST_STOP_ATR} to {FARTHEST_STOP_ATR} ATR from the entry.",
        )
    _check_level_price(answer.stop_level_id, stop, "stop", facts)
    _check_level_price(answer.target_level_id, target, "target", facts)
    _check_invalidation_place(answer, entry, stop, facts)


def _check_invalidation_place(
    answer: Answer, entry: Decimal, stop: Decimal, facts: ChartFacts
) -> None:
    level = _level(answer.invalidation_level_id, "invalidation_level_id", facts)
    price = answer.invalidation_price
    if price is None and level is not None:
        price = level.price
    if price is None:
        return
    sign = answer.direction.sign
    if not stop * sign <= price * sign < entry * sign:
        refuse(
            "invalidation_place",
            "The invalidation must lie between entry and stop or equal the stop.",
        )


def _check_near(price: Decimal, name: str, facts: ChartFacts) -> None:
    if abs(price - facts.last_close) > FARTHEST_ATR * facts.atr:
        refuse("price_far", f"{name} must lie within {FARTHEST_ATR} ATR of the last close.")


def _check_level_price(
    level_id: LevelId | None, price: Decimal | None, name: str, facts: ChartFacts
) -> None:
    level = _level(level_id, f"{name}_level_id", facts)
    if level is None or price is None:
        return
    if abs(level.price - price) > LEVEL_ATR * facts.atr:
        refuse(
            "level_price",
            f"The {name} price must lie within {LEVEL_ATR} ATR of the level it names; "
            f"else name no level.",
        )


def _level(level_id: LevelId | None, name: str, facts: ChartFacts) -> Level | None:
    """The level of that id on this chart; None without an id."""
    if level_id is None:
        return None
    found = next((level for level in facts.levels if level.level_id == level_id.value), None)
    if found is None:
        refuse("unknown_level", f"{name} names a level that this chart does not have.")
    return found
