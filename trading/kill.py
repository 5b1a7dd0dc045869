"""The kill switch: entries off first, then everything that has to be seen done.

A press only writes rows (and for a halt of everything a file); the traders act on them, in
whatever process they run, with no broker in between. A step is done when the tables show what the
venue reported, never because it was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from exchange.choices import Mode
from exchange.models import ExchangeAccount
from trading.choices import (
    BotState,
    EventLevel,
    KillLevel,
    KillStepKind,
    OrderRole,
    TradeState,
    TradingStateName,
)
from trading.domain.order import LIVE
from trading.errors import ActionRefused
from trading.events import record
from trading.kill_file import kill_file_drop
from trading.kill_progress import kill_follow, kill_words
from trading.models import Bot, KillRun, KillStep, OperatorAction, Order, Trade, TradingState
from trading.selectors import STRICTNESS
from trading.waking import wake

logger = structlog.get_logger(__name__)

REASON_LENGTH = 200
DRILL_MODES = (Mode.SIM, Mode.PAPER)
STATE_OF = {
    KillLevel.REDUCE: TradingStateName.REDUCING,
    KillLevel.HALT: TradingStateName.HALTED,
    KillLevel.FLATTEN: TradingStateName.HALTED,
}


def kill_press(
    *,
    account: ExchangeAccount | None,
    level: KillLevel,
    reason: str,
    actor: User | None,
    channel: str,
    drill: bool = False,
    pressed_at: datetime,
) -> KillRun:
    """Stop ``account`` or (None) everything, as much as ``level`` says.

    When this returns, entries are off for good; what the run then waits for is carried on by the
    traders. Raises ``ActionRefused`` without a reason, and for a drill with anything but one
    simulated or paper account. An error of the database is raised; a halt of everything has left
    the KILL file by then.
    """
    refusal = press_refusal(account, reason, drill=drill)
    if refusal:
        raise ActionRefused(refusal)
    if account is None and level >= KillLevel.HALT:
        _drop_file(reason)
    run = _switch_off(account, level, reason, actor, channel, drill, pressed_at)
    _note_commit(run)
    kill_follow(run)
    record(
        "kill_pressed",
        f"{_title(run)} pressed ({reason}): {kill_words(run, timezone.now())}.",
        account=account,
        level=EventLevel.NOTICE if drill else EventLevel.WARNING,
        data={"run": run.pk, "level": int(level)},
    )
    return run


def _drop_file(reason: str) -> None:
    """The rows stop entries without it: a disk that is full, or a file of another user, must not
    stand in the way of a press."""
    try:
        kill_file_drop(reason)
    except OSError:
        logger.exception("the KILL file can't be written")


def press_refusal(account: ExchangeAccount | None, reason: str, *, drill: bool) -> str:
    """Why this press would be refused, or ""."""
    if not reason.strip():
        return "give a reason; it is kept with the press"
    if len(reason) > REASON_LENGTH:
        return f"the reason is longer than {REASON_LENGTH} characters"
    if drill and (account is None or Mode(account.mode) not in DRILL_MODES):
        return "a drill is for one simulated or paper account"
    return ""


@transaction.atomic
def _switch_off(
    account: ExchangeAccount | None,
    level: KillLevel,
    reason: str,
    actor: User | None,
    channel: str,
    drill: bool,
    pressed_at: datetime,
) -> KillRun:
    """What is committed first, and waits for nothing else: no entry leaves after it."""
    accounts = accounts_of(account)
    paused = 0
    if level is KillLevel.PAUSE:
        bots = Bot.objects.filter(account__in=accounts, state=BotState.RUNNING)
        paused = bots.update(state=BotState.PAUSED)
    else:
        _tighten(account, STATE_OF[level], reason, actor)
    now = timezone.now()
    run = KillRun.objects.create(
        account=account,
        level=level,
        drill=drill,
        reason=reason,
        channel=channel,
        actor=actor,
        pressed_at=pressed_at,
        committed_at=now,
    )
    kind = KillStepKind.PAUSED if level is KillLevel.PAUSE else KillStepKind.ENTRIES_OFF
    detail = f"{paused} bots paused" if level is KillLevel.PAUSE else ""
    KillStep.objects.bulk_create(
        KillStep(run=run, account=one, kind=kind, detail=detail, done_at=now) for one in accounts
    )
    OperatorAction.objects.create(
        actor=actor,
        action=f"kill {int(level)}{' (drill)' if drill else ''}",
        target=account.name if account else "everything",
        reason=reason,
        data={"run": run.pk, "channel": channel},
    )
    for one in accounts:
        wake(one.pk)
    return run


def _tighten(
    account: ExchangeAccount | None, state: TradingStateName, reason: str, actor: User | None
) -> None:
    """Set the state unless a stricter one stands. Its time is new either way, so that an arming
    that looked before this press is refused."""
    now = timezone.now()
    row, created = TradingState.objects.get_or_create(
        account=account, defaults={"state": state, "reason": reason, "actor": actor}
    )
    if created:
        return
    weaker = STRICTNESS[: STRICTNESS.index(state) + 1]
    rows = TradingState.objects.filter(pk=row.pk)
    rows.update(changed_at=now)
    rows.filter(state__in=weaker).update(state=state, reason=reason, actor=actor)


def _note_commit(run: KillRun) -> None:
    """The time after the commit: entries were off by then, and not for certain before."""
    now = timezone.now()
    KillStep.objects.filter(run=run, done_at=run.committed_at).update(done_at=now)
    KillRun.objects.filter(pk=run.pk).update(committed_at=now)
    run.committed_at = now


def accounts_of(account: ExchangeAccount | None) -> Sequence[ExchangeAccount]:
    """The accounts that a press concerns: all that trade, or still have something on a venue."""
    if account is not None:
        return [account]
    live_trades = Trade.objects.filter(state__in=(TradeState.PENDING, TradeState.OPEN))
    entries = Order.objects.filter(role=OrderRole.ENTRY, state__in=LIVE)
    return list(
        ExchangeAccount.objects.filter(
            Q(is_active=True)
            | Q(pk__in=live_trades.values("account"))
            | Q(pk__in=entries.values("account"))
        ).order_by("pk")
    )


def _title(run: KillRun) -> str:
    return f"{'Drill of kill' if run.drill else 'Kill'} switch, level {int(run.level)}"
