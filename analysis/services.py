"""Obtain analyses: stored answers first, the analyst for the rest, each question once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import structlog
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import CharField, DecimalField, JSONField

from analysis.calls.evidence import grounding_json, grounding_of
from analysis.calls.failures import storable
from analysis.choices import AnalystKind
from analysis.domain import (
    AnalysisInput,
    Direction,
    Environment,
    Evidence,
    Recommendation,
    ScoreParts,
)
from analysis.errors import AnalysisInvalid, AnalystError
from analysis.input_hash import input_hash
from analysis.models import Analysis, AnalystProfile, ModelCall, PromptVersion
from analysis.ports import Analyst
from exchange.domain import ZERO, quantise
from exchange.fault_points import fault_point

logger = structlog.get_logger(__name__)

TECHNICAL_PROFILE = "Technical rules"
VETO_LENGTH = 200

Outcome = Analysis | AnalystError


def profile_technical() -> AnalystProfile:
    """The built-in profile of the technical analyst, made at its first use."""
    profile, _ = AnalystProfile.objects.get_or_create(
        name=TECHNICAL_PROFILE, defaults={"kind": AnalystKind.TECHNICAL}
    )
    return profile


@runtime_checkable
class AsksModel(Protocol):
    """An analyst that puts questions to a model."""

    def questions(self, given: AnalysisInput) -> Sequence[str]:
        """The names of all looks at one chart, that of the chart itself first."""


def analysis_obtain(
    *,
    profile: AnalystProfile,
    analyst: Analyst,
    source: str,
    inputs: Sequence[AnalysisInput],
    prompt_version: PromptVersion | None = None,
    workers: int = 1,
) -> dict[str, Outcome]:
    """Answer every input, keyed by symbol, asking ``analyst`` only what is not on record.

    A symbol whose analysis fails has the ``AnalystError`` as its result and leaves the others
    alone. ``source`` names the market the candles came from; up to ``workers`` symbols are
    analysed at a time. Of two callers that ask the same at the same time the row stored first is
    the answer of both.
    """
    hashes = {given.symbol: _hash(given, profile, analyst, prompt_version) for given in inputs}
    answers: dict[str, Outcome] = dict(_stored(hashes))
    missing = [given for given in inputs if given.symbol not in answers]
    fresh: list[Analysis] = []
    for given, row in zip(missing, _analyse_all(analyst, missing, workers), strict=True):
        if isinstance(row, AnalystError):
            answers[given.symbol] = row
            continue
        row.input_hash = hashes[given.symbol]
        row.profile = profile
        row.profile_version = profile.version
        row.prompt_version = prompt_version
        row.source = source
        fresh.append(row)
    if fresh:
        fault_point("K2")
        answers |= _store(fresh, {given.symbol: _questions(analyst, given) for given in missing})
    return answers


def _hash(
    given: AnalysisInput,
    profile: AnalystProfile,
    analyst: Analyst,
    prompt_version: PromptVersion | None,
) -> str:
    return input_hash(
        given,
        profile_id=profile.pk,
        profile_version=profile.version,
        analyst=f"{analyst.name} {analyst.version}",
        prompt_version_id=prompt_version.pk if prompt_version is not None else None,
    )


def _questions(analyst: Analyst, given: AnalysisInput) -> Sequence[str]:
    return analyst.questions(given) if isinstance(analyst, AsksModel) else ()


def _stored(hashes: Mapping[str, str]) -> dict[str, Analysis]:
    """Rows on record by symbol, for hashes by symbol, in one query."""
    rows = Analysis.objects.filter(input_hash__in=list(hashes.values()))
    found = {row.input_hash: row for row in rows}
    return {symbol: found[digest] for symbol, digest in hashes.items() if digest in found}


def _store(fresh: list[Analysis], questions: Mapping[str, Sequence[str]]) -> dict[str, Analysis]:
    """Insert the rows together with the calls that led to them; what then stands in the table.

    A row that met an earlier one of the same question is not stored, and none of them knows its
    key, so all are read again.
    """
    with transaction.atomic():
        Analysis.objects.bulk_create(fresh, ignore_conflicts=True)
        stored = _stored({row.symbol: row.input_hash for row in fresh})
        for symbol, row in stored.items():
            if questions[symbol]:
                calls = ModelCall.objects.filter(question__in=questions[symbol], analysis=None)
                calls.update(analysis=row)
    return stored


def _analyse_all(analyst: Analyst, inputs: Sequence[AnalysisInput], workers: int) -> list[Outcome]:
    """One outcome per input, in their order."""

    def outcome(given: AnalysisInput) -> Outcome:
        try:
            return _analyse(analyst, given)
        except AnalystError as error:
            return error

    if min(workers, len(inputs)) <= 1:
        return [outcome(given) for given in inputs]
    with ThreadPoolExecutor(min(workers, len(inputs)), "analysis") as pool:
        # Each in a context of its own, so that its log lines still name the cycle.
        tasks = [pool.submit(copy_context().run, _in_thread, outcome, given) for given in inputs]
        return [task.result() for task in tasks]


def _in_thread(work: Callable[[AnalysisInput], Outcome], given: AnalysisInput) -> Outcome:
    try:
        return work(given)
    finally:
        connection.close()


def _analyse(analyst: Analyst, given: AnalysisInput) -> Analysis:
    """Ask the analyst once. Whatever breaks becomes an ``AnalystError`` of this symbol."""
    started = perf_counter()
    try:
        row = _row(analyst.analyse(given))
        _add_calls(row, _questions(analyst, given))
        row.duration_ms = round((perf_counter() - started) * 1000)
        _refuse_unstorable(row)
    except AnalystError:
        raise
    except Exception as error:
        # The analyst is someone else's code or a model: no answer of one symbol may stop the
        # cycle of the others, and the traceback tells what to mend.
        logger.exception("analysis_failed", symbol=given.symbol, analyst=analyst.name)
        raise AnalysisInvalid(f"{given.symbol}: {error}") from error
    return row


def _add_calls(row: Analysis, questions: Sequence[str]) -> None:
    """What was shown and what all looks cost, as the rows of the calls have it."""
    if not questions:
        return
    calls = list(ModelCall.objects.filter(question__in=questions).defer("raw_answer", "request"))
    costs = (call.reserved_cost if call.cost is None else call.cost for call in calls)
    row.cost = sum(costs, ZERO)
    row.chart_id = next((call.chart_id for call in calls if call.question == questions[0]), None)


def _refuse_unstorable(row: Analysis) -> None:
    """Raise ``ValidationError`` for too long a text, too large a number or characters that no
    database takes: it must fail for its own symbol here, not in the insert of all rows."""
    for field in Analysis._meta.concrete_fields:
        value = getattr(row, field.attname)
        if isinstance(field, CharField | DecimalField):
            field.run_validators(value)
            field.get_db_prep_save(value, connection)
        if isinstance(field, CharField | JSONField):
            _refuse_no_text(field.name, value)


def _refuse_no_text(name: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if storable(text) != text or "\\u0000" in text:
        raise ValidationError(f"{name} holds characters that are no text")


def _row(answer: Recommendation) -> Analysis:
    return Analysis(
        symbol=answer.symbol,
        timeframe=answer.timeframe,
        candle_time=answer.candle_time,
        direction=answer.direction.value,
        entry_price=_amount(answer.entry_price),
        stop_loss=_amount(answer.stop_loss),
        take_profit=_amount(answer.take_profit),
        setup_quality=answer.scores.setup_quality,
        market_environment=answer.scores.market_environment,
        environment=answer.environment.value,
        evidence=[
            {"kind": each.kind, "text": each.text, "supports": each.supports.value}
            for each in answer.evidence
        ],
        strongest_objection=answer.strongest_objection,
        invalidation=answer.invalidation,
        atr=quantise(answer.atr),
        last_price=quantise(answer.last_price),
        grounding=None if answer.grounding is None else grounding_json(answer.grounding),
        features=dict(answer.features),
        veto=answer.veto
        if len(answer.veto) <= VETO_LENGTH
        else f"{answer.veto[: VETO_LENGTH - 1]}…",
        answer=dict(answer.answer),
    )


def _amount(price: Decimal | None) -> Decimal | None:
    return None if price is None else quantise(price)


def recommendation_of(analysis: Analysis) -> Recommendation:
    """The answer that a stored row holds, as the value the trading rules take."""
    return Recommendation(
        symbol=analysis.symbol,
        timeframe=analysis.timeframe,
        candle_time=analysis.candle_time,
        direction=Direction(analysis.direction),
        entry_price=analysis.entry_price,
        stop_loss=analysis.stop_loss,
        take_profit=analysis.take_profit,
        scores=ScoreParts(
            setup_quality=analysis.setup_quality, market_environment=analysis.market_environment
        ),
        environment=Environment(analysis.environment),
        evidence=tuple(
            Evidence(each["kind"], each["text"], Direction(each["supports"]))
            for each in analysis.evidence
        ),
        strongest_objection=analysis.strongest_objection,
        invalidation=analysis.invalidation,
        atr=analysis.atr,
        last_price=analysis.last_price,
        grounding=None if analysis.grounding is None else grounding_of(analysis.grounding),
        veto=analysis.veto,
        features=analysis.features,
        answer=analysis.answer,
    )
