"""Blackouts of an account: stored, expanded, edited, switched off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from tests.factories import AccountFactory, BlackoutFactory, MarketSessionFactory
from tests.trading.domain.test_calendars import calendar
from trading.blackouts import (
    BlackoutWish,
    blackout_create,
    blackout_edit,
    blackout_set_active,
    blackouts_now,
    windows_between,
)
from trading.choices import BlackoutAction, BlackoutKind
from trading.errors import ActionRefused
from trading.models import Blackout, Event, OperatorAction

pytestmark = pytest.mark.django_db

NOON = datetime(2024, 3, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ONCE, WEEKLY, ICS = BlackoutKind.ONCE, BlackoutKind.WEEKLY, BlackoutKind.ICS
RATES = calendar(("SUMMARY:FOMC", "DTSTART:20240306T123000Z", "RRULE:FREQ=DAILY"))


def wish(kind: BlackoutKind = ONCE, **changes: Any) -> BlackoutWish:
    base = BlackoutWish(account=None, name="rates", kind=kind, action=BlackoutAction.NO_ENTRIES)
    return replace(base, **changes)


def test_windows_of_the_account_and_of_all_accounts_count() -> None:
    ours, other = AccountFactory.create(), AccountFactory.create()
    mine = BlackoutFactory.create(account=ours, starts_at=NOON, ends_at=NOON + HOUR)
    BlackoutFactory.create(account=other, starts_at=NOON, ends_at=NOON + HOUR)
    everyone = BlackoutFactory.create(account=None, starts_at=NOON, ends_at=NOON + HOUR)
    off = BlackoutFactory.create(account=ours, starts_at=NOON, ends_at=NOON + HOUR)
    blackout_set_active(blackout=off, active=False, actor=None)
    assert {one.name for one in blackouts_now(ours, NOON)} == {mine.name, everyone.name}
    assert blackouts_now(ours, NOON + HOUR) == ()
    assert blackouts_now(ours, NOON - timedelta(seconds=1)) == ()


def test_a_symbol_that_no_market_has_is_refused() -> None:
    account = MarketSessionFactory.create(symbols=["BTCUSDT"]).account
    typo = wish(account=account, starts_at=NOON, ends_at=NOON + HOUR, symbols=["FOOUSDT"])
    with pytest.raises(ActionRefused, match="no market here has FOOUSDT; there is BTCUSDT"):
        blackout_create(wish=typo, actor=None)
    assert not Blackout.objects.exists()


def test_every_kind_gives_its_windows() -> None:
    account = MarketSessionFactory.create(symbols=["BTCUSDT"]).account
    blackout_create(
        wish=wish(starts_at=NOON, ends_at=NOON + HOUR, symbols=["btcusdt", " "]), actor=None
    )
    blackout_create(
        wish=wish(WEEKLY, name="week", weekday=2, clock=time(14), minutes=30), actor=None
    )
    blackout_create(wish=wish(ICS, name="file", calendar=RATES), actor=None)
    found = windows_between(account, NOON, NOON + DAY)
    assert [(one.name, f"{one.start:%H:%M}", f"{one.end:%H:%M}") for one in found] == [
        ("rates", "12:00", "13:00"),
        ("file: FOMC", "12:30", "13:30"),
        ("week", "14:00", "14:30"),
    ]
    assert found[0].symbols == {"BTCUSDT"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (wish(name=" "), "needs a name"),
        (wish(), "Say when it begins"),
        (wish(starts_at=NOON), "Say when it ends"),
        (wish(starts_at=NOON, ends_at=NOON), "It must end after it begins"),
        (wish(WEEKLY, clock=time(1), minutes=5), "Choose a day"),
        (wish(WEEKLY, weekday=1, minutes=5), "at what time"),
        (wish(WEEKLY, weekday=1, clock=time(1)), "It must last"),
        (wish(WEEKLY, weekday=1, clock=time(1), minutes=10_081), "It must last"),
        (wish(ICS, calendar="no calendar"), "This is not a calendar file"),
    ],
)
def test_a_blackout_that_makes_no_sense_is_refused(asked: BlackoutWish, words: str) -> None:
    with pytest.raises(ActionRefused, match=words):
        blackout_create(wish=asked, actor=None)
    assert not Blackout.objects.exists()
    assert not OperatorAction.objects.exists()


def test_a_bad_file_loses_nothing_of_the_old_one() -> None:
    row = blackout_create(wish=wish(ICS, calendar=RATES), actor=None)
    with pytest.raises(ActionRefused, match="not a calendar file"):
        blackout_edit(blackout=row, wish=wish(ICS, name="new", calendar="oops"), actor=None)
    assert (Blackout.objects.get().name, Blackout.objects.get().calendar) == ("rates", RATES)


def test_an_edit_without_a_new_file_keeps_the_file() -> None:
    row = blackout_create(wish=wish(ICS, calendar=RATES), actor=None)
    halved = wish(ICS, name="less", action=BlackoutAction.HALVE)
    blackout_edit(blackout=row, wish=halved, actor=None)
    stored = Blackout.objects.get()
    assert (stored.name, stored.action, stored.calendar) == ("less", "halve", RATES)


def test_what_a_source_keeps_can_only_be_switched_off() -> None:
    row = BlackoutFactory.create(source="Bybit", source_key="1:delisting:x")
    with pytest.raises(ActionRefused, match="kept by its source"):
        blackout_edit(blackout=row, wish=wish(), actor=None)
    blackout_set_active(blackout=row, active=False, actor=None)
    blackout_set_active(blackout=row, active=False, actor=None)
    assert not Blackout.objects.get().is_active
    assert Event.objects.filter(kind="blackout").count() == 1


def test_a_calendar_that_can_no_longer_be_read_stops_entries_and_closes_nothing() -> None:
    account = AccountFactory.create()
    BlackoutFactory.create(
        account=account, kind=ICS, calendar="broken", action=BlackoutAction.FLATTEN
    )
    (found,) = blackouts_now(account, NOON)
    assert found.action is BlackoutAction.NO_ENTRIES
    assert "can't be read" in found.name
