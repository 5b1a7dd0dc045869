"""Accounts on Bybit: what is refused before and after the venue was asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from exchange.choices import Mode, Region
from exchange.models import ExchangeAccount, MarketSession
from exchange.services import secret_read
from tests.simulators.bybit.server import SimServer
from tests.trading.test_services import account_create
from trading.accounts import default_autonomy
from trading.choices import Autonomy, RiskProfile
from trading.connection import (
    Application,
    ModeFix,
    account_connect,
    account_examine,
    application_examine,
    application_fix,
    key_replace,
)
from trading.errors import ActionRefused
from trading.models import EquityPoint, OperatorAction, RiskLimits

pytestmark = pytest.mark.django_db
WISH = Application(
    name="Demo",
    mode=Mode.DEMO,
    symbols=("BTCUSDT", "ETHUSDT"),
    profile=RiskProfile.CLASSIC,
    api_key="sim-key",
    api_secret="sim-secret",
)


@pytest.fixture(autouse=True)
def venue(settings: Settings, tmp_path: Path) -> Iterator[SimServer]:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    with SimServer(accounts=2) as server:
        settings.BYBIT_REST_URL = server.url
        yield server


def refused(words: str) -> pytest.RaisesExc[ActionRefused]:
    return pytest.raises(ActionRefused, match=words)


def test_a_testnet_account_starts_with_the_wallet_of_that_moment(venue: SimServer) -> None:
    venue.exchange.transfer(Decimal("-7654.321"))
    account = account_connect(replace(WISH, mode=Mode.TESTNET), actor=None)
    assert account.start_equity == Decimal("2345.679")
    assert EquityPoint.objects.get().equity == Decimal("2345.679")
    assert RiskLimits.objects.get().profile == RiskProfile.CLASSIC
    assert secret_read(account) == "sim-secret"


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.SIM, Mode.REPLAY])
def test_other_modes_are_refused(mode: Mode) -> None:
    with refused("are not on Bybit; choose PAPER, DEMO or TESTNET"):
        account_connect(replace(WISH, mode=mode), actor=None)
    assert not ExchangeAccount.objects.exists()


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (replace(WISH, api_secret=""), "enter the key and its secret"),
        (replace(WISH, api_secret="wrong"), "The key is refused"),
        (replace(WISH, symbols=("NOPEUSDT",)), "does not trade on Bybit"),
        (replace(WISH, symbols=("BTCUSDT", "BTCUSDT")), "twice"),
        (replace(WISH, symbols=()), "at least one symbol"),
        (replace(WISH, name=""), "blank"),
    ],
)
def test_what_is_refused_leaves_nothing(wish: Application, why: str) -> None:
    with refused(why):
        account_connect(wish, actor=None)
    assert not ExchangeAccount.objects.exists()
    assert not MarketSession.objects.exists()


def test_a_site_without_demo_trading_is_refused_before_anybody_is_asked(
    settings: Settings,
) -> None:
    settings.BYBIT_REST_URL = None
    with refused("has no .* address"):
        application_examine(replace(WISH, region=Region.EUROPE))
    assert not ExchangeAccount.objects.exists()


def test_a_clock_that_is_off_may_be_set_right_later(venue: SimServer) -> None:
    venue.clock.skew_ms = 2000
    assert account_connect(WISH, actor=None).key_facts["clock_offset_ms"] > 1900


def test_a_second_account_of_bybit_is_one_of_its_own_and_no_new_key_of_the_first() -> None:
    first = account_connect(WISH, actor=None)
    second = replace(WISH, name="Second", api_key="sim-key-2", api_secret="sim-secret")
    with refused("belongs to another Bybit account"):
        key_replace(account=first, api_key="sim-key-2", api_secret="sim-secret", actor=None)
    account_connect(second, actor=None)
    assert secret_read(ExchangeAccount.objects.get(name="Demo")) == "sim-secret"
    assert ExchangeAccount.objects.count() == 2


def test_an_account_without_a_key_has_none_to_replace() -> None:
    account = account_create()
    with refused("has no key to replace"):
        key_replace(account=account, api_key="a", api_secret="b", actor=None)
    account.refresh_from_db()
    assert (account.api_key, account.api_secret_sealed) == ("", "")
    with refused("are not on Bybit"):
        account_examine(account_create(name="Another"))


def test_a_paper_account_takes_only_symbols_that_bybit_has() -> None:
    paper = Application(name="Paper", mode=Mode.PAPER, symbols=("BTCUSDT", "NOPEUSDT"))
    with refused("does not trade on Bybit"):
        account_connect(paper, actor=None)
    account = account_connect(replace(paper, symbols=("BTCUSDT",)), actor=None)
    assert account.start_equity == 1000
    assert account_examine(account).problems == []


def test_a_mode_that_bybit_does_not_set_is_said(venue: SimServer) -> None:
    venue.exchange.user_margin_mode("REGULAR_MARGIN")
    venue.knobs.add("/v5/account/set-margin-mode", "retcode", code=110073, message="no")
    with pytest.raises(ActionRefused):
        application_fix(WISH, ModeFix.ISOLATED, actor=None)
    assert not OperatorAction.objects.exists()


def test_the_secret_is_in_no_repr() -> None:
    assert "sim-secret" not in repr(WISH)
    assert "sim-secret" not in repr(application_examine(WISH))


@pytest.mark.parametrize(
    ("mode", "autonomy"),
    [
        (Mode.SIM, Autonomy.AUTO),
        (Mode.PAPER, Autonomy.AUTO),
        (Mode.DEMO, Autonomy.APPROVE),
        (Mode.TESTNET, Autonomy.APPROVE),
        (Mode.LIVE, Autonomy.APPROVE),
    ],
)
def test_bots_ask_where_orders_leave_this_system(mode: Mode, autonomy: Autonomy) -> None:
    assert default_autonomy(mode) is autonomy
