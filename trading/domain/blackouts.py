"""Blackouts: named windows in which less or nothing is traded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

from trading.choices import BlackoutAction, BlackoutKind
from trading.domain.calendars import CalendarInvalid, calendar_check
from trading.domain.verdict import Factor, Verdict

STRICTNESS = (BlackoutAction.HALVE, BlackoutAction.NO_ENTRIES, BlackoutAction.FLATTEN)
HALF = Decimal("0.5")
DAY = timedelta(days=1)
WEEK_MINUTES = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class BlackoutWindow:
    """One stretch of market time, from ``start`` up to and without ``end``. No ``symbols`` means
    all of them."""

    name: str
    start: datetime
    end: datetime
    action: BlackoutAction
    symbols: frozenset[str] = frozenset()

    def covers(self, symbol: str, moment: datetime) -> bool:
        return self.start <= moment < self.end and (not self.symbols or symbol in self.symbols)


def strictest(
    symbol: str, windows: Iterable[BlackoutWindow], now: datetime
) -> BlackoutWindow | None:
    """Of the windows that cover ``symbol`` now, the one with the strictest action; of equals the
    one that lasts longest."""
    found = [window for window in windows if window.covers(symbol, now)]
    return max(found, key=lambda one: (STRICTNESS.index(one.action), one.end), default=None)


def blackout_rule(symbol: str, windows: Iterable[BlackoutWindow], now: datetime) -> Verdict:
    """No entries while a window says so; half size lets entries pass."""
    found = strictest(symbol, windows, now)
    if found is None:
        return Verdict("blackout", True, "none", "none", f"No blackout covers {symbol}.")
    until = f"until {found.end:%Y-%m-%d %H:%M} UTC"
    passed = found.action is BlackoutAction.HALVE
    text = f"{found.name}: {found.action.label.lower()} {until}."
    return Verdict("blackout", passed, found.name, "none", text)


def blackout_factors(
    symbol: str, windows: Iterable[BlackoutWindow], now: datetime
) -> tuple[Factor, ...]:
    """Half the size while a window says so, however many do."""
    found = strictest(symbol, windows, now)
    if found is None or found.action is not BlackoutAction.HALVE:
        return ()
    return (Factor("blackout", HALF, found.name),)


def weekly_windows(
    weekday: int, clock: time, length: timedelta, since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """The windows that begin every ``weekday`` (0 is Monday) at ``clock`` UTC and overlap the time
    from ``since`` up to and without ``until``; both in UTC."""
    day = since - length - DAY
    day = day.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
    day += (weekday - day.weekday()) % 7 * DAY
    found = []
    while day < until:
        if day + length > since:
            found.append((day, day + length))
        day += 7 * DAY
    return found


@dataclass(frozen=True, slots=True)
class BlackoutTimes:
    """When a blackout is: what an operator filled in, not yet known to make sense."""

    kind: BlackoutKind
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekday: int | None = None
    clock: time | None = None
    minutes: int | None = None
    calendar: str = ""


def blackout_problem(times: BlackoutTimes, symbols: object) -> tuple[str, str]:
    """The field that makes no sense and why, as one sentence; ("", "") where all do."""
    if not isinstance(symbols, Sequence) or not all(isinstance(one, str) for one in symbols):
        return "symbols", 'Write a list of symbols, for example ["BTCUSDT"]; empty means all.'
    if times.kind == BlackoutKind.ONCE:
        return _once_problem(times.starts_at, times.ends_at)
    if times.kind == BlackoutKind.WEEKLY:
        return _weekly_problem(times)
    try:
        calendar_check(times.calendar)
    except CalendarInvalid as error:
        return "calendar", str(error)
    return "", ""


def _once_problem(starts_at: datetime | None, ends_at: datetime | None) -> tuple[str, str]:
    if starts_at is None:
        return "starts_at", "Say when it begins."
    if ends_at is None:
        return "ends_at", "Say when it ends."
    if ends_at <= starts_at:
        return "ends_at", "It must end after it begins."
    return "", ""


def _weekly_problem(times: BlackoutTimes) -> tuple[str, str]:
    if times.weekday is None or not 0 <= times.weekday <= 6:
        return "weekday", "Choose a day of the week."
    if times.clock is None:
        return "clock", "Say at what time (UTC) it begins."
    if times.minutes is None or not 0 < times.minutes <= WEEK_MINUTES:
        return "minutes", f"It must last from 1 minute to a week ({WEEK_MINUTES} minutes)."
    return "", ""
