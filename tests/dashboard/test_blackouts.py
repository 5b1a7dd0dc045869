"""The page of blackouts: adding each kind, files that can't be used, the switch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from dashboard.selectors.market import market_read
from exchange.models import ExchangeAccount
from tests.factories import BlackoutFactory
from tests.trading.domain.test_calendars import calendar
from trading.models import Blackout, OperatorAction

RATES = calendar(("SUMMARY:FOMC", "DTSTART:20240320T180000Z", "RRULE:FREQ=DAILY"))
COMMON = {"name": "Rates", "action": "no_entries", "symbols": "", "scope": "here"}
TIMES: dict[str, dict[str, Any]] = {
    "once": {"starts_at": "2030-01-01T10:00", "ends_at": "2030-01-01T12:30"},
    "weekly": {"weekday": "4", "clock": "22:00", "minutes": "2880"},
    "ics": {},
}


def form(kind: str, **changes: Any) -> dict[str, Any]:
    given = COMMON | TIMES[kind] | {"kind": kind}
    if kind == "ics":
        given["calendar"] = SimpleUploadedFile("rates.ics", RATES.encode())
    return given | changes


def test_each_kind_has_its_form(console: Client, account: ExchangeAccount) -> None:
    page = console.get(reverse("blackouts")).content.decode()
    assert "No blackouts." in page
    assert 'name="starts_at"' in page
    weekly = console.get(reverse("blackouts"), {"kind": "weekly"}).content.decode()
    assert 'name="weekday"' in weekly
    assert 'name="starts_at"' not in weekly
    ics = console.get(reverse("blackouts"), {"kind": "ics"}).content.decode()
    assert 'type="file"' in ics
    assert console.get(reverse("blackouts"), {"kind": "never"}).status_code == 404


@pytest.mark.parametrize("kind", ["once", "weekly", "ics"])
def test_a_blackout_is_added_and_listed(
    console: Client, account: ExchangeAccount, kind: str
) -> None:
    answer = console.post(reverse("blackouts"), form(kind, symbols="btcusdt ETHUSDT"), follow=True)
    row = Blackout.objects.get()
    assert (row.kind, row.account, row.symbols) == (kind, account, ["BTCUSDT", "ETHUSDT"])
    page = answer.content.decode()
    assert "Rates: added." in page
    assert "BTC, ETH, this account" in page
    assert OperatorAction.objects.get().actor is not None


def test_what_was_typed_is_kept_in_utc(console: Client, account: ExchangeAccount) -> None:
    console.post(reverse("blackouts"), form("once", scope="everywhere"))
    row = Blackout.objects.get()
    assert row.account is None
    assert row.starts_at == datetime(2030, 1, 1, 10, tzinfo=UTC)
    console.post(reverse("blackouts"), form("weekly"))
    weekly = Blackout.objects.get(kind="weekly")
    assert (weekly.weekday, str(weekly.clock), weekly.minutes) == (4, "22:00:00", 2880)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (form("once", ends_at="2030-01-01T09:00"), "It must end after it begins."),
        (form("once", starts_at=""), "This field is required."),
        (form("once", symbols="gold"), "GOLD is no USDT perpetual"),
        (form("weekly", minutes="20000"), "It must last from 1 minute to a week"),
        (
            form("ics", calendar=SimpleUploadedFile("x.ics", b"Dear operator")),
            "This is not a calendar file (ICS)",
        ),
        (
            form("ics", calendar=SimpleUploadedFile("x.ics", b"\xff\xfe\x00")),
            "The calendar file is not text in UTF-8.",
        ),
        (COMMON | {"kind": "ics"}, "The calendar file is empty."),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    console: Client, account: ExchangeAccount, given: dict[str, Any], words: str
) -> None:
    answer = console.post(reverse("blackouts"), given)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert 'value="Rates"' in page
    assert not Blackout.objects.exists()


def test_a_bad_file_leaves_the_stored_one(console: Client, account: ExchangeAccount) -> None:
    console.post(reverse("blackouts"), form("ics"))
    row = Blackout.objects.get()
    address = reverse("blackout", args=[row.pk])
    bad = form("ics", name="New", calendar=SimpleUploadedFile("x.ics", b"oops"))
    assert console.post(address, bad).status_code == 422
    kept = Blackout.objects.get()
    assert (kept.name, kept.calendar) == ("Rates", RATES)
    assert console.post(address, COMMON | {"kind": "ics", "name": "New"}).status_code == 302
    kept.refresh_from_db()
    assert (kept.name, kept.calendar) == ("New", RATES)


def test_the_form_of_a_blackout_shows_what_is_stored(
    console: Client, account: ExchangeAccount
) -> None:
    console.post(reverse("blackouts"), form("once"))
    page = console.get(reverse("blackout", args=[Blackout.objects.get().pk]))
    assert 'value="2030-01-01T10:00"' in page.content.decode()


def test_the_next_windows_are_told_in_words(console: Client, account: ExchangeAccount) -> None:
    now = market_read(account).now
    assert now is not None
    hour = timedelta(hours=1)
    BlackoutFactory.create(
        account=account, name="Current", starts_at=now - hour, ends_at=now + 2 * hour
    )
    page = console.get(reverse("blackouts")).content.decode()
    assert f"now until {now + 2 * hour:%a %m-%d %H:%M}" in page
    assert '<span class="badge tone-warn">now</span>' in page


def test_a_blackout_is_switched_off_and_on(console: Client, account: ExchangeAccount) -> None:
    row = BlackoutFactory.create(account=account)
    address = reverse("blackout_switch", args=[row.pk])
    for wanted, active in (("off", False), ("on", True)):
        console.post(address, {"active": wanted})
        row.refresh_from_db()
        assert row.is_active is active
    assert console.get(address).status_code == 405
    assert console.post(address, {"active": "maybe"}).status_code == 404


def test_a_blackout_of_another_account_is_not_shown(
    console: Client, account: ExchangeAccount
) -> None:
    other = BlackoutFactory.create(name="Elsewhere")
    assert "Elsewhere" not in console.get(reverse("blackouts")).content.decode()
    assert console.get(reverse("blackout", args=[other.pk])).status_code == 404
