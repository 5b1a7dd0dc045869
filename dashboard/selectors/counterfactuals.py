"""What never traded, in rows and sentences: outcomes, and what each no saved or cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from analysis.intervals import Interval
from dashboard import format as fmt
from dashboard.selectors.paging import Page, page_of
from exchange.models import ExchangeAccount
from trading.choices import CounterfactualState, ExitReason, SignalState
from trading.counterfactual_table import (
    FEW,
    Effect,
    Outcomes,
    outcomes_by_person,
    outcomes_by_rule,
    unknowable,
)
from trading.funnel import stage_label
from trading.models import Counterfactual

TONES = {Effect.SAVED: "good", Effect.COST: "bad", Effect.UNSURE: "quiet", Effect.NOTHING: "quiet"}
STOPPERS: dict[str, str] = {
    SignalState.REFUSED: "Refused by a person.",
    SignalState.EXPIRED: "Nobody answered in time.",
    SignalState.OBSERVED: "Only observed.",
}
ENDS = {
    ExitReason.STOP_LOSS: "hit the stop",
    ExitReason.TAKE_PROFIT: "reached its target",
    ExitReason.BREAKEVEN: "ended at break-even",
    ExitReason.TIGHTENED_STOP: "ended at its tightened stop",
    ExitReason.MAX_HOLDING: "been closed after its longest holding time",
    ExitReason.END_OF_DATA: "been open at the end of the data",
    ExitReason.INVALIDATION: "been closed as its setup was invalidated",
    ExitReason.LIQUIDATION: "been liquidated",
}


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One rule or person, ready to be shown. ``rest`` says what has no outcome in R."""

    name: str
    count: int
    ended: int
    won: str
    won_interval: str
    mean: str
    interval: str
    total: str
    effect: str
    tone: str
    few: bool
    rest: str


@dataclass(frozen=True, slots=True)
class CounterfactualRow:
    """One signal that never traded and what would have become of it."""

    cycle_id: int
    symbol: str
    direction: str
    stopped_by: str
    words: str
    result: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Counterfactuals:
    """Everything the page shows of one account. ``few_below`` is the number of outcomes under
    which a row is marked."""

    rules: list[OutcomeRow]
    people: list[OutcomeRow]
    unknowable: list[tuple[str, int]]
    few_below: int = FEW


def counterfactuals_shown(account: ExchangeAccount) -> Counterfactuals:
    """The tables of one account, all its decisions counted."""
    return Counterfactuals(
        rules=[_row(row, stage_label(row.name)) for row in outcomes_by_rule(account)],
        people=[_row(row, row.name) for row in outcomes_by_person(account)],
        unknowable=[(stage_label(rule), count) for rule, count in unknowable(account)],
    )


def counterfactual_page(account: ExchangeAccount, before: int | None) -> Page[CounterfactualRow]:
    """The signals themselves, newest first."""
    rows = Counterfactual.objects.filter(signal__account=account).select_related("signal")
    return page_of(rows.order_by("-id"), before, _signal_row)


def hindsight(row: Counterfactual | None) -> str:
    """What would have become of a signal, in one sentence; empty where it is not followed."""
    if row is None:
        return ""
    if row.state == CounterfactualState.UNKNOWN:
        return f"What it would have come to can't be known: {_lowered(row.note)}"
    if row.state == CounterfactualState.UNFILLED:
        return f"Its entry would not have filled: {_lowered(row.note)}"
    if row.state == CounterfactualState.FOLLOWED:
        return "Nothing would have ended it yet." if row.entry_time else "It would not be open yet."
    end = ENDS.get(ExitReason(row.exit_reason), f"ended: {row.get_exit_reason_display().lower()}")
    took = span_words(row.exit_time - row.entry_time) if row.exit_time and row.entry_time else ""
    after = f" after {took}" if took else ""
    return f"Would have {end}{after} ({fmt.r_multiple(row.r_multiple)})."


def span_words(span: timedelta) -> str:
    """Minutes and hours of a life: "45 min", "2 h 10 min", "1 d 12 h"."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def _lowered(note: str) -> str:
    return note[:1].lower() + note[1:]


def _row(row: Outcomes, name: str) -> OutcomeRow:
    return OutcomeRow(
        name=name,
        count=row.count,
        ended=row.ended,
        won=fmt.UNKNOWN if not row.ended else fmt.percent(_exact(row.won / row.ended), 0),
        won_interval=_percents(row.won_interval),
        mean=fmt.r_multiple(None if row.mean_r is None else _exact(row.mean_r)),
        interval=_in_r(row.mean_interval),
        total=fmt.r_multiple(row.sum_r),
        effect=_effect_words(row),
        tone=TONES[row.effect],
        few=row.few,
        rest=_rest_words(row),
    )


def _effect_words(row: Outcomes) -> str:
    if row.sum_r is None or row.effect not in (Effect.SAVED, Effect.COST):
        return str(row.effect)
    return f"{row.effect} {fmt.number(abs(row.sum_r), 1)} R"


def _rest_words(row: Outcomes) -> str:
    parts = (
        (row.unfilled, "would not have filled"),
        (row.open, "still followed"),
        (row.unknown, "can't be known"),
    )
    return ", ".join(f"{count} {what}" for count, what in parts if count)


def _percents(interval: Interval | None) -> str:
    if interval is None:
        return ""
    low, high = (fmt.percent(_exact(end), 0) for end in interval)
    return f"{low} to {high}"


def _in_r(interval: Interval | None) -> str:
    if interval is None:
        return ""
    low, high = (fmt.number(_exact(end), 2, signed=True) for end in interval)
    return f"{low} to {high}"


def _exact(value: float) -> Decimal:
    return Decimal(str(value))


def _signal_row(row: Counterfactual) -> CounterfactualRow:
    signal = row.signal
    return CounterfactualRow(
        cycle_id=signal.cycle_id,
        symbol=signal.symbol,
        direction=signal.direction,
        stopped_by=STOPPERS.get(row.stopped_by, f"Stopped by {stage_label(row.stopped_by)}."),
        words=hindsight(row),
        result=fmt.r_multiple(row.r_multiple),
        time=signal.decided_at,
    )
