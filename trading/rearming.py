"""The trading state: stricter at any time, less strict only where nothing stands against it."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from exchange.models import ExchangeAccount
from trading.choices import EventLevel, TradingStateName
from trading.domain.verdict import percent
from trading.equity import standing
from trading.errors import ActionRefused
from trading.events import record
from trading.kill_file import kill_file_dropped_at, kill_file_remove
from trading.models import EquityPoint, KillStep, OperatorAction, TradingState
from trading.selectors import STRICTNESS
from trading.settings_of import limits_current, limits_value

Actor = User | None
REASON_LENGTH = 200


def rearm_refusals(account: ExchangeAccount | None) -> list[str]:
    """Sentences on why trading of ``account`` (None: of everything) may not be armed again now;
    none is a yes. Each guard that halts trading adds its own."""
    return [*_open_kill_steps(account), *_drawdown(account)]


def _open_kill_steps(account: ExchangeAccount | None) -> list[str]:
    """A kill that has not seen everything done yet."""
    steps = KillStep.objects.filter(done_at=None, run__done_at=None)
    if account is not None:
        steps = steps.filter(Q(run__account=account) | Q(account=account))
    names = [
        f"{step.account}: {step.symbol or step.get_kind_display()}"
        for step in steps.select_related("account")
    ]
    if not names:
        return []
    shown = ", ".join(dict.fromkeys(names))
    return [f"the kill switch still waits for {shown}"]


def _drawdown(account: ExchangeAccount | None) -> list[str]:
    """A drawdown beyond the limit would halt it again within a minute; as of its last point."""
    newest = EquityPoint.objects.filter(account=account).order_by("-time").first()
    if account is None or newest is None:
        return []
    limit = limits_value(limits_current(account)).max_drawdown
    lost = standing(account, newest.equity, newest.time, newest, ()).drawdown
    if lost <= limit:
        return []
    return [f"the drawdown of {percent(lost)} is beyond {percent(limit)}: re-base the peak first"]


def trading_state_held(account: ExchangeAccount | None) -> TradingStateName:
    """The state of ``account`` or (None) of everything, whatever the other one is."""
    dropped_at = kill_file_dropped_at() if account is None else None
    return _state_held(dropped_at, TradingState.objects.filter(account=account).first())


def rearm(
    *, account: ExchangeAccount | None, actor: Actor, reason: str, seen: str | None = None
) -> TradingState:
    """One step back towards trading: from halted to reducing, from there to active. ``seen`` is the
    state that the person saw, so that a form that is sent twice is one step. Raises
    ``ActionRefused`` as ``trading_state_set`` does, where nothing is to be armed, and where another
    state stands than was seen."""
    held = trading_state_held(account)
    if seen is not None and seen != held:
        raise ActionRefused(f"it stands at {held} by now; look again")
    if held is TradingStateName.ACTIVE:
        raise ActionRefused(f"{account.name if account else 'everything'} is armed already")
    state = STRICTNESS[STRICTNESS.index(held) - 1]
    return trading_state_set(account=account, state=state, actor=actor, reason=reason)


def trading_state_set(
    *, account: ExchangeAccount | None, state: TradingStateName, actor: Actor, reason: str
) -> TradingState:
    """Set whether entries are allowed, for one account or (None) for everything.

    Raises ``ActionRefused`` without a reason, and for a less strict state while something stands
    against it, where a halt would be lifted in one step, or where somebody changed it meanwhile.
    The KILL file counts as a halt of everything; arming everything again takes it away.
    """
    if not reason.strip():
        raise ActionRefused("give a reason; it is kept with the change")
    if len(reason) > REASON_LENGTH:
        raise ActionRefused(f"the reason is longer than {REASON_LENGTH} characters")
    dropped_at = kill_file_dropped_at() if account is None else None
    now = TradingState.objects.filter(account=account).first()
    held = _state_held(dropped_at, now)
    if STRICTNESS.index(state) < STRICTNESS.index(held):
        _refuse_arming(account, held, state)
    with transaction.atomic():
        row = _state_store(account, now, state, actor, reason)
        target = account.name if account else "everything"
        OperatorAction.objects.create(
            actor=actor, action=f"trading {state}", target=target, reason=reason
        )
        record(
            "state_changed",
            f"{target}: {state.label} ({reason}).",
            account=account,
            level=EventLevel.NOTICE if state is TradingStateName.ACTIVE else EventLevel.WARNING,
        )
    if state is TradingStateName.ACTIVE:
        try:
            kill_file_remove(dropped_at)
        except OSError as exc:
            raise ActionRefused(f"the KILL file can't be removed ({exc.strerror})") from exc
    return row


def _state_held(dropped_at: datetime | None, row: TradingState | None) -> TradingStateName:
    """The state that stands, the KILL file included: one dropped after the last change is a halt
    that the row does not know of, and so is one that outlived the last step of arming."""
    state = TradingStateName.ACTIVE if row is None else TradingStateName(row.state)
    if dropped_at is None:
        return state
    unknown = row is None or dropped_at > row.changed_at
    return TradingStateName.HALTED if unknown or state is TradingStateName.ACTIVE else state


def _refuse_arming(
    account: ExchangeAccount | None, held: TradingStateName, state: TradingStateName
) -> None:
    if held is TradingStateName.HALTED and state is TradingStateName.ACTIVE:
        raise ActionRefused("a halt is lifted in two steps: set Reducing first, then Active")
    refusals = rearm_refusals(account)
    if refusals:
        raise ActionRefused("; ".join(refusals))


def _state_store(
    account: ExchangeAccount | None,
    seen: TradingState | None,
    state: TradingStateName,
    actor: Actor,
    reason: str,
) -> TradingState:
    """Change what was seen, and nothing newer: a kill at the same moment must win."""
    wanted = {"state": state, "reason": reason, "actor": actor}
    if seen is None:
        row, created = TradingState.objects.get_or_create(account=account, defaults=wanted)
        if created:
            return row
    else:
        rows = TradingState.objects.filter(pk=seen.pk, changed_at=seen.changed_at)
        if rows.update(**wanted, changed_at=timezone.now()) == 1:
            seen.refresh_from_db()
            return seen
    raise ActionRefused("somebody changed it at the same moment; look again")
