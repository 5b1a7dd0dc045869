"""Tell the simulator what the pictures of an examination show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from analysis.copies import flipped
from analysis.domain import ChartFacts, Direction
from analysis.eye_test.ask import Asked, read, unasked
from analysis.eye_test.generators import Ending, Market
from analysis.eye_test.plan import Control, Group, Item, Question, original_of
from analysis.eye_test.prepare import Examiner, Prepared
from tests.simulators.openai.filling import fill
from tests.simulators.openai.readers import perfect
from tests.simulators.openai.server import OpenAiSim
from tests.simulators.openai.truths import truth_of
from tests.simulators.openai.wording import words_of

BULLISH = (Ending.BULLISH_ENGULFING, Ending.LONG_LOWER_WICK)
ADMITS = {
    Control.BLANK: {"legible": "no"},
    Control.WRONG: {"chart_id": "WXYZ"},
    Control.CONFLICT: {"conflict": "image_vs_table"},
    Control.INVERTED: {"conflict": "within_image"},
    Control.TRUNCATED: {"legible": "partly"},
}


def truths_of(examiner: Examiner, items: Iterable[Item]) -> dict[str, dict[str, Any]]:
    """What every picture shows, by the hash of its bytes."""
    found = {}
    for item in items:
        prepared = examiner.prepare(item)
        png = prepared.question.images[0]
        found[hashlib.sha256(png).hexdigest()] = seen(item, prepared)
    return found


def plant_exam(sim: OpenAiSim, examiner: Examiner, items: Iterable[Item]) -> None:
    """Plant the truth of every picture; then a perfect reader knows all that can be seen."""
    for name, truth in truths_of(examiner, items).items():
        sim.plant(name, truth)


def seen(item: Item, prepared: Prepared) -> dict[str, Any]:
    """What somebody who sees everything would answer."""
    if item.question is Question.CARD:
        return {"numbers": list(prepared.expected)}
    if item.question is Question.RECALL:
        return {"asset": "", "month": "unknown"}
    facts = prepared.facts
    assert facts is not None
    if item.question is Question.READING:
        return reading(prepared, facts)
    direction = side_of(item) if item.control is Control.NOTHING else Direction.NONE
    return truth_of(facts, direction=direction.value, **ADMITS.get(item.control, {}))


def answered(examiner: Examiner, item: Item) -> Asked:
    """An item answered by somebody who sees everything, without any server."""
    prepared = examiner.prepare(item)
    known = perfect(seen(item, prepared), words_of(prepared.question.user))
    answer = fill(prepared.question.schema or {}, known)
    asked, _ = read(unasked(item, prepared), prepared, json.dumps(answer, default=float))
    return asked


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
