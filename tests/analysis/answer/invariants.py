"""What must hold of everything that was taken, written down a second time.

It reads the model's text with the plain decoder and compares exact fractions; it shares neither
code nor constants with the parser.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from analysis.answer.value import Answer
from analysis.domain import AnalysisInput, ChartFacts, Recommendation

TOP_FIELDS = 34
SEEN_FIELDS = {"kind", "from_bar", "to_bar", "level_id", "text"}
SIDES = {"long": 1, "short": -1}
STEPS = {Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(1)}


def broken_by(answer: Answer, text: str, facts: ChartFacts) -> list[str]:
    """Which invariants an accepted answer breaks."""
    return [
        *_not_as_written(answer, text),
        *_wrong_subject(answer, facts),
        *_wrong_numbers(answer),
        *_wrong_texts(answer),
        *_wrong_plan(answer, facts),
    ]


def broken_by_recommendation(
    found: Recommendation, answer: Answer, given: AnalysisInput, facts: ChartFacts
) -> list[str]:
    """Which invariants a recommendation breaks that came of an accepted answer."""
    broken = []
    if (found.symbol, found.timeframe, found.candle_time) != (
        given.symbol,
        given.timeframe,
        given.candle_time,
    ):
        broken.append("subject")
    prices = (found.entry_price, found.stop_loss, found.take_profit)
    drawn = (answer.entry, answer.stop, answer.target)
    if str(found.direction) not in SIDES:
        return [*broken, *(["prices without side"] if any(p is not None for p in prices) else [])]
    for price, index in zip(prices, drawn, strict=True):
        exact = _fraction(index) / _fraction(facts.factor)
        if abs(_fraction(price) - exact) > Fraction(1, 10**8):
            broken.append("price")
    if bool(found.veto) != (str(answer.conflict) != "none"):
        broken.append("veto")
    if {"quantity", "qty", "leverage", "approve", "symbol"} & {*found.answer, *found.features}:
        broken.append("forbidden field")
    return broken


def _fraction(number: Decimal | None) -> Fraction:
    if number is None:
        raise ValueError("no number")
    return Fraction(number)


def _not_as_written(answer: Answer, text: str) -> Iterator[str]:
    written = json.loads(text, parse_float=Fraction, parse_int=Fraction)
    if len(written) != TOP_FIELDS or set(written) != {f.name for f in dataclasses.fields(answer)}:
        yield "fields"
    if any(set(seen) != SEEN_FIELDS for seen in written["observations"]):
        yield "observation fields"
    if _plain(dataclasses.asdict(answer)) != written:
        yield "values"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return Fraction(value) if isinstance(value, Decimal | int) else value


def _wrong_subject(answer: Answer, facts: ChartFacts) -> Iterator[str]:
    if (answer.chart_id, answer.question_id) != (facts.chart_id, facts.question_id):
        yield "subject"
    if str(answer.legible) not in {"all", "partly"}:
        yield "legible"
    known = {level.level_id for level in facts.levels}
    named = {
        answer.stop_level_id,
        answer.target_level_id,
        answer.invalidation_level_id,
        *(seen.level_id for seen in answer.observations),
    }
    if not {str(level) for level in named if level is not None} <= known:
        yield "levels"


def _wrong_numbers(answer: Answer) -> Iterator[str]:
    numbers = [value for value in _leaves(dataclasses.asdict(answer)) if not isinstance(value, str)]
    if any(type(number) not in {Decimal, int} for number in numbers):
        yield "number types"
    if any(isinstance(number, Decimal) and not number.is_finite() for number in numbers):
        yield "finite"
    if not {_fraction(answer.setup_quality), _fraction(answer.environment_fit)} <= STEPS:
        yield "scores"
    chances = [_fraction(c) for c in (answer.target_first, answer.stop_first, answer.neither)]
    if not all(0 <= chance <= 1 for chance in chances):
        yield "probabilities"
    if abs(sum(chances, Fraction(-1))) > Fraction(2, 100):
        yield "probability sum"
    bars = [answer.high_bar, answer.low_bar]
    bars += [bar for seen in answer.observations for bar in (seen.from_bar, seen.to_bar)]
    if not all(-100 <= bar <= 0 for bar in bars):
        yield "bars"


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield value


def _wrong_texts(answer: Answer) -> Iterator[str]:
    texts = [value for value in _leaves(dataclasses.asdict(answer)) if isinstance(value, str)]
    if any(len(text) > 200 or not text for text in texts):
        yield "text length"
    hidden = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
    if any(ord(letter) < 32 or letter in hidden for text in texts for letter in text):
        yield "text characters"
    if not 3 <= len(answer.observations) <= 6:
        yield "observations"
    if not (1 <= len(answer.case_long) <= 3 and 1 <= len(answer.case_short) <= 3):
        yield "cases"


def _wrong_plan(answer: Answer, facts: ChartFacts) -> Iterator[str]:
    plan = (answer.entry, answer.stop, answer.target)
    sign = SIDES.get(str(answer.direction))
    if sign is None:
        if str(answer.direction) != "none" or any(price is not None for price in plan):
            yield "none with prices"
        return
    if any(price is None for price in plan) or answer.entry_type is None:
        yield "incomplete plan"
        return
    entry, stop, target = (_fraction(price) for price in plan)
    atr, close = _fraction(facts.atr), _fraction(facts.last_close)
    if min(entry, stop, target) <= 0 or (entry - stop) * sign <= 0 or (target - entry) * sign <= 0:
        yield "price order"
    if any(abs(price - close) > 8 * atr for price in (entry, stop, target)):
        yield "price far"
    if not atr / 2 <= abs(entry - stop) <= 4 * atr:
        yield "stop distance"
    yield from _off_its_level(answer, facts)
    wrong = answer.invalidation_price
    if wrong is not None and not min(stop, entry) <= _fraction(wrong) <= max(stop, entry):
        yield "invalidation"


def _off_its_level(answer: Answer, facts: ChartFacts) -> Iterator[str]:
    at = {level.level_id: _fraction(level.price) for level in facts.levels}
    pairs = ((answer.stop_level_id, answer.stop), (answer.target_level_id, answer.target))
    for level_id, price in pairs:
        distance = _fraction(price) - at[str(level_id)] if level_id is not None else Fraction(0)
        if abs(distance) > _fraction(facts.atr) / 4:
            yield "level price"
