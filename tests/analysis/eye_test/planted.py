"""Tell the simulator what the pictures of an examination show."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from analysis.copies import flipped
from analysis.domain import ChartFacts, Direction
from analysis.eye_test.generators import Ending, Market
from analysis.eye_test.plan import Control, Group, Item, Question, original_of
from analysis.eye_test.prepare import Examiner, Prepared
from tests.simulators.openai.server import OpenAiSim
from tests.simulators.openai.truths import truth_of

BULLISH = (Ending.BULLISH_ENGULFING, Ending.LONG_LOWER_WICK)
ADMITS = {
    Control.BLANK: {"legible": "no"},
    Control.WRONG: {"chart_id": "WXYZ"},
    Control.CONFLICT: {"conflict": "image_vs_table"},
    Control.INVERTED: {"conflict": "within_image"},
    Control.TRUNCATED: {"legible": "partly"},
}


def plant_exam(sim: OpenAiSim, examiner: Examiner, items: Iterable[Item]) -> None:
    """Plant the truth of every picture; then a perfect reader knows all that can be seen."""
    for item in items:
        prepared = examiner.prepare(item)
        png = prepared.question.images[0]
        sim.plant(hashlib.sha256(png).hexdigest(), seen(item, prepared))


def seen(item: Item, prepared: Prepared) -> dict[str, Any]:
    """What somebody who sees everything would answer."""
    if item.question is Question.CARD:
        return {"numbers": list(prepared.expected)}
    if item.question is Question.RECALL:
        return {"asset": "", "month": "unknown"}
    assert prepared.facts is not None
    if item.question is Question.READING:
        return reading(prepared, prepared.facts)
    direction = side_of(item) if item.control is Control.NOTHING else Direction.NONE
    return truth_of(prepared.facts, direction=direction.value, **ADMITS.get(item.control, {}))


def reading(prepared: Prepared, facts: ChartFacts) -> dict[str, Any]:
    """The examination's own fields as they truly are."""
    truth = prepared.truth
    assert truth is not None
    return {
        "chart_id": facts.chart_id,
        **truth.printed,
        **{name: relation.word for name, relation in truth.relations.items()},
        "trend": truth.trend or "flat",
        "bars_since_high": -facts.high_bars[0],
        "bars_since_low": -facts.low_bars[0],
        "support": truth.support,
        "resistance": truth.resistance,
    }


def side_of(item: Item) -> Direction:
    """What the planted mechanism says: with the drift, or with the planted last bars."""
    spec = item.spec
    assert spec is not None
    group = original_of(item.number)[0] if item.group is Group.INVARIANCE else item.group
    if group is Group.EVIDENCE:
        return Direction.LONG if spec.ending in BULLISH else Direction.SHORT
    if spec.market is not Market.DRIFT or not spec.drift_t:
        return Direction.NONE
    side = Direction.LONG if spec.drift_t > 0 else Direction.SHORT
    return flipped(side) if item.mirrored else side
