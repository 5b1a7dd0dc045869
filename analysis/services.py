"""Obtain analyses: stored answers first, the analyst for the rest, each question once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from time import perf_counter

import structlog
from django.db import connection
from django.db.models import CharField, DecimalField

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
from analysis.models import Analysis, AnalystProfile
from analysis.ports import Analyst
from exchange.domain import quantise
from exchange.fault_points import fault_point

logger = structlog.get_logger(__name__)

TECHNICAL_PROFILE = "Technical rules"


def profile_technical() -> AnalystProfile:
    """The built-in profile of the technical analyst, made at its first use."""
    profile, _ = AnalystProfile.objects.get_or_create(
        name=TECHNICAL_PROFILE, defaults={"kind": AnalystKind.TECHNICAL}
    )
    return profile


def analysis_obtain(
    *,
    profile: AnalystProfile,
    analyst: Analyst,
    source: str,
    inputs: Sequence[AnalysisInput],
) -> dict[str, Analysis | AnalystError]:
    """Answer every input, keyed by symbol, asking ``analyst`` only what is not on record.

    A symbol whose analysis fails has the ``AnalystError`` as its result and leaves the others
    alone. ``source`` names the market the candles came from. Of two callers that ask the same
    at the same time the row stored first is the answer of both.
    """
    hashes = {given.symbol: _hash(given, profile, analyst) for given in inputs}
    answers: dict[str, Analysis | AnalystError] = dict(_stored(hashes))
    fresh: list[Analysis] = []
    for given in inputs:
        if given.symbol in answers:
            continue
        try:
            row = _analyse(analyst, given)
        except AnalystError as error:
            answers[given.symbol] = error
            continue
        row.input_hash = hashes[given.symbol]
        row.profile = profile
        row.profile_version = profile.version
        row.source = source
        fresh.append(row)
    if fresh:
        fault_point("K2")
        Analysis.objects.bulk_create(fresh, ignore_conflicts=True)
        # A row that met an earlier one of the same question was not stored and none of them
        # knows its key, so what stands in the table is read again.
        answers |= _stored({row.symbol: row.input_hash for row in fresh})
    return answers


def _hash(given: AnalysisInput, profile: AnalystProfile, analyst: Analyst) -> str:
    return input_hash(
        given,
        profile_id=profile.pk,
        profile_version=profile.version,
        analyst=f"{analyst.name} {analyst.version}",
    )


def _stored(hashes: Mapping[str, str]) -> dict[str, Analysis]:
    """Rows on record by symbol, for hashes by symbol, in one query."""
    rows = Analysis.objects.filter(input_hash__in=list(hashes.values()))
    found = {row.input_hash: row for row in rows}
    return {symbol: found[digest] for symbol, digest in hashes.items() if digest in found}


def _analyse(analyst: Analyst, given: AnalysisInput) -> Analysis:
    """Ask the analyst once. Whatever breaks becomes an ``AnalystError`` of this symbol."""
    started = perf_counter()
    try:
        answer = analyst.analyse(given)
        row = _row(answer, duration_ms=round((perf_counter() - started) * 1000))
        _refuse_unstorable(row)
    except AnalystError:
        raise
    except Exception as error:
        # The analyst is someone else's code or a model: no answer of one symbol may stop the
        # cycle of the others, and the traceback tells what to mend.
        logger.exception("analysis_failed", symbol=given.symbol, analyst=analyst.name)
        raise AnalysisInvalid(f"{given.symbol}: {error}") from error
    return row


def _refuse_unstorable(row: Analysis) -> None:
    """Raise ``ValidationError`` for too long a text or too large a number: it must fail for its
    own symbol here, not in the insert of all rows."""
    for field in Analysis._meta.concrete_fields:
        if isinstance(field, CharField | DecimalField):
            value = getattr(row, field.attname)
            field.run_validators(value)
            field.get_db_prep_save(value, connection)


def _row(answer: Recommendation, *, duration_ms: int) -> Analysis:
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
        duration_ms=duration_ms,
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
    )
