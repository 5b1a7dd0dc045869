"""Cycles: the list, and one in full."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from dashboard import format as fmt
from dashboard.selectors.decisions import Decision, decision_of, signal_rows
from dashboard.selectors.market import market_runs
from dashboard.selectors.paging import Page, page_of
from exchange.models import ExchangeAccount
from trading.choices import CycleState, SignalState
from trading.models import Cycle, Signal

UNFINISHED = (CycleState.DUE, CycleState.RUNNING)
CYCLES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class CycleRow:
    """One cycle in the list; ``working`` until its state is final."""

    id: int
    bot: str
    timeframe: str
    boundary: datetime
    state: str
    working: bool
    observe_only: bool
    reason: str
    took: str
    symbols: int
    accepted: int
    traded: int


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step with its duration."""

    number: int
    name: str
    status: str
    took: str
    summary: str
    error: str


@dataclass(frozen=True, slots=True)
class CycleDetail:
    """One cycle with its steps and decisions; ``newer`` and ``older`` are its neighbours."""

    account: ExchangeAccount
    row: CycleRow
    bot_id: int
    runs: bool
    decisions: list[Decision]
    steps: list[StepRow]
    newer: int | None
    older: int | None


def cycle_list(
    account: ExchangeAccount, *, bot: str, state: str, rule: str, before: int | None
) -> Page[CycleRow]:
    """Cycles of ``account``, newest first; empty filters take all."""
    rows = Cycle.objects.filter(bot__account=account).select_related("bot").order_by("-id")
    if bot.isdecimal():
        rows = rows.filter(bot=int(bot))
    if state:
        rows = rows.filter(state=state)
    if rule:
        rows = rows.filter(pk__in=Signal.objects.filter(rule=rule).values("cycle"))
    return page_of(
        rows.annotate(
            symbols=Count("signals"),
            accepted=Count("signals", filter=~Q(signals__state=SignalState.REJECTED)),
            traded=Count("signals__trade"),
        ),
        before,
        cycle_row,
    )


def cycles_newest(account: ExchangeAccount, count: int = CYCLES_SHOWN) -> list[CycleRow]:
    """The newest cycles for the overview."""
    return cycle_list(account, bot="", state="", rule="", before=None).rows[:count]


def cycle_row(cycle: Cycle) -> CycleRow:
    """A cycle with the counts that were asked together with it."""
    took = None
    if cycle.started_at and cycle.finished_at:
        took = (cycle.finished_at - cycle.started_at).total_seconds() * 1000
    return CycleRow(
        id=cycle.pk,
        bot=cycle.bot.name,
        timeframe=cycle.timeframe,
        boundary=cycle.boundary,
        state=cycle.state,
        working=cycle.state in UNFINISHED,
        observe_only=cycle.observe_only,
        reason=fmt.one_stop(cycle.reason),
        took=fmt.duration_ms(took),
        symbols=getattr(cycle, "symbols", 0),
        accepted=getattr(cycle, "accepted", 0),
        traded=getattr(cycle, "traded", 0),
    )


def cycle_get(cycle_id: int) -> CycleDetail | None:
    """One cycle in full, or None."""
    cycle = Cycle.objects.select_related("bot__account__market_session").filter(pk=cycle_id).first()
    if cycle is None:
        return None
    decisions = [
        decision_of(signal) for signal in signal_rows().filter(cycle=cycle).order_by("symbol")
    ]
    steps = [
        StepRow(
            number=step.number,
            name=step.name.replace("_", " "),
            status=step.status,
            took=fmt.duration_ms(step.duration_ms),
            summary=fmt.one_stop(step.summary),
            error=step.error.strip().rpartition("\n")[2],
        )
        for step in cycle.steps.order_by("number")
    ]
    same_bot = Cycle.objects.filter(bot=cycle.bot_id).values_list("pk", flat=True)
    return CycleDetail(
        account=cycle.bot.account,
        row=cycle_row(cycle),
        bot_id=cycle.bot_id,
        runs=market_runs(cycle.bot.account),
        decisions=decisions,
        steps=steps,
        newer=same_bot.filter(pk__gt=cycle_id).order_by("pk").first(),
        older=same_bot.filter(pk__lt=cycle_id).order_by("-pk").first(),
    )


def cycle_states() -> list[tuple[str, str]]:
    """Choices of the list's filter."""
    return CycleState.choices()
