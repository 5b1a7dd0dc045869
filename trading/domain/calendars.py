"""iCalendar files (RFC 5545): which stretches of time their events cover."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

import recurring_ical_events
from icalendar import Calendar, Event

MAX_CHARS = 1_000_000
MAX_EVENTS = 5_000
# How far ahead a file is tried out when it is stored.
TRIED = timedelta(days=366)
# Economic calendars often name a moment only, such as a rate decision.
MOMENT = timedelta(hours=1)
DAY = timedelta(days=1)
TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY"})


class CalendarInvalid(ValueError):
    """The file can't be used; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One occurrence of an event, in UTC, from ``start`` up to and without ``end``."""

    name: str
    start: datetime
    end: datetime


def calendar_check(text: str) -> None:
    """Raise ``CalendarInvalid`` for a file whose events can't be told."""
    calendar = _parse(text)
    # What can't be expanded shows here, not when trading asks.
    _between(calendar, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC) + TRIED)


def calendar_events(text: str, since: datetime, until: datetime) -> list[CalendarEvent]:
    """Occurrences that overlap the time from ``since`` up to and without ``until``, oldest first.

    Cancelled events count for nothing. Times without a zone are UTC, or what the file's
    X-WR-TIMEZONE says; whole days are days of UTC; an event without a length lasts an hour. Raises
    ``CalendarInvalid``.
    """
    found: list[CalendarEvent] = []
    day = since.astimezone(UTC).date()
    while datetime.combine(day, time(), UTC) < until:
        found += _events_of_day(text, day)
        day += DAY
    kept = {one for one in found if one.start < until and one.end > since}
    return sorted(kept, key=lambda one: (one.start, one.end, one.name))


@lru_cache(maxsize=512)
def _events_of_day(text: str, day: date) -> tuple[CalendarEvent, ...]:
    start = datetime.combine(day, time(), UTC)
    return tuple(_between(_calendar(text), start, start + DAY))


@lru_cache(maxsize=16)
def _calendar(text: str) -> Calendar:
    return _parse(text)


def _parse(text: str) -> Calendar:
    if not text.strip():
        raise CalendarInvalid("The calendar file is empty.")
    if len(text) > MAX_CHARS:
        raise CalendarInvalid(f"The calendar file is longer than {MAX_CHARS:,} characters.")
    try:
        calendar = Calendar.from_ical(text)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as exc:
        raise CalendarInvalid(f"This is not a calendar file (ICS): {_short(exc)}.") from exc
    if not isinstance(calendar, Calendar):
        raise CalendarInvalid("This is not a calendar file (ICS): it does not begin a calendar.")
    _refuse_odd(calendar)
    return calendar


def _refuse_odd(calendar: Calendar) -> None:
    events = [one for one in calendar.walk("VEVENT") if isinstance(one, Event)]
    if not events:
        raise CalendarInvalid("The calendar file has no events.")
    if len(events) > MAX_EVENTS:
        raise CalendarInvalid(f"The calendar file has more than {MAX_EVENTS:,} events.")
    for event in events:
        name = _name(event)
        if event.errors:
            raise CalendarInvalid(f"The event {name!r} can't be read: {event.errors[0][1]}.")
        if "DTSTART" not in event:
            raise CalendarInvalid(f"The event {name!r} does not say when it begins.")
        _refuse_odd_times(event, name)
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            if TOO_OFTEN & {str(word).upper() for word in rule.get("FREQ", [])}:
                raise CalendarInvalid(f"The event {name!r} repeats more often than every hour.")


def _refuse_odd_times(event: Event, name: str) -> None:
    """A time zone nobody knows would move the event, an end before its start turn it around."""
    moments: list[Any] = [event[key] for key in ("DTSTART", "DTEND") if key in event]
    for one in moments:
        if isinstance(one, list):
            raise CalendarInvalid(f"The event {name!r} begins or ends twice.")
        zone, moment = one.params.get("TZID"), one.dt
        if zone and isinstance(moment, datetime) and moment.tzinfo is None:
            raise CalendarInvalid(f"The event {name!r} names an unknown time zone: {zone}.")
    if len(moments) > 1 and _moment(moments[1].dt) < _moment(moments[0].dt):
        raise CalendarInvalid(f"The event {name!r} ends before it begins.")


def _between(calendar: Calendar, since: datetime, until: datetime) -> list[CalendarEvent]:
    # An event that has no length, and one that began before, are found by asking from earlier on.
    try:
        found = recurring_ical_events.of(calendar).between(since - MOMENT, until)
    except Exception as exc:
        # The library raises what its parts raise; whatever it is, the file can't be used.
        raise CalendarInvalid(f"The calendar's events can't be told: {_short(exc)}.") from exc
    kept = [_occurrence(one) for one in found if str(one.get("STATUS", "")) != "CANCELLED"]
    return [one for one in kept if one.start < until and one.end > since]


def _occurrence(event: Event) -> CalendarEvent:
    start, end = _moment(event.start), _moment(event.end)
    return CalendarEvent(_name(event), start, end if end > start else start + MOMENT)


def _moment(value: date | datetime) -> datetime:
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _name(event: Event) -> str:
    return str(event.get("SUMMARY", "")).strip() or "event"


def _short(error: Exception) -> str:
    return str(error).strip().rstrip(".").partition("\n")[0][:160] or type(error).__name__
