"""How far a kill has come: what it waits for, what the venue has reported, and that in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from trading.choices import (
    CancelReason,
    EventLevel,
    ExitReason,
    KillLevel,
    KillStepKind,
    OrderRole,
    OrderState,
    TradeState,
)
from trading.domain.order import FINAL, LIVE
from trading.events import record
from trading.models import KillRun, KillStep, Order, Trade
from trading.selectors import LIVE_TRADES, trade_book

CLOSED_STATES = (TradeState.CLOSED, TradeState.CANCELLED)
# A run is not called done before every order that could have left is in the tables.
SETTLING = timedelta(seconds=1)


def kill_carry(account: ExchangeAccount) -> bool:
    """Carry the open runs that concern ``account`` further; its trader does so in each round.
    True when a new wish was stored."""
    runs = KillRun.objects.filter(Q(account=account) | Q(account=None), done_at=None)
    wished = [kill_follow(run) for run in runs]
    return any(wished)


def kill_follow(run: KillRun) -> bool:
    """Note what is to be seen done, wish it, and tick off what the tables show as reported. Asked
    again it adds only what is new. True when a wish was stored that was not there."""
    wished = _want(run)
    open_steps = _tick(run)
    settled = timezone.now() - run.committed_at >= SETTLING
    if open_steps or not settled:
        return wished
    now = timezone.now()
    if KillRun.objects.filter(pk=run.pk, done_at=None).update(done_at=now) == 1:
        run.done_at = now
        record(
            "kill_done",
            f"Kill switch, level {int(run.level)}: everything seen done. {kill_words(run, now)}.",
            account=run.account,
            level=EventLevel.NOTICE,
            data={"run": run.pk},
        )
    return wished


def _want(run: KillRun) -> bool:
    entries = _entries(run)
    wished = entries.filter(cancel_reason="").update(cancel_reason=CancelReason.KILL_SWITCH) > 0
    steps = [
        KillStep(
            run=run,
            account_id=order.account_id,
            kind=KillStepKind.CANCEL,
            symbol=order.symbol,
            order=order,
        )
        for order in entries.exclude(killstep__run=run)
    ]
    if run.level == KillLevel.FLATTEN:
        wished |= _want_closed(run)
        opened = _trades(run).filter(state=TradeState.OPEN).exclude(killstep__run=run)
        steps += [
            KillStep(
                run=run,
                account_id=trade.account_id,
                kind=KillStepKind.CLOSE,
                symbol=trade.symbol,
                trade=trade,
            )
            for trade in opened
        ]
    if steps:
        KillStep.objects.bulk_create(steps, ignore_conflicts=True)
    return wished


def _entries(run: KillRun) -> QuerySet[Order]:
    """Entries that this run takes back: all that work, at level 2 only those in flight when it was
    committed."""
    rows = Order.objects.filter(role=OrderRole.ENTRY, state__in=LIVE)
    if run.account_id is not None:
        rows = rows.filter(account_id=run.account_id)
    if run.level == KillLevel.REDUCE:
        in_flight = Q(acknowledged_at=None) | Q(acknowledged_at__gt=run.committed_at)
        rows = rows.filter(in_flight)
    return rows


def _trades(run: KillRun) -> QuerySet[Trade]:
    rows = Trade.objects.filter(state__in=LIVE_TRADES)
    return rows if run.account_id is None else rows.filter(account_id=run.account_id)


def _want_closed(run: KillRun) -> bool:
    """Every trade, also one whose entry is still out, is to be closed at market at once. A close
    by hand that would try a limit first gives way."""
    gentle = Q(close_wanted="") | Q(close_wanted=ExitReason.MANUAL) | Q(target_qty__gt=ZERO)
    rows = _trades(run).filter(gentle)
    return rows.update(close_wanted=ExitReason.KILL_SWITCH, target_qty=ZERO) > 0


def _tick(run: KillRun) -> int:
    """Tick off what is reported; returns how many steps stay open."""
    still_open = 0
    steps = KillStep.objects.filter(run=run, done_at=None).select_related("order__trade", "trade")
    for step in steps:
        detail = _shown_done(run, step)
        if not detail:
            still_open += 1
            continue
        reported = step.order.final_at if step.order else None
        KillStep.objects.filter(pk=step.pk, done_at=None).update(
            done_at=reported or timezone.now(), detail=detail[:200]
        )
    return still_open


def _shown_done(run: KillRun, step: KillStep) -> str:
    """What the venue has reported of the step's order or trade, in words; "" while it has not."""
    if step.order is not None:
        return _entry_words(run, step.order)
    trade = step.trade
    if trade is None or trade.state not in CLOSED_STATES or trade_book(trade).open_qty > 0:
        return ""
    return trade.get_exit_reason_display().lower() if trade.exit_reason else "nothing was open"


def _entry_words(run: KillRun, order: Order) -> str:
    filled = order.filled_qty
    if OrderState(order.state) not in FINAL or filled > order.trade.entry_qty:
        return ""
    if filled == 0:
        return "never left" if order.acknowledged_at is None else "cancelled"
    kept = "closed with the rest" if run.level == KillLevel.FLATTEN else "kept with its stop"
    return f"{filled.normalize():f} had filled, {kept}"


def kill_words(run: KillRun, now: datetime) -> str:
    """One line: what is done and when, in seconds from the press, and what is still open.

    "entries off 0.1 s; 2 cancels 0.8 s; BTCUSDT flat 1.4 s; SOLUSDT still open".
    """
    steps = list(KillStep.objects.filter(run=run).select_related("account"))
    several = len({step.account_id for step in steps}) > 1
    parts = [*_switch_words(run, steps), *_cancel_words(run, steps)]
    for step in steps:
        if step.kind == KillStepKind.CLOSE:
            name = f"{step.account.name} {step.symbol}" if several else step.symbol
            parts.append(f"{name} {_flat_or_open(run, step, now)}")
    return "; ".join(parts)


def _switch_words(run: KillRun, steps: Iterable[KillStep]) -> list[str]:
    if run.level == KillLevel.PAUSE:
        return [f"bots paused {seconds_after(run, run.committed_at)}"]
    return [f"entries off {seconds_after(run, run.committed_at)}"]


def _cancel_words(run: KillRun, steps: Iterable[KillStep]) -> list[str]:
    cancels: dict[bool, list[KillStep]] = defaultdict(list)
    for step in steps:
        if step.kind == KillStepKind.CANCEL:
            cancels[step.done_at is None].append(step)
    done = [step.done_at for step in cancels[False] if step.done_at is not None]
    parts = []
    if done:
        noun = "cancel" if len(done) == 1 else "cancels"
        parts.append(f"{len(done)} {noun} {seconds_after(run, max(done))}")
    if cancels[True]:
        symbols = ", ".join(sorted({step.symbol for step in cancels[True]}))
        parts.append(f"entry of {symbols} still out")
    return parts


def _flat_or_open(run: KillRun, step: KillStep, now: datetime) -> str:
    if step.done_at is None:
        return f"still open after {seconds_after(run, now)}"
    return f"flat {seconds_after(run, step.done_at)}"


def seconds_after(run: KillRun, moment: datetime) -> str:
    """Time from the press, as "0.8 s"."""
    return f"{max(0.0, (moment - run.pressed_at).total_seconds()):.1f} s"
