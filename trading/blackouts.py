"""Blackouts of an account: which windows there are, and the writes of operators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from exchange.models import ExchangeAccount, MarketSession
from trading.choices import BlackoutAction, BlackoutKind, EventLevel
from trading.domain.blackouts import BlackoutWindow, weekly_windows
from trading.domain.calendars import CalendarInvalid, calendar_events
from trading.errors import ActionRefused
from trading.events import record
from trading.models import Blackout, OperatorAction

INSTANT = timedelta(microseconds=1)
Span = tuple[str, datetime, datetime]


@dataclass(frozen=True, slots=True)
class BlackoutWish:
    """A blackout as an operator describes it. ``account`` None is every account, no ``symbols``
    every symbol; which of the times count, ``kind`` says."""

    account: ExchangeAccount | None
    name: str
    kind: BlackoutKind
    action: BlackoutAction
    symbols: Sequence[str] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekday: int | None = None
    clock: time | None = None
    minutes: int | None = None
    calendar: str = ""


def windows_between(
    account: ExchangeAccount, since: datetime, until: datetime
) -> tuple[BlackoutWindow, ...]:
    """Every window of active blackouts that overlaps the market time from ``since`` up to and
    without ``until``, oldest first."""
    rows = Blackout.objects.filter(Q(account=account) | Q(account=None), is_active=True)
    rows = rows.exclude(kind=BlackoutKind.ONCE, ends_at__lte=since)
    rows = rows.exclude(kind=BlackoutKind.ONCE, starts_at__gte=until)
    found = [window for row in rows for window in _windows(row, since, until)]
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.name)))


def blackouts_now(account: ExchangeAccount, moment: datetime) -> tuple[BlackoutWindow, ...]:
    """The windows that market time ``moment`` lies in."""
    return windows_between(account, moment, moment + INSTANT)


def windows_of(row: Blackout, since: datetime, until: datetime) -> list[BlackoutWindow]:
    """The windows of one blackout, whether it is active or not."""
    return sorted(_windows(row, since, until), key=lambda one: one.start)


def blackout_create(*, wish: BlackoutWish, actor: User | None) -> Blackout:
    """Store a blackout. Raises ``ActionRefused`` for one that makes no sense."""
    row = Blackout(**_columns(wish), actor=actor)
    _refuse_unknown(row)
    _save(row, actor, "added")
    return row


def blackout_edit(*, blackout: Blackout, wish: BlackoutWish, actor: User | None) -> Blackout:
    """Change a blackout that a person made; a calendar stays where no new file is brought. Raises
    ``ActionRefused``, and then nothing has changed."""
    if blackout.source_key:
        raise ActionRefused("this blackout is kept by its source; switch it off instead")
    row = Blackout.objects.get(pk=blackout.pk)
    for name, value in _columns(wish).items():
        setattr(row, name, value)
    if wish.kind is BlackoutKind.ICS and not wish.calendar:
        row.calendar = blackout.calendar
    _refuse_unknown(row)
    _save(row, actor, "changed")
    return row


def blackout_set_active(*, blackout: Blackout, active: bool, actor: User | None) -> None:
    """Switch a blackout on or off; it is never deleted, so that past trading can be explained."""
    changed = Blackout.objects.filter(pk=blackout.pk, is_active=not active)
    with transaction.atomic():
        if changed.update(is_active=active) == 1:
            _tell(blackout, actor, "switched on" if active else "switched off")


def _columns(wish: BlackoutWish) -> dict[str, Any]:
    columns = {one.name: getattr(wish, one.name) for one in fields(wish)}
    columns["name"] = wish.name.strip()
    columns["symbols"] = sorted({symbol.strip().upper() for symbol in wish.symbols} - {""})
    return columns


def _refuse_unknown(row: Blackout) -> None:
    """A symbol that no market here has would be covered by nothing: most likely a slip of the
    pen."""
    sessions = MarketSession.objects.all()
    if row.account is not None:
        sessions = sessions.filter(account=row.account)
    offered = {symbol for session in sessions for symbol in session.symbols}
    unknown = sorted(set(row.symbols) - offered)
    if unknown:
        known = ", ".join(sorted(offered)) or "none"
        raise ActionRefused(f"no market here has {', '.join(unknown)}; there is {known}")


def _save(row: Blackout, actor: User | None, what: str) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise ActionRefused(" ".join(_sentences(error))) from error
    with transaction.atomic():
        row.save()
        _tell(row, actor, what)


def _sentences(error: ValidationError) -> Iterable[str]:
    for name, messages in error.message_dict.items():
        for message in messages:
            yield message if name == "__all__" else f"{name.replace('_', ' ')}: {message}"


def _tell(row: Blackout, actor: User | None, what: str) -> None:
    OperatorAction.objects.create(
        actor=actor,
        action=f"blackout {what}",
        target=row.name,
        data={"blackout": row.pk, "action": row.action, "symbols": row.symbols},
    )
    label = BlackoutAction(row.action).label.lower()
    record(
        "blackout",
        f"Blackout {row.name} {what}: {label}."[:300],
        account=row.account,
        level=EventLevel.NOTICE,
        data={"blackout": row.pk},
    )


def _windows(row: Blackout, since: datetime, until: datetime) -> list[BlackoutWindow]:
    action, symbols = BlackoutAction(row.action), frozenset(row.symbols)
    try:
        spans = _SPANS[BlackoutKind(row.kind)](row, since, until)
    except CalendarInvalid:
        # It was read when it was stored. While nobody knows what it says, nothing is entered.
        name = f"{row.name} (its calendar can't be read)"
        return [BlackoutWindow(name, since, until, BlackoutAction.NO_ENTRIES, symbols)]
    return [BlackoutWindow(name, start, end, action, symbols) for name, start, end in spans]


def _once(row: Blackout, since: datetime, until: datetime) -> list[Span]:
    start, end = row.starts_at, row.ends_at
    if start is None or end is None or start >= until or end <= since:
        return []
    return [(row.name, start, end)]


def _weekly(row: Blackout, since: datetime, until: datetime) -> list[Span]:
    if row.weekday is None or row.clock is None or row.minutes is None:
        return []
    length = timedelta(minutes=row.minutes)
    spans = weekly_windows(row.weekday, row.clock, length, since, until)
    return [(row.name, start, end) for start, end in spans]


def _calendar(row: Blackout, since: datetime, until: datetime) -> list[Span]:
    events = calendar_events(row.calendar, since, until)
    return [(f"{row.name}: {one.name}", one.start, one.end) for one in events]


_SPANS: dict[BlackoutKind, Callable[[Blackout, datetime, datetime], list[Span]]] = {
    BlackoutKind.ONCE: _once,
    BlackoutKind.WEEKLY: _weekly,
    BlackoutKind.ICS: _calendar,
}
