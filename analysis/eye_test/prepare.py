"""From an item of the plan to the question that is sent, with what only code knows about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.answer.schema import ANSWER_SCHEMA, SCHEMA_NAME
from analysis.calls.values import ModelQuestion
from analysis.chart import RenderedChart, render
from analysis.chart_layout import Layout
from analysis.copies import mirrored
from analysis.domain import AnalysisInput, ChartFacts
from analysis.eye_test import pictures, questions
from analysis.eye_test.generators import Made, make
from analysis.eye_test.plan import EXAM_VERSION, Control, Item, Question
from analysis.eye_test.recall import RecallSource
from analysis.eye_test.truth import Truth, truth_of
from analysis.models import PromptVersion
from analysis.prompts.rendering import chart_context, prompt_render
from exchange.candles import CandleWindow

# How far the newest close of the table is off in the text conflict.
CONFLICT = 1.03


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question with its truth. ``given`` is what was drawn (mirrored where the item says so);
    ``expected`` are a card's numbers, or asset and month of the recall probe."""

    question: ModelQuestion
    given: AnalysisInput | None = None
    facts: ChartFacts | None = None
    truth: Truth | None = None
    expected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Examiner:
    """Prepares the questions of one examination."""

    prompt_version: PromptVersion
    seed: int
    recall: RecallSource | None = None

    def prepare(self, item: Item) -> Prepared:
        """The question of ``item``: the same for the same seed, whenever it is asked."""
        if item.question is Question.CARD:
            return self._card(item)
        if item.question is Question.RECALL:
            return self._recalled(item)
        if item.spec is None:
            raise ValueError(f"{item.key} names no chart")
        made = make(item.spec)
        if item.mirrored:
            made = Made(mirrored(made.given))
        chart = render(made.given, item.style)
        truth = truth_of(item.spec, made, chart.facts)
        question = (
            _asked(
                questions.READING_USER, chart.png, questions.READING_SCHEMA, questions.READING_NAME
            )
            if item.question is Question.READING
            else self._production(item, made.given, chart)
        )
        return Prepared(question, made.given, chart.facts, truth)

    def _production(self, item: Item, given: AnalysisInput, chart: RenderedChart) -> ModelQuestion:
        told = _in_conflict(given) if item.control is Control.CONFLICT else given
        rendered = prompt_render(self.prompt_version, chart_context(told, chart.facts))
        return ModelQuestion(
            system=rendered.system,
            user=rendered.user,
            images=(_spoilt(item, chart.png),),
            schema=ANSWER_SCHEMA,
            schema_name=SCHEMA_NAME,
        )

    def _card(self, item: Item) -> Prepared:
        numbers = pictures.card_numbers(self.seed, item.number, item.size)
        png = pictures.card(numbers, item.size, Layout(item.style.scale))
        asked = _asked(questions.CARD_USER, png, questions.CARD_SCHEMA, questions.CARD_NAME)
        return Prepared(asked, expected=numbers)

    def _recalled(self, item: Item) -> Prepared:
        if self.recall is None:
            raise ValueError(f"{item.key} needs real candles")
        found = self.recall.chart(self.seed, item.number)
        chart = render(found.given, item.style)
        schema = questions.recall_schema(self.recall.assets)
        asked = _asked(questions.RECALL_USER, chart.png, schema, questions.RECALL_NAME)
        return Prepared(asked, found.given, chart.facts, expected=(found.asset, found.month))


def question_hash(identity: str, item: Item, question: ModelQuestion, salt: str) -> str:
    """Names a question for good, as 64 hex digits: whoever is examined, the item, and everything
    that is sent. ``salt`` tells runs apart that ask the same again on purpose."""
    parts = (
        EXAM_VERSION,
        identity,
        item.key,
        salt,
        question.system,
        question.user,
        json.dumps(question.schema, sort_keys=True),
        *(hashlib.sha256(image).hexdigest() for image in question.images),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _asked(user: str, png: bytes, schema: Mapping[str, object], name: str) -> ModelQuestion:
    return ModelQuestion(
        system=questions.SYSTEM, user=user, images=(png,), schema=schema, schema_name=name
    )


def _spoilt(item: Item, png: bytes) -> bytes:
    """The picture that goes with the question: the chart, or what its control puts there."""
    layout = Layout(item.style.scale)
    if item.control is Control.BLANK:
        return pictures.blank(layout)
    if item.control is Control.INVERTED:
        return pictures.inverted(png, layout)
    if item.control is Control.TRUNCATED:
        return pictures.truncated(png, layout)
    if item.control is Control.WRONG and item.spec is not None:
        # Another market of the same kind; only its id and its numbers give it away.
        other = replace(item.spec, seed=item.spec.seed + 1)
        return render(make(other).given, item.style).png
    return png


def _in_conflict(given: AnalysisInput) -> AnalysisInput:
    """The same candles with another newest close, for the text only."""
    window = given.window
    close, high = window.close.copy(), window.high.copy()
    close[-1] *= CONFLICT
    high[-1] = max(high[-1], close[-1])
    told = CandleWindow(
        window.symbol,
        window.interval,
        window.times,
        window.open,
        high,
        window.low,
        close,
        window.volume,
    )
    return replace(given, window=told)
