"""Watchdogs as threads, and how what they say reaches the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from exchange.choices import LinkState, Mode
from exchange.domain import Side
from exchange.errors import (
    ExchangeUnavailable,
)
from exchange.market.clock import WallClock
from exchange.models import ExchangeAccount, VenueLink
from exchange.ports import ExchangeClient
from tests.factories import AccountFactory
from tests.trading.execution.floor import HandClock
from tests.trading.execution.kennel import LONG, Kennel, WatchedVenue
from trading.choices import EventLevel
from trading.execution import watchdog_threads
from trading.execution.protection_file import ProtectionFile, protection_path
from trading.execution.watchdog_threads import AccountNotes, WatchdogSupervisor, watched_accounts
from trading.models import Event

D = Decimal


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog_threads, "TELL_EVERY_S", 0.02)
    monkeypatch.setattr(watchdog_threads, "SCAN_EVERY_S", 0.05)
    monkeypatch.setattr("trading.execution.watchdog.POLL_S", 0.02)


def test_a_round_that_breaks_does_not_end_the_watchdog(
    tmp_path: Path, short_pauses: None, caplog: pytest.LogCaptureFixture
) -> None:
    kennel = Kennel(tmp_path)
    stop = threading.Event()
    calls = []

    def state(state: LinkState, reason: str) -> None:
        calls.append(reason)
        if len(calls) == 1:
            raise RuntimeError("broken")
        stop.set()

    kennel.notes.state = state  # type: ignore[method-assign]
    thread = threading.Thread(target=kennel.watchdog.run, args=(stop,))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert "watchdog's round failed" in caplog.text
    assert kennel.venue.closed


@pytest.fixture
def demo(transactional_db: None, settings: Settings, tmp_path: Path) -> ExchangeAccount:
    settings.DATA_DIR = tmp_path
    account: ExchangeAccount = AccountFactory.create(name="Demo", mode=Mode.DEMO, api_key="key")
    return account


def test_notes_reach_the_database_and_are_refreshed(demo: ExchangeAccount) -> None:
    clock = HandClock()
    notes = AccountNotes(demo, clock)
    notes.state(LinkState.DEGRADED, "x" * 400)
    notes.act("stop_restored", EventLevel.WARNING, "BTCUSDT: watchdog: stop set again.", 5)
    notes.tell()
    link = VenueLink.objects.get()
    assert (link.name, link.account, link.state) == (f"watchdog-{demo.pk}", demo, "degraded")
    assert link.reason == "x" * 300
    event = Event.objects.get(kind="stop_restored")
    assert event.data == {"trade": 5, "by": "watchdog"}
    VenueLink.objects.update(reason="untouched")
    clock.pass_seconds(29)
    notes.tell()
    assert VenueLink.objects.get().reason == "untouched"
    clock.pass_seconds(2)
    notes.tell()
    assert VenueLink.objects.get().reason == "x" * 300
    assert Event.objects.count() == 1


def test_what_the_database_did_not_take_waits(
    demo: ExchangeAccount, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = WatchdogSupervisor(lambda account: WatchedVenue(), WallClock())
    supervisor.round()
    try:
        notes = supervisor._notes[demo.pk]
        notes.act("trade_unprotected", EventLevel.CRITICAL, "closed", 5)
        # The database is away: every connection fails as a refused one does.
        with monkeypatch.context() as patch:
            patch.setattr("django.db.models.query.QuerySet._fetch_all", _refuse)
            patch.setattr("django.db.models.query.QuerySet.create", _refuse)
            supervisor.round()
        assert "watchdogs can't reach the database" in caplog.text
        assert not Event.objects.exists()
        supervisor.round()
        assert Event.objects.get().kind == "trade_unprotected"
    finally:
        supervisor.stop(5)


def _refuse(*args: object, **options: object) -> None:
    raise OperationalError("connection refused")


def test_every_account_with_a_key_on_bybit_is_watched(
    demo: ExchangeAccount, short_pauses: None
) -> None:
    AccountFactory.create(name="Paper", mode=Mode.PAPER)
    AccountFactory.create(name="No key", mode=Mode.DEMO)
    venue = WatchedVenue()
    venue.hold("BTCUSDT", Side.BUY, D(10), None)
    file = ProtectionFile(protection_path(demo.pk), demo.pk)
    file.write([LONG], mode="DEMO", region="bybit.com", now=demo.created_at + timedelta(0))
    seen: list[ExchangeAccount] = []

    def client(account: ExchangeAccount) -> ExchangeClient:
        seen.append(account)
        if account != demo:
            raise ExchangeUnavailable("not this one")
        return venue

    supervisor = WatchdogSupervisor(client, WallClock())
    supervisor.start()
    try:
        _until(lambda: VenueLink.objects.filter(name=f"watchdog-{demo.pk}").exists())
        assert supervisor.accounts == [demo]
        later = AccountFactory.create(name="Later", mode=Mode.TESTNET, api_key="k")
        _until(lambda: later in supervisor.accounts and later in seen)
        _until(
            lambda: VenueLink.objects.filter(
                name=f"watchdog-{demo.pk}", reason="without a stop: BTCUSDT"
            ).exists()
        )
    finally:
        supervisor.stop(10)
    assert not supervisor.is_alive()
    assert venue.closed
    assert watched_accounts([later.pk]) == [later]


def _until(what: Callable[[], bool]) -> None:
    pause, tries = threading.Event(), 0
    while not what():
        tries += 1
        assert tries < 1000, list(VenueLink.objects.values_list("name", "reason"))
        pause.wait(0.01)


def test_an_account_with_another_key_gets_another_client(
    demo: ExchangeAccount, short_pauses: None
) -> None:
    venues: list[WatchedVenue] = []
    keys: list[str] = []

    def client(account: ExchangeAccount) -> ExchangeClient:
        venues.append(WatchedVenue())
        keys.append(account.api_key)
        return venues[-1]

    supervisor = WatchdogSupervisor(client, WallClock())
    supervisor.start()
    try:
        _until(lambda: keys == ["key"])
        ExchangeAccount.objects.update(api_key="another")
        _until(lambda: keys == ["key", "another"])
        _until(lambda: venues[0].closed)
        ExchangeAccount.objects.update(api_secret_sealed="sealed anew")
        _until(lambda: len(keys) == 3)
    finally:
        supervisor.stop(10)
    assert supervisor.accounts == [demo]
