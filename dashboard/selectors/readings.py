"""What a model read off a chart, how well it saw, and every call that was made for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from analysis.answer.grounding import EXTREME_SHARE, MARKER_SHARE
from analysis.models import Analysis, ModelCall
from dashboard import format as fmt
from trading.models import Signal

# What is read back, in the order it is asked; the share of the visible range it may be off by.
READ_BACK: tuple[tuple[str, str, Decimal], ...] = (
    ("last_close", "Last close", Decimal(0)),
    ("marker_1", "Marker 1", MARKER_SHARE),
    ("marker_2", "Marker 2", MARKER_SHARE),
    ("visible_high", "Visible high", EXTREME_SHARE),
    ("visible_low", "Visible low", EXTREME_SHARE),
)
CHANCES = (
    ("target_first", "target first"),
    ("stop_first", "stop first"),
    ("neither", "neither"),
)
SAID = {"long": "long", "short": "short", "none": "no trade"}
DOLLAR_PLACES = 4
# One look has nothing to agree with.
MOST_ALONE = 2


@dataclass(frozen=True, slots=True)
class ReadBack:
    """One item: what the model read, how far off it was, how far off it may be."""

    label: str
    read: str
    error: str
    limit: str
    outcome: str


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call in a list."""

    id: int
    made_at: datetime
    what: str
    state: str
    reason: str
    cost: str
    took: str
    tokens: str


@dataclass(frozen=True, slots=True)
class ReadingShown:
    """A model's reading. ``votes`` are the answers on the chart and its copies."""

    grounded: bool
    grounding: str
    veto: str
    read_back: tuple[ReadBack, ...]
    chances: tuple[tuple[str, str], ...]
    votes: tuple[tuple[str, str], ...]
    not_visible: tuple[str, ...]
    cost: str
    calls: tuple[CallRow, ...]


@dataclass(frozen=True, slots=True)
class CallShown:
    """One call in full. ``facts`` are labelled figures; ``request`` and ``answer`` are texts.
    ``cycle_id`` is that of the decision that rests on its analysis, if any does."""

    row: CallRow
    symbol: str
    cycle_id: int | None
    facts: tuple[tuple[str, str], ...]
    request: str
    answer: str
    has_picture: bool


def reading_of(analysis_id: int | None) -> ReadingShown | None:
    """The reading behind a decision; None where no model was asked."""
    if analysis_id is None:
        return None
    row = Analysis.objects.filter(pk=analysis_id).first()
    if row is None or row.grounding is None:
        return None
    calls = ModelCall.objects.filter(analysis=row).order_by("id")
    return ReadingShown(
        grounded=bool(row.grounding.get("grounded")),
        grounding=fmt.one_stop(str(row.grounding.get("reason", ""))),
        veto=row.veto,
        read_back=_read_back(row),
        chances=tuple(
            (label, fmt.percent(_decimal(row.answer.get(name)), 0)) for name, label in CHANCES
        ),
        votes=_votes(row.features),
        not_visible=tuple(str(text) for text in row.answer.get("not_visible", ())),
        cost=dollars(row.cost),
        calls=tuple(call_row(call) for call in calls),
    )


def call_get(call_id: int) -> CallShown | None:
    """One call with what was sent and what came back."""
    call = (
        ModelCall.objects.select_related("profile", "prompt_version__prompt", "chart")
        .filter(pk=call_id)
        .first()
    )
    if call is None:
        return None
    return CallShown(
        row=call_row(call),
        symbol=call.symbol,
        cycle_id=_cycle_of(call),
        facts=_facts(call),
        request=_request_text(call),
        answer=call.raw_answer,
        has_picture=call.chart is not None and call.chart.png is not None,
    )


def _cycle_of(call: ModelCall) -> int | None:
    if call.analysis_id is None:
        return None
    signals = Signal.objects.filter(analysis=call.analysis_id, symbol=call.symbol).order_by("id")
    return signals.values_list("cycle_id", flat=True).first()


def call_list(calls: Iterable[ModelCall]) -> tuple[CallRow, ...]:
    return tuple(call_row(call) for call in calls)


def call_row(call: ModelCall) -> CallRow:
    parts = (call.variant or "the chart", "second try" if call.attempt > 1 else "")
    tokens = (call.input_tokens, call.output_tokens)
    known = all(count is not None for count in tokens)
    return CallRow(
        id=call.pk,
        made_at=call.created_at,
        what=", ".join(part for part in parts if part),
        state=call.state,
        reason=fmt.one_stop(call.reason),
        cost=dollars(call.cost),
        took=fmt.duration_ms(call.latency_ms),
        tokens=f"{tokens[0]:,} in, {tokens[1]:,} out" if known else fmt.UNKNOWN,
    )


def dollars(amount: Decimal | None) -> str:
    """US dollars with the places that single calls need: "$0.0184"."""
    return fmt.UNKNOWN if amount is None else f"${fmt.number(amount, DOLLAR_PLACES)}"


def _request_text(call: ModelCall) -> str:
    """The request as people read it: JSON whose line breaks are line breaks."""
    if not call.request:
        return ""
    return json.dumps(call.request, indent=2, ensure_ascii=False).replace("\\n", "\n")


def _read_back(row: Analysis) -> tuple[ReadBack, ...]:
    errors: Mapping[str, Any] = (row.grounding or {}).get("errors", {})
    places = fmt.price_places((row.last_price,))
    return tuple(
        _item(
            label,
            fmt.number(_decimal(row.answer.get(name)), places),
            _decimal(errors.get(name)),
            limit,
        )
        for name, label, limit in READ_BACK
    )


def _item(label: str, read: str, error: Decimal | None, limit: Decimal) -> ReadBack:
    return ReadBack(
        label=label,
        read=read,
        error=fmt.percent(error, 2),
        limit=fmt.percent(limit, 1) if limit else "exact",
        outcome="passed" if error is not None and error <= limit else "failed",
    )


def _votes(features: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    votes, missed = features.get("votes", {}), features.get("missed", {})
    if len(votes) < MOST_ALONE:
        return ()
    return tuple(
        (variant, missed[variant] if variant in missed else SAID.get(said, said))
        for variant, said in votes.items()
    )


def _facts(call: ModelCall) -> tuple[tuple[str, str], ...]:
    facts = (
        ("Analyst", str(call.profile)),
        ("Model, as it named itself", call.answered_model),
        ("Prompt", str(call.prompt_version or "")),
        ("Renderer", call.renderer_version),
        ("Charged to", call.charged_to),
        ("Cost", dollars(call.cost)),
        ("At most", dollars(call.reserved_cost)),
        ("Input tokens", _count(call.input_tokens)),
        ("of them cached", _count(call.cached_tokens)),
        ("Output tokens", _count(call.output_tokens)),
        ("of them reasoning", _count(call.reasoning_tokens)),
        ("Took", fmt.duration_ms(call.latency_ms)),
        ("Picture, SHA-256", call.chart.sha256 if call.chart else ""),
        ("Response", call.response_id),
    )
    return tuple((label, value or fmt.UNKNOWN) for label, value in facts)


def _count(tokens: int | None) -> str:
    return "" if tokens is None else f"{tokens:,}"


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
