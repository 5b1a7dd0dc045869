"""Announcements of the exchange as blackouts of the accounts that trade there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from exchange.bybit.parse_notices import Notice
from exchange.bybit.parse_values import stamp
from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests.simulators.bybit.server import SimServer
from trading.blackouts import blackout_set_active, blackouts_now
from trading.choices import RiskProfile
from trading.models import Blackout, Event
from trading.notices import notices_keep
from trading.services import account_create
from trading.tasks import notices

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
NOW = datetime(2024, 5, 8, 12, tzinfo=UTC)
UPGRADE = Notice("status:1", "Upgrade", NOW + HOUR, NOW + 2 * HOUR)
LEAVING = Notice(
    "news:x", "Delisting of ETHUSDT", NOW - HOUR, NOW + 90 * 24 * HOUR, frozenset({"ETHUSDT"})
)


def account_on(mode: Mode, name: str = "a") -> ExchangeAccount:
    return account_create(
        name=name,
        mode=mode,
        profile=RiskProfile.CONSERVATIVE,
        symbols=["BTCUSDT", "ETHUSDT"],
        market_start=NOW,
    )


def test_a_notice_becomes_a_blackout_once() -> None:
    account = account_on(Mode.PAPER)
    assert notices_keep(account, [UPGRADE, LEAVING], NOW) == 2
    assert notices_keep(account, [UPGRADE, LEAVING], NOW) == 0
    (now,) = blackouts_now(account, NOW)
    assert now.name == "Delisting of ETHUSDT"
    assert now.symbols == {"ETHUSDT"}
    assert len(blackouts_now(account, NOW + HOUR)) == 2
    assert Event.objects.filter(kind="exchange_notice").count() == 2


def test_what_does_not_concern_the_account_or_is_over_is_left_out() -> None:
    account = account_on(Mode.PAPER)
    other = replace(LEAVING, symbols=frozenset({"ABCUSDT"}))
    over = replace(UPGRADE, start=NOW - 2 * HOUR, end=NOW - HOUR)
    called_off = replace(UPGRADE, cancelled=True)
    assert notices_keep(account, [other, over, called_off], NOW) == 0
    assert not Blackout.objects.exists()


def test_maintenance_that_is_moved_or_called_off_is_followed() -> None:
    account = account_on(Mode.PAPER)
    notices_keep(account, [UPGRADE], NOW)
    later = replace(UPGRADE, start=NOW + 5 * HOUR, end=NOW + 6 * HOUR)
    notices_keep(account, [later], NOW)
    assert Blackout.objects.get().starts_at == NOW + 5 * HOUR
    notices_keep(account, [replace(later, cancelled=True)], NOW)
    assert not Blackout.objects.get().is_active


def test_a_blackout_that_an_operator_switched_off_stays_off() -> None:
    account = account_on(Mode.PAPER)
    notices_keep(account, [UPGRADE], NOW)
    blackout_set_active(blackout=Blackout.objects.get(), active=False, actor=None)
    notices_keep(account, [UPGRADE], NOW)
    assert not Blackout.objects.get().is_active


@pytest.fixture
def venue(settings: Settings) -> Iterator[SimServer]:
    with SimServer() as server:
        settings.BYBIT_REST_URL = server.url
        settings.BYBIT_WS_PUBLIC_URL = settings.BYBIT_WS_PRIVATE_URL = ""
        yield server


@pytest.mark.django_db(transaction=True)
def test_the_task_asks_for_accounts_on_live_prices_only(venue: SimServer) -> None:
    live = account_on(Mode.PAPER)
    account_on(Mode.SIM, "b")
    begin = datetime.now(UTC) + HOUR
    row = {
        "id": "7",
        "title": "Upgrade",
        "state": "scheduled",
        "begin": str(stamp(begin)),
        "end": str(stamp(begin + HOUR)),
        "product": [1],
    }
    venue.exchange.announce("status", row)
    assert notices() == 1
    assert notices() == 0
    stored = Blackout.objects.get()
    assert (stored.account, stored.source, stored.source_key) == (
        live,
        "Bybit",
        f"{live.pk}:status:7",
    )
