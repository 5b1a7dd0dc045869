"""Put one item to the model, or take its answer from the record, and read the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from analysis.answer.grounding import ground
from analysis.answer.parse import parse_answer
from analysis.answer.strict import strict_json
from analysis.answer.value import Answer
from analysis.calls.asking import Asking, CallFacts, NoAnswer, call_obtain
from analysis.calls.evidence import call_grounded, call_reject
from analysis.calls.values import FailureCode, ModelQuestion
from analysis.domain import AnalysisInput, ChartFacts, Direction
from analysis.errors import AnalysisInvalid
from analysis.eye_test.plan import Control, Item, Question
from analysis.eye_test.prepare import Examiner, Prepared, question_hash
from analysis.eye_test.questions import parse_fields
from analysis.eye_test.truth import Truth
from exchange.domain import ZERO

ATTEMPTS = (1, 2)
# A question that no server answered in two attempts gets a new name in a later sitting.
MOST_NAMES = 5
# What tells nothing about the model.
OUTAGES = frozenset(
    {
        FailureCode.TIMEOUT,
        FailureCode.CONNECTION,
        FailureCode.RATE_LIMITED,
        FailureCode.SERVER,
        FailureCode.AUTHENTICATION,
        FailureCode.BAD_REQUEST,
        "late",
        "sender_died",
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An item with what came of it.

    ``fields`` is the JSON of the last answer, None where there was none; ``answer`` the parsed
    one of a production question, None where it was refused. ``problem`` is the code of what went
    wrong, "" for a valid answer. ``cost`` is what was paid just now, in US dollars; ``fresh`` is
    whether a call was made just now.
    """

    item: Item
    fields: Mapping[str, Any] | None
    answer: Answer | None = None
    problem: str = ""
    given: AnalysisInput | None = None
    facts: ChartFacts | None = None
    truth: Truth | None = None
    expected: tuple[str, ...] = ()
    cost: Decimal = ZERO
    fresh: bool = False

    @property
    def unanswered(self) -> bool:
        """Whether the server, not the model, is why there is no answer."""
        return self.problem in OUTAGES

    @property
    def valid(self) -> bool:
        return not self.problem

    @property
    def direction(self) -> Direction:
        """As answered on that picture. An answer that may not be used is no trade."""
        return self.answer.direction if self.answer else Direction.NONE

    def number(self, name: str) -> Decimal | None:
        """A number of the answer, valid or not; None where it has none of that name."""
        value = (self.fields or {}).get(name)
        return value if isinstance(value, Decimal) else None

    def word(self, name: str) -> str:
        value = (self.fields or {}).get(name)
        return value if isinstance(value, str) else ""


def ask(asking: Asking, examiner: Examiner, item: Item, *, identity: str, salt: str) -> Asked:
    """Ask ``item``, a second time if its answer had not the right form.

    Raises ``AnalystUnavailable`` where nothing more can be asked (budget, pause, no server): a
    single call without an answer is a result.
    """
    prepared = examiner.prepare(item)
    asked = unasked(item, prepared)
    for name in range(MOST_NAMES):
        named = f"{salt}#{name}" if name else salt
        digest = question_hash(identity, item, prepared.question, named)
        asked = _attempts(asking, unasked(item, prepared), prepared, digest)
        if asked.fresh or not asked.unanswered:
            break
    return asked


def _attempts(asking: Asking, asked: Asked, prepared: Prepared, digest: str) -> Asked:
    question = prepared.question
    for attempt in ATTEMPTS:
        asked, complaint = _attempt(asking, asked, prepared, question, (digest, attempt))
        if asked.valid or not _asks_again(asked):
            break
        if complaint is not None:
            question = replace(prepared.question, previous=complaint)
    return asked


def unasked(item: Item, prepared: Prepared) -> Asked:
    """An item with its truth and no answer yet."""
    return Asked(
        item,
        fields=None,
        given=prepared.given,
        facts=prepared.facts,
        truth=prepared.truth,
        expected=prepared.expected,
    )


def _asks_again(asked: Asked) -> bool:
    """What a model says at first about a spoilt picture is the answer, and so is a refusal."""
    if asked.unanswered:
        return True
    return asked.item.control is Control.NOTHING and asked.problem != FailureCode.REFUSED


def _attempt(
    asking: Asking,
    asked: Asked,
    prepared: Prepared,
    question: ModelQuestion,
    named: tuple[str, int],
) -> tuple[Asked, tuple[str, str] | None]:
    """One attempt: the answer read, and what to complain about if it may not be used."""
    facts = _call_facts(asked.item, named)
    deadline_at = asking.clock.monotonic() + asking.profile.timeout_s
    try:
        put = call_obtain(asking, facts, question, deadline_at)
    except NoAnswer as error:
        paid = (error.call.cost or ZERO) if error.fresh else ZERO
        problem = error.call.reason_code or "no_answer"
        fresh = asked.fresh or error.fresh
        return replace(asked, problem=problem, cost=asked.cost + paid, fresh=fresh), None
    cost = asked.cost + ((put.call.cost or ZERO) if put.fresh else ZERO)
    text = put.reply.text
    asked = replace(asked, cost=cost, fresh=asked.fresh or put.fresh)
    asked, complaint = read(asked, prepared, text)
    if asked.problem:
        call_reject(put.call, asked.problem, complaint)
        return asked, (text, complaint)
    if asked.answer is not None and asked.facts is not None:
        call_grounded(put.call, ground(asked.answer, asked.facts))
    return asked, None


def read(asked: Asked, prepared: Prepared, text: str) -> tuple[Asked, str]:
    """``asked`` with what ``text`` answers, and what is wrong with it in a sentence, or ""."""
    asked = replace(asked, fields=lenient(text), answer=None, problem="")
    try:
        return replace(asked, answer=_parsed(asked.item, prepared, text)), ""
    except AnalysisInvalid as error:
        return replace(asked, problem=error.code), str(error)


def _call_facts(item: Item, named: tuple[str, int]) -> CallFacts:
    question, attempt = named
    return CallFacts(
        question=question,
        attempt=attempt,
        # Its seed draws the picture again, byte for byte.
        chart=None,
        variant=item.key,
    )


def _parsed(item: Item, prepared: Prepared, text: str) -> Answer | None:
    if item.question is Question.PRODUCTION and prepared.facts is not None:
        return parse_answer(text, prepared.facts)
    parse_fields(text, prepared.question.schema or {})
    return None


def lenient(text: str) -> dict[str, Any] | None:
    """The fields of an answer that may break the rules: what it says is examined all the same."""
    try:
        value = strict_json(text)
    except AnalysisInvalid:
        return None
    return value if isinstance(value, dict) else None


def card_hits(fields: Mapping[str, Any] | None, expected: Sequence[str]) -> list[bool]:
    """For each number of a card whether it was read, every digit, at its place."""
    said = (fields or {}).get("numbers")
    numbers = said if isinstance(said, list) else []
    padded = [*numbers, *[None] * len(expected)]
    return [read == truth for truth, read in zip(expected, padded, strict=False)]
