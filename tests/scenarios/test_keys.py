"""Keys that may too much, that end, and that are taken away while a position is open."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from exchange.models import ExchangeAccount
from tests.scenarios.stand import PATIENCE_S, SECRET, Stand, connect, examined, page
from tests.simulators.bybit.server import SimServer
from trading import traders
from trading.models import Event, Lease

pytestmark = pytest.mark.django_db(transaction=True)
WITHDRAWS: dict[str, Any] = {
    "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["Withdraw"]}
}
REFUSED = "The key may withdraw money: it is refused."
SAFER_KEY = "Make a key without the permission Withdraw"


def spoil(stand: Stand, **facts: Any) -> None:
    stand.server.control.act("POST", "user/key", facts)


def test_a_key_that_may_withdraw_is_refused_by_the_wizard(
    server: SimServer, console: Client
) -> None:
    server.exchange.set_key(**WITHDRAWS)
    text = examined(console)
    assert REFUSED in text
    assert SAFER_KEY in text
    assert SECRET not in text
    given = {"name": "Mine", "timeframe": "15m", "autonomy": "approve"}
    answer = console.post(reverse("connect_create"), given, follow=True)
    assert REFUSED in answer.content.decode()
    assert not ExchangeAccount.objects.exists()


def test_doctor_notices_a_key_that_may_withdraw_later(stand: Stand, console: Client) -> None:
    spoil(stand, **WITHDRAWS)
    told = stand.doctor()
    assert f"PROBLEM  permissions            {REFUSED}" in told
    assert SAFER_KEY in told
    answer = console.post(reverse("connection_examine"), follow=True)
    assert REFUSED in answer.content.decode()


def test_a_key_that_ends_soon_is_announced(stand: Stand, console: Client) -> None:
    ends = datetime.now(UTC) + timedelta(hours=30)
    spoil(stand, expiredAt=ends.strftime("%Y-%m-%dT%H:%M:%SZ"))
    told = stand.doctor()
    assert "The key expires in 29 hours" in told
    assert "Without it positions keep only the exchange's stops." in told
    assert "Make a new key on Bybit and replace this one" in told
    console.post(reverse("connection_examine"))
    assert "The key expires in 29 hours" in page(console, "connection")


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ({"expired": True}, "The API key has expired: make a new one at Bybit and enter it."),
        ({"revoked": True}, "Bybit does not know this API key: enter a key made on the site"),
    ],
    ids=["expired", "revoked"],
)
def test_a_key_that_is_gone_while_a_position_is_open(
    stand: Stand, console: Client, trouble: dict[str, Any], sentence: str
) -> None:
    trade = stand.opened()
    spoil(stand, **trouble)
    alarms = Event.objects.filter(kind="engine_blind", level="critical")
    stand.until(alarms.exists, leaping=True)
    began = len(stand.venue.ledger.rows)
    signal = stand.signal("ETHUSDT")
    stand.step(0.3)
    signal.refresh_from_db()
    assert stand.orders_since(began, "ETHUSDT") == []
    # The stop stands on the exchange, whatever we can or can't do.
    assert stand.position() == trade.entry_qty
    assert stand.stop_on_exchange() == trade.stop_loss
    blind = alarms.get()
    assert sentence in blind.text
    assert f"Open: {trade.symbol}. The stops on the exchange hold;" in blind.text
    assert "the positions can't be closed from here." in blind.text
    assert sentence in page(console, "overview")
    assert sentence in page(console, "connection")
    assert "Halted: needs a person" in page(console, "connection")
    told = stand.doctor()
    assert sentence in told
    assert "PROBLEM  key" in told
    assert sentence in examined(console)


def test_no_storm_of_requests_follows_a_revoked_key(stand: Stand) -> None:
    stand.opened()
    spoil(stand, revoked=True)
    stand.until(lambda: stand.told("engine_blind"), leaping=True)
    before = sum(stand.server.responder.counts.values())
    stand.step(1.5)
    assert sum(stand.server.responder.counts.values()) - before < 15


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < deadline, list(Lease.objects.values())
        time.sleep(0.05)


def test_a_new_key_opens_a_new_session_without_a_restart(
    server: SimServer,
    console: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(traders, "LOOK_FOR_ACCOUNTS_S", 0.2)
    account = connect()
    supervisor = traders.TraderSupervisor([account.pk])
    supervisor.start()
    try:
        calm = Lease.objects.filter(account=account, reconciled=True, doubts=[])
        until(calm.exists)
        server.control.act("POST", "user/key", {"expired": True})
        until(lambda: Event.objects.filter(kind="engine_blind", level="critical").exists())
        # The exchange gives out another key for the same account.
        server.control.act("POST", "user/key", {"expired": False})
        given = {"api_key": "sim-key", "api_secret": SECRET}
        answer = console.post(reverse("connection_key"), given, follow=True)
        assert "The key was replaced." in answer.content.decode()
        until(lambda: Lease.objects.get(account=account).token > 1 and calm.exists())
    finally:
        supervisor.stop(10)
    texts = Event.objects.values_list("text", flat=True)
    assert f"{account} has a new key." in texts
    assert SECRET not in caplog.text
