"""Traders as threads: one holds an account, the next waits, a fallen one recovers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from exchange.choices import Mode
from exchange.models import ExchangeAccount, MarketSession
from tests.factories import AccountFactory
from trading import traders
from trading.choices import CommandKind, CommandState, RiskProfile
from trading.models import Command, Event, Lease
from trading.services import account_create, command_request
from trading.traders import TraderSupervisor
from trading.wiring import (
    HOST,
    ModeNotBuilt,
    claimant_alive,
    claimant_now,
    client_for,
    forget_markets,
    market_for,
    open_venue,
    watchdog_client,
)

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def account(settings: Settings, tmp_path: Path) -> Iterator[ExchangeAccount]:
    settings.DATA_DIR = tmp_path
    forget_markets()
    yield account_create(
        name="Threads",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["BTCUSDT"],
        market_start=START,
        speed=120,
    )
    forget_markets()


@pytest.fixture
def supervise(account: ExchangeAccount) -> Iterator[Callable[[], TraderSupervisor]]:
    """Starts supervisors that end with the test."""
    started: list[TraderSupervisor] = []

    def start() -> TraderSupervisor:
        supervisor = TraderSupervisor()
        started.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in started:
        supervisor.stop(10)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, list(Event.objects.values_list("text", flat=True))
        time.sleep(0.02)


def lease() -> Lease:
    return Lease.objects.get()


def test_a_trader_reconciles_lets_time_run_and_stops_cleanly(
    supervise: Callable[[], TraderSupervisor],
) -> None:
    supervisor = supervise()
    until(lambda: lease().reconciled)
    until(lambda: MarketSession.objects.get().reserved_until > START)
    supervisor.stop(10)
    assert (lease().holder, lease().status) == ("", "stopped")
    stood = MarketSession.objects.get().reserved_until
    time.sleep(0.1)
    assert MarketSession.objects.get().reserved_until == stood
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert {"engine_started", "engine_stopped"} <= kinds


def test_a_second_trader_waits_for_the_first(
    supervise: Callable[[], TraderSupervisor],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(traders, "TAKE_OVER_EVERY_S", 0.05)
    caplog.set_level("INFO")
    first = supervise()
    until(lambda: lease().reconciled)
    assert "waiting to take over" not in caplog.text
    second = supervise()
    time.sleep(0.3)
    assert lease().token == 1
    assert caplog.text.count("another process trades the account; waiting to take over") == 1
    first.stop(10)
    until(lambda: lease().token == 2 and lease().reconciled)
    assert "took the account over; trading" in caplog.text
    second.stop(10)


def test_a_trader_that_lost_its_lease_becomes_passive_and_comes_back(
    supervise: Callable[[], TraderSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traders, "TAKE_OVER_EVERY_S", 0.05)
    supervise()
    until(lambda: lease().reconciled)
    Lease.objects.update(token=40, holder="another")
    until(lambda: lease().token == 41 and lease().reconciled)
    assert lease().holder != "another"
    assert Event.objects.filter(kind="engine_started").count() == 2


def test_a_pulled_plug_is_followed_by_a_recovery_that_is_told(
    supervise: Callable[[], TraderSupervisor],
    account: ExchangeAccount,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trading.execution.commands.PLUG_WAIT_S", 0.1)
    supervise()
    until(lambda: lease().reconciled)
    command_request(account=account, kind=CommandKind.PLUG, idempotency_key="plug", actor=None)
    until(lambda: Event.objects.filter(kind="plug_result").exists())
    assert Command.objects.get().state == CommandState.DONE
    result = Event.objects.get(kind="plug_result").data
    assert (result["duplicate_orders"], result["ledgers_agree"]) == (0, True)
    assert lease().token == 2


def test_only_accounts_whose_market_runs_are_traded(account: ExchangeAccount) -> None:
    MarketSession.objects.update(speed=0)
    supervisor = TraderSupervisor([account.pk])
    supervisor.start()
    supervisor.stop(1)
    assert lease().token == 0


def test_real_money_is_refused_wherever_it_is_asked_for(account: ExchangeAccount) -> None:
    live = AccountFactory.create(mode=Mode.LIVE)
    for ask in (market_for, open_venue, watchdog_client):
        with pytest.raises(ModeNotBuilt, match="real money is refused"):
            ask(live)
    with pytest.raises(ModeNotBuilt, match="has no paper venue"):
        client_for(live, market_for(account))


def test_changed_symbols_open_a_new_session_in_order(
    supervise: Callable[[], TraderSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traders, "LOOK_FOR_ACCOUNTS_S", 0.05)
    monkeypatch.setattr(traders, "TAKE_OVER_EVERY_S", 0.05)
    supervise()
    until(lambda: lease().reconciled)
    MarketSession.objects.update(symbols=["BTCUSDT", "ETHUSDT"])
    until(lambda: lease().token == 2 and lease().reconciled)
    kinds = list(Event.objects.order_by("id").values_list("kind", flat=True))
    assert kinds.count("engine_stopped") == 1


def test_an_account_made_later_gets_its_trader(
    supervise: Callable[[], TraderSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traders, "LOOK_FOR_ACCOUNTS_S", 0.05)
    supervise()
    later = account_create(
        name="Later",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["ETHUSDT"],
        market_start=START,
        speed=120,
    )
    until(lambda: Lease.objects.get(account=later).reconciled)
    assert Lease.objects.get(account=later).token == 1


@pytest.mark.parametrize(
    ("claimant", "alive"),
    [
        (claimant_now, True),
        (lambda: f"{HOST}/{os.getpid()}/earlier", False),
        (lambda: f"{HOST}/{os.getppid()}/x", True),
        (lambda: f"{HOST}/1/x", True),
        (lambda: f"{HOST}/4194399/x", False),
        (lambda: "elsewhere/4194399/x", True),
        (lambda: "", False),
        (lambda: "nonsense", False),
    ],
    ids=("mine", "my pid before", "parent", "init", "dead", "other host", "nobody", "nonsense"),
)
def test_a_claim_counts_as_long_as_its_process_lives(
    claimant: Callable[[], str], alive: bool
) -> None:
    assert claimant_alive(claimant()) is alive
