"""Calendar files: time zones, recurrences, odd events, and files that can't be used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trading.domain.calendars import CalendarInvalid, calendar_check, calendar_events

MARCH = datetime(2024, 3, 1, tzinfo=UTC)
APRIL = datetime(2024, 4, 1, tzinfo=UTC)
LINE = "\r\n"


def calendar(*events: tuple[str, ...], head: str = "PRODID:-//tests//EN") -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", head]
    for number, event in enumerate(events):
        lines += ["BEGIN:VEVENT", f"UID:{number}", *event, "END:VEVENT"]
    return LINE.join([*lines, "END:VCALENDAR", ""])


def starts(text: str) -> list[str]:
    return [f"{one.start:%m-%d %H:%M}" for one in calendar_events(text, MARCH, APRIL)]


def spans(text: str) -> list[str]:
    found = calendar_events(text, MARCH, APRIL)
    return [f"{one.start:%m-%d %H:%M} {one.end:%m-%d %H:%M}" for one in found]


def test_a_time_of_new_york_moves_with_its_summer_time() -> None:
    text = calendar(
        (
            "SUMMARY:Payrolls",
            "DTSTART;TZID=America/New_York:20240308T083000",
            "DTEND;TZID=America/New_York:20240308T093000",
            "RRULE:FREQ=WEEKLY;COUNT=2",
        )
    )
    assert spans(text) == ["03-08 13:30 03-08 14:30", "03-15 12:30 03-15 13:30"]


def test_a_zone_that_the_file_describes_itself_counts() -> None:
    zone = LINE.join(
        [
            "BEGIN:VTIMEZONE",
            "TZID:Office",
            "BEGIN:STANDARD",
            "DTSTART:19700101T000000",
            "TZOFFSETFROM:+0300",
            "TZOFFSETTO:+0300",
            "END:STANDARD",
            "END:VTIMEZONE",
        ]
    )
    text = calendar(("DTSTART;TZID=Office:20240310T120000",), head=f"PRODID:x{LINE}{zone}")
    assert starts(text) == ["03-10 09:00"]


def test_a_time_without_a_zone_is_utc() -> None:
    assert starts(calendar(("DTSTART:20240310T120000",))) == ["03-10 12:00"]


def test_a_day_is_a_day_of_utc_and_a_moment_an_hour() -> None:
    assert spans(calendar(("DTSTART;VALUE=DATE:20240310",))) == ["03-10 00:00 03-11 00:00"]
    assert spans(calendar(("DTSTART:20240310T180000Z",))) == ["03-10 18:00 03-10 19:00"]


def test_recurrences_leave_out_what_is_excepted_and_move_what_is_moved() -> None:
    daily = (
        "DTSTART:20240310T120000Z",
        "RRULE:FREQ=DAILY;UNTIL=20240313T120000Z",
        "EXDATE:20240311T120000Z",
    )
    moved = ("RECURRENCE-ID:20240312T120000Z", "DTSTART:20240312T150000Z")
    text = calendar(daily, moved).replace("UID:1", "UID:0")
    assert starts(text) == ["03-10 12:00", "03-12 15:00", "03-13 12:00"]


def test_a_cancelled_event_counts_for_nothing() -> None:
    assert starts(calendar(("DTSTART:20240310T120000Z", "STATUS:CANCELLED"))) == []


def test_events_that_began_before_or_end_later_are_found_once() -> None:
    text = calendar(
        ("SUMMARY:long", "DTSTART:20240201T000000Z", "DTEND:20240501T000000Z"),
        ("SUMMARY:late", "DTSTART:20240331T233000Z"),
    )
    found = calendar_events(text, MARCH, APRIL)
    assert [one.name for one in found] == ["long", "late"]
    at_midnight = calendar_events(text, APRIL, APRIL + timedelta(minutes=1))
    assert [one.name for one in at_midnight] == ["long", "late"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The calendar file is empty"),
        ("Dear operator, no trading on Friday.", "This is not a calendar file"),
        ("\x89PNG\r\n\x1a\n\x00", "This is not a calendar file"),
        ("BEGIN:VEVENT\r\nEND:VEVENT\r\n", "does not begin a calendar"),
        ("BEGIN:VCALENDAR\r\n", "calendar"),
        (calendar(), "has no events"),
        (calendar(("SUMMARY:x",)), "does not say when it begins"),
        (calendar(("DTSTART:tomorrow",)), "can't be read"),
        (calendar(("DTSTART:20240310T120000Z", "RRULE:FREQ=NEVER")), "can't be read"),
        (
            calendar(("DTSTART:20240310T120000Z", "RRULE:FREQ=MINUTELY")),
            "repeats more often than every hour",
        ),
        (
            calendar(("DTSTART;TZID=Mars/Base:20240310T120000",)),
            "names an unknown time zone: Mars/Base",
        ),
        (
            calendar(("DTSTART:20240310T120000Z", "DTEND:20240310T110000Z")),
            "ends before it begins",
        ),
        ("x" * 1_000_001, "longer than"),
    ],
)
def test_a_file_that_can_not_be_used_says_why(text: str, words: str) -> None:
    with pytest.raises(CalendarInvalid, match=words) as caught:
        calendar_check(text)
    assert str(caught.value).endswith(".")
