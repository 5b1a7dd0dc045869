"""The kill switch for its page: how it stands, what presses wait for, what they came to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dashboard import format as fmt
from exchange.models import ExchangeAccount
from trading.choices import KillLevel, TradingStateName
from trading.kill import DRILL_MODES
from trading.kill_file import kill_file_words
from trading.kill_progress import kill_words, seconds_after
from trading.models import KillRun, KillStep, TradingState
from trading.rearming import rearm_refusals, trading_state_held

HISTORY = 20
LEVEL_WORDS = {
    KillLevel.PAUSE: "Bots stop looking and entering; their unfilled entries are taken back. "
    "Positions stay and are managed. Start the bots again on their page.",
    KillLevel.REDUCE: "No new entry leaves. Entries that already work stay, those in flight are "
    "taken back. Positions stay and are managed.",
    KillLevel.HALT: "No new entry leaves and every unfilled entry is cancelled. Positions stay "
    "behind their stops and are managed.",
    KillLevel.FLATTEN: "As the halt, and every position of ours is closed at market now.",
}
NEXT_STEP = {
    TradingStateName.HALTED: "Step 1 of 2: from halted to reducing",
    TradingStateName.REDUCING: "Last step: let entries go on",
}


@dataclass(frozen=True, slots=True)
class Level:
    """One choice of the form."""

    value: int
    label: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Scope:
    """How everything, or one account, stands; ``next_step`` is empty where nothing is to be
    armed."""

    value: str
    name: str
    state: TradingStateName
    row: TradingState | None
    note: str
    next_step: str
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepLine:
    """One thing that is to be seen done."""

    text: str
    account: str
    took: str
    detail: str
    done: bool


@dataclass(frozen=True, slots=True)
class RunCard:
    """A press with its steps; ``words`` is its line so far."""

    run: KillRun
    title: str
    words: str
    done: bool
    took: str
    steps: tuple[StepLine, ...] = ()


def levels() -> list[Level]:
    """The four levels in plain words."""
    return [
        Level(int(level), level.label, LEVEL_WORDS[level], level is KillLevel.HALT)
        for level in KillLevel
    ]


def scopes(account: ExchangeAccount | None) -> list[Scope]:
    """Everything, and the account that is shown."""
    found = [_scope("everything", "Everything", None)]
    if account is not None:
        found.append(_scope("account", account.name, account))
    return found


def _scope(value: str, name: str, account: ExchangeAccount | None) -> Scope:
    state = trading_state_held(account)
    row = TradingState.objects.filter(account=account).select_related("actor").first()
    next_step = NEXT_STEP.get(state, "")
    return Scope(
        value=value,
        name=name,
        state=state,
        row=row,
        note=kill_file_words() if account is None else "",
        next_step=next_step,
        refusals=tuple(rearm_refusals(account)) if next_step else (),
    )


def runs_newest(account: ExchangeAccount | None, now: datetime) -> list[RunCard]:
    """The presses that are shown with their steps: all that wait, else the newest one."""
    rows = _runs(account)
    shown = [run for run in rows if run.done_at is None] or rows[:1]
    return [_card(run, now, steps=True) for run in shown]


def runs_before(account: ExchangeAccount | None, now: datetime) -> list[RunCard]:
    """What earlier presses came to, newest first."""
    return [_card(run, now, steps=False) for run in _runs(account)]


def last_drill(account: ExchangeAccount, now: datetime) -> RunCard | None:
    """The account's newest exercise."""
    run = KillRun.objects.filter(account=account, drill=True).first()
    return None if run is None else _card(run, now, steps=False)


def may_drill(account: ExchangeAccount | None) -> bool:
    """Whether the account has no real money to lose in an exercise."""
    return account is not None and account.mode in DRILL_MODES


def _runs(account: ExchangeAccount | None) -> list[KillRun]:
    rows = KillRun.objects.filter(account=None)
    if account is not None:
        rows |= KillRun.objects.filter(account=account)
    return list(rows.select_related("account", "actor").order_by("-id")[:HISTORY])


def _card(run: KillRun, now: datetime, *, steps: bool) -> RunCard:
    rows = KillStep.objects.filter(run=run).select_related("account", "order", "trade")
    return RunCard(
        run=run,
        title=f"Drill: {run}" if run.drill else str(run),
        words=kill_words(run, run.done_at or now),
        done=run.done_at is not None,
        took=seconds_after(run, run.done_at) if run.done_at else fmt.UNKNOWN,
        steps=tuple(_lines(run, rows)) if steps else (),
    )


def _lines(run: KillRun, steps: Iterable[KillStep]) -> Iterable[StepLine]:
    for step in steps:
        done = step.done_at is not None
        yield StepLine(
            text=str(step) if done else f"{step}: waiting for the exchange",
            account=step.account.name,
            took=seconds_after(run, step.done_at) if step.done_at else fmt.UNKNOWN,
            detail=step.detail,
            done=done,
        )
