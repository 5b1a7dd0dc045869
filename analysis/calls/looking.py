"""Look at one chart: draw it, ask about it at most twice, check what comes back.

An answer on record is checked again instead of asked for again, and a reading that failed for
good fails again with the same reason; neither costs anything.
"""

from __future__ import annotations

from copy import copy as shallow_copy
from dataclasses import dataclass, replace
from decimal import Decimal

from analysis.answer.grounding import ground
from analysis.answer.parse import parse_answer
from analysis.answer.recommend import to_recommendation
from analysis.answer.schema import ANSWER_SCHEMA, SCHEMA_NAME
from analysis.answer.value import Answer
from analysis.calls import evidence
from analysis.calls.asking import Asking, CallFacts, NoAnswer, call_obtain, most_question_cost
from analysis.calls.values import FailureCode, ModelQuestion
from analysis.chart import RenderedChart, render
from analysis.choices import CallState
from analysis.copies import Copy, flipped, mirrored, straight_price
from analysis.domain import (
    AnalysisInput,
    ChartFacts,
    Environment,
    Grounding,
    Recommendation,
)
from analysis.errors import AnalysisInvalid, AnalystError, AnalystUnavailable
from analysis.identity import reading_identity
from analysis.input_hash import input_hash
from analysis.models import ChartImage, ModelCall, PromptVersion
from analysis.picture_store import chart_store
from analysis.prompts.rendering import chart_context, prompt_render
from exchange.domain import ZERO, quantise

# Failures that say nothing about the question, so it may be put once more.
WORTH_ANOTHER = (
    FailureCode.CONNECTION,
    FailureCode.SERVER,
    FailureCode.EMPTY,
    evidence.SENDER_DIED,
)
# The model answered, if not in a way that can be used.
ANSWERED = (FailureCode.REFUSED, FailureCode.TRUNCATED, FailureCode.EMPTY)
TURNED = {
    Environment.TREND_UP: Environment.TREND_DOWN,
    Environment.TREND_DOWN: Environment.TREND_UP,
}


@dataclass(frozen=True, slots=True)
class Look:
    """A checked answer about one picture.

    ``answer`` and ``facts`` speak of the picture as drawn; ``recommendation`` of the original
    market, turned back when the picture was mirrored. ``cost`` is what was paid for it just now
    (US dollars): nothing ``from_record``.
    """

    answer: Answer
    facts: ChartFacts
    grounding: Grounding
    recommendation: Recommendation
    cost: Decimal
    from_record: bool
    chart: ChartImage
    call: ModelCall


def look(asking: Asking, given: AnalysisInput, copy: Copy, deadline_at: float) -> Look:
    """Ask about ``given`` drawn as ``copy``, by ``deadline_at`` (monotonic seconds).

    Raises ``AnalysisInvalid`` for answers that may not be used, ``AnalystUnavailable`` and its
    kinds where none came, ``NotEnoughCandles``.
    """
    shown = mirrored(given) if copy.mirrored else given
    drawn = render(shown, copy.style)
    looking = _Looking(
        asking=asking,
        given=given,
        shown=shown,
        copy=copy,
        drawn=drawn,
        chart=chart_store(drawn),
        question=_question(asking, shown, drawn),
        deadline_at=deadline_at,
    )
    return looking.result()


def question_of(asking: Asking, given: AnalysisInput, copy: Copy) -> str:
    """The hash that names a look: of the original market, not of the mirrored one."""
    prompt = _prompt_of(asking)
    return input_hash(
        given,
        profile_id=asking.profile.pk,
        profile_version=asking.profile.version,
        analyst=f"look {reading_identity(asking.profile, prompt)}",
        prompt_version_id=prompt.pk,
        variant=copy.variant or "chart",
    )


def _prompt_of(asking: Asking) -> PromptVersion:
    if asking.prompt_version is None:
        raise AnalystUnavailable(f"{asking.profile.name} was given no prompt.")
    return asking.prompt_version


def _question(asking: Asking, shown: AnalysisInput, drawn: RenderedChart) -> ModelQuestion:
    prompt = prompt_render(_prompt_of(asking), chart_context(shown, drawn.facts))
    return ModelQuestion(
        system=prompt.system,
        user=prompt.user,
        images=(drawn.png,),
        schema=ANSWER_SCHEMA,
        schema_name=SCHEMA_NAME,
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """An attempt with its outcome: checked, or None with the reason in the row."""

    call: ModelCall
    fresh: bool
    checked: tuple[Answer, Grounding, Recommendation] | None

    @property
    def cost(self) -> Decimal:
        return self.call.cost or ZERO if self.fresh else ZERO


@dataclass(frozen=True, slots=True)
class _Looking:
    """One look under way."""

    asking: Asking
    given: AnalysisInput
    shown: AnalysisInput
    copy: Copy
    drawn: RenderedChart
    chart: ChartImage
    question: ModelQuestion
    deadline_at: float

    def result(self) -> Look:
        first = self._attempt(1, self.asking, self.question)
        if first.checked is not None:
            return self._look(first, first)
        again = self._once_more(first.call)
        if again is None:
            raise _error_of(first.call)
        second = self._attempt(2, *again)
        if second.checked is None:
            raise _error_of(second.call)
        return self._look(first, second)

    def _attempt(self, number: int, asking: Asking, question: ModelQuestion) -> _Reading:
        facts = CallFacts(
            question=question_of(self.asking, self.given, self.copy),
            attempt=number,
            chart=self.chart,
            symbol=self.given.symbol,
            timeframe=self.given.timeframe,
            candle_time=self.given.candle_time,
            variant=self.copy.variant,
        )
        try:
            put = call_obtain(asking, facts, question, self.deadline_at)
        except NoAnswer as failed:
            return _Reading(failed.call, failed.fresh, None)
        if put.call.state == CallState.REJECTED:
            return _Reading(put.call, put.fresh, None)
        try:
            checked = self._checked(put.reply.text)
        except AnalysisInvalid as error:
            evidence.call_reject(put.call, error.code, str(error))
            return _Reading(put.call, put.fresh, None)
        evidence.call_grounded(put.call, checked[1])
        return _Reading(put.call, put.fresh, checked)

    def _checked(self, text: str) -> tuple[Answer, Grounding, Recommendation]:
        answer = parse_answer(text, self.drawn.facts)
        grounding = ground(answer, self.drawn.facts)
        found = to_recommendation(answer, self.shown, self.drawn.facts, grounding)
        return answer, grounding, turned_back(found, self.given) if self.copy.mirrored else found

    def _once_more(self, call: ModelCall) -> tuple[Asking, ModelQuestion] | None:
        """Who puts which question the second time; None where that would not help."""
        if call.state == CallState.REJECTED:
            again = replace(self.question, previous=(call.raw_answer, call.reason))
            return self.asking, again
        if call.reason_code in WORTH_ANOTHER:
            return self.asking, self.question
        if call.reason_code == FailureCode.TRUNCATED:
            return self._with_room()
        return None

    def _with_room(self) -> tuple[Asking, ModelQuestion] | None:
        """The same question with twice the room for its answer, where a call may cost that."""
        profile = shallow_copy(self.asking.profile)
        profile.max_output_tokens *= 2
        if most_question_cost(profile, self.question) > profile.max_call_cost:
            return None
        return replace(self.asking, profile=profile), self.question

    def _look(self, first: _Reading, last: _Reading) -> Look:
        assert last.checked is not None
        answer, grounding, recommendation = last.checked
        return Look(
            answer=answer,
            facts=self.drawn.facts,
            grounding=grounding,
            recommendation=recommendation,
            cost=first.cost if first is last else first.cost + last.cost,
            from_record=not first.fresh and not last.fresh,
            chart=self.chart,
            call=last.call,
        )


def _error_of(call: ModelCall) -> AnalystError:
    """The same error for the same row, now and whenever it is asked for again."""
    if call.state == CallState.REJECTED or call.reason_code in ANSWERED:
        return AnalysisInvalid(call.reason, call.reason_code)
    return AnalystUnavailable(call.reason)


def turned_back(found: Recommendation, given: AnalysisInput) -> Recommendation:
    """An answer about the mirrored chart of ``given`` as one about ``given`` itself."""

    def straight(price: Decimal | None) -> Decimal | None:
        return None if price is None else quantise(straight_price(price, given))

    return replace(
        found,
        direction=flipped(found.direction),
        entry_price=straight(found.entry_price),
        stop_loss=straight(found.stop_loss),
        take_profit=straight(found.take_profit),
        environment=TURNED.get(found.environment, found.environment),
        evidence=tuple(replace(each, supports=flipped(each.supports)) for each in found.evidence),
    )
