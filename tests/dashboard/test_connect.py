"""Connecting an account in the console, against the simulated exchange."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from exchange.choices import LinkState, Mode
from exchange.models import ExchangeAccount, VenueLink
from exchange.services import secret_read
from tests.simulators.bybit.server import SimServer
from trading.choices import Autonomy, BotState
from trading.models import Bot, EquityPoint, Event, Lease, OperatorAction
from trading.wiring import forget_markets

pytestmark = pytest.mark.django_db
SECRET = "sim-secret"


@pytest.fixture(autouse=True)
def venue(settings: Settings, tmp_path: Path) -> Iterator[SimServer]:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    forget_markets()
    with SimServer() as server:
        settings.BYBIT_REST_URL = server.url
        server.exchange.set_key(ips=["127.0.0.1"])
        yield server
    forget_markets()


def entered(**changes: str) -> dict[str, str]:
    return {
        "mode": "DEMO",
        "region": "bybit.eu",
        "symbols": "btcusdt, ETHUSDT BTCUSDT",
        "profile": "conservative",
        "api_key": "sim-key",
        "api_secret": SECRET,
    } | changes


def said(answer: Any) -> str:
    return str(answer.content.decode())


def examine(console: Client, **changes: str) -> str:
    answer = console.post(reverse("connect"), entered(**changes), follow=True)
    return said(answer)


def make(console: Client, **changes: str) -> str:
    given = {"name": "First demo", "timeframe": "15m", "autonomy": "approve"} | changes
    return said(console.post(reverse("connect_create"), given, follow=True))


@pytest.fixture
def connected(console: Client) -> ExchangeAccount:
    examine(console)
    make(console)
    return ExchangeAccount.objects.get()


def test_a_demo_account_is_connected_in_two_steps(console: Client) -> None:
    text = examine(console)
    assert "The key may trade contracts; it may not withdraw or transfer." in text
    assert "2 % stop" in text
    assert "First demo is ready" in make(console)
    account = ExchangeAccount.objects.get()
    assert (account.mode, account.region, account.start_equity) == (
        Mode.DEMO,
        "bybit.com",
        Decimal(10_000),
    )
    assert account.connected_at is not None
    assert abs((timezone.now() - account.connected_at).total_seconds()) < 20
    session = account.market_session
    assert (session.speed, session.symbols) == (1, ["BTCUSDT", "ETHUSDT"])
    assert Lease.objects.filter(account=account).exists()
    assert EquityPoint.objects.get().wallet == 10_000
    bot = Bot.objects.get()
    assert (bot.state, bot.autonomy) == (BotState.PAUSED, Autonomy.APPROVE)
    assert OperatorAction.objects.filter(action="account connected").exists()
    assert Event.objects.filter(kind="account_connected").exists()


def test_the_secret_is_sealed_and_shown_nowhere(
    console: Client, connected: ExchangeAccount, caplog: pytest.LogCaptureFixture
) -> None:
    assert secret_read(connected) == SECRET
    assert SECRET not in connected.api_secret_sealed
    assert "api_secret" not in connected.key_facts
    pages = [said(console.get(reverse(name))) for name in ("connection", "connect", "events")]
    rows = [*OperatorAction.objects.values(), *Event.objects.values()]
    assert SECRET not in " ".join([*pages, str(rows), caplog.text, repr(connected)])


def test_the_secret_between_the_steps_is_sealed_too(console: Client) -> None:
    text = examine(console)
    assert SECRET not in text
    assert "sim-key" in text
    assert SECRET not in str(dict(console.session))


def test_what_is_entered_can_be_forgotten(console: Client) -> None:
    examine(console)
    assert console.post(reverse("connect_forget")).status_code == 302
    assert "connect" not in console.session
    assert "forgotten after 15 minutes" in make(console)
    assert not ExchangeAccount.objects.exists()


def test_a_draft_ends_by_itself(console: Client) -> None:
    examine(console)
    session = console.session
    session["connect"] = session["connect"] | {"until": 0}
    session.save()
    assert "forgotten after 15 minutes" in make(console)
    assert "connect" not in console.session


@pytest.mark.parametrize(
    ("permissions", "words"),
    [
        (["Withdraw"], "The key may withdraw money: it is refused."),
        (["AccountTransfer"], "The key may transfer money between accounts: it is refused."),
    ],
)
def test_a_key_that_may_move_money_is_refused(
    console: Client, venue: SimServer, permissions: list[str], words: str
) -> None:
    venue.exchange.set_key(
        permissions={"ContractTrade": ["Order", "Position"], "Wallet": permissions}
    )
    text = examine(console)
    assert words in text
    assert "Mend the problems above" in text
    assert words in make(console)
    assert not ExchangeAccount.objects.exists()


def test_a_key_that_got_worse_since_it_was_examined_is_refused(
    console: Client, venue: SimServer
) -> None:
    examine(console)
    venue.exchange.set_key(readOnly=1)
    assert "The key may only read." in make(console)
    assert not ExchangeAccount.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"api_key": ""}, "Enter the key."),
        ({"api_secret": ""}, "Enter the key&#x27;s secret."),
        ({"symbols": "BTCUSD"}, "BTCUSD is no USDT perpetual"),
        ({"symbols": " , "}, "at least one symbol"),
        ({"mode": "LIVE"}, "LIVE is not one of the available choices"),
    ],
)
def test_what_can_not_be_examined_is_said_at_its_field(
    console: Client, changes: dict[str, str], words: str
) -> None:
    answer = console.post(reverse("connect"), entered(**changes))
    assert answer.status_code == 422
    assert words in said(answer)
    assert SECRET not in said(answer)
    assert "connect" not in console.session


def test_a_refused_key_blocks_the_account(console: Client) -> None:
    text = examine(console, api_secret="another")
    assert "The key is refused." in text
    assert "Mend the problems above" in text


@pytest.mark.parametrize(
    ("fix", "done"),
    [("isolated", "Isolated margin set."), ("one_way", "One-way mode set.")],
)
def test_a_button_mends_the_mode_and_is_noted(
    console: Client, venue: SimServer, fix: str, done: str
) -> None:
    if fix == "isolated":
        venue.exchange.user_margin_mode("REGULAR_MARGIN")
    else:
        venue.exchange.user_hedge_mode(True)
    assert reverse("connect_fix", args=[fix]) in examine(console)
    text = said(console.post(reverse("connect_fix", args=[fix]), follow=True))
    assert done in text
    assert "Mend the problems above" not in text
    assert OperatorAction.objects.get().target == "new account"


def test_a_mode_is_not_mended_while_something_is_open(console: Client, venue: SimServer) -> None:
    venue.exchange.user_order("BTCUSDT", "Buy", Decimal("0.01"))
    venue.exchange.account().margin_mode = "REGULAR_MARGIN"
    examine(console)
    text = said(console.post(reverse("connect_fix", args=["isolated"]), follow=True))
    assert "Close the positions in BTCUSDT first." in text
    assert not OperatorAction.objects.exists()


def test_a_paper_account_needs_no_key_and_keeps_its_site(console: Client) -> None:
    examine(console, mode="PAPER", api_key="", api_secret="")
    make(console, name="Paper two", autonomy="auto")
    account = ExchangeAccount.objects.get()
    assert (account.mode, account.region, account.api_key) == (Mode.PAPER, "bybit.eu", "")


def test_a_paper_account_may_be_made_before_bybit_answers(
    console: Client, settings: Settings
) -> None:
    settings.BYBIT_REST_URL = "http://127.0.0.1:9"
    text = examine(console, mode="PAPER")
    assert "does not answer" in text
    given = {"name": "Waiting", "timeframe": "15m", "autonomy": "auto"}
    assert console.post(reverse("connect_create"), given)["Location"] == reverse("bots")
    assert ExchangeAccount.objects.get().mode == Mode.PAPER


def test_one_bybit_account_is_connected_once(console: Client, connected: ExchangeAccount) -> None:
    examine(console)
    assert f"connected already, as {connected.name}" in make(console, name="Twice")
    assert ExchangeAccount.objects.count() == 1


def test_the_key_is_replaced_only_by_one_that_passes(
    console: Client, connected: ExchangeAccount, venue: SimServer
) -> None:
    address = reverse("connection_key")
    answer = console.post(address, {"api_key": "sim-key", "api_secret": "wrong"}, follow=True)
    assert "The key is refused." in said(answer)
    connected.refresh_from_db()
    assert secret_read(connected) == SECRET
    before = connected.api_secret_sealed
    answer = console.post(address, {"api_key": "sim-key", "api_secret": SECRET}, follow=True)
    assert "The key was replaced." in said(answer)
    connected.refresh_from_db()
    assert connected.api_secret_sealed != before
    assert OperatorAction.objects.filter(action="key replaced").exists()


def test_the_connection_page_tells_key_and_links(
    console: Client, connected: ExchangeAccount
) -> None:
    VenueLink.objects.create(
        name=f"account-{connected.pk}",
        account=connected,
        host="https://api-demo.bybit.com",
        state=LinkState.HALTED,
        reason="The API key has expired.",
        clock_offset_ms=-12,
        streams={"private": "connected"},
        updated_at=timezone.now(),
    )
    text = said(console.get(reverse("connection")))
    for words in (
        "ends in -key",
        "read, trade",
        "127.0.0.1",
        "never",
        "isolated",
        "Halted: needs a person",
        "The API key has expired.",
        "private stream: connected",
        "\N{MINUS SIGN}12 ms",
    ):
        assert words in text, words


def test_an_examination_from_the_page_keeps_what_it_found(
    console: Client, connected: ExchangeAccount, venue: SimServer
) -> None:
    venue.exchange.user_margin_mode("REGULAR_MARGIN")
    text = said(console.post(reverse("connection_examine"), follow=True))
    assert "1 problem, each with what to do" in text
    assert "The account uses cross margin." in text
    text = said(console.post(reverse("connection_fix", args=["isolated"]), follow=True))
    assert "Isolated margin set." in text
    assert "cross margin" not in text


def test_a_lost_encryption_key_is_said_and_the_account_stays(
    console: Client, connected: ExchangeAccount, settings: Settings
) -> None:
    (Path(settings.DATA_DIR) / "key_encryption_key").unlink()
    text = said(console.post(reverse("connection_examine"), follow=True))
    assert "which is not here: set KEY_ENCRYPTION_KEY" in text
    assert ExchangeAccount.objects.filter(pk=connected.pk, is_active=True).exists()


@pytest.mark.parametrize(
    "name", ["connect", "connect_create", "connect_forget", "connection_examine", "connection_key"]
)
def test_keys_are_for_administrators(name: str, connected: ExchangeAccount) -> None:
    viewer = Client()
    viewer.force_login(User.objects.create_user("viewer"))
    assert viewer.post(reverse(name), entered()).status_code == 403
    page = said(viewer.get(reverse("connection")))
    assert "Replace the key" not in page
    assert "Connect an account" not in page


def test_changes_need_the_forms_own_token(connected: ExchangeAccount) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_user("other", is_staff=True))
    for name in ("connect", "connection_key", "connection_examine"):
        assert strict.post(reverse(name), entered()).status_code == 403


def test_a_simulated_account_has_nothing_to_connect(
    console: Client, account: ExchangeAccount
) -> None:
    assert "nothing to connect" in said(console.get(reverse("connection")))
    assert console.post(reverse("connection_examine")).status_code == 404


def test_an_unknown_fix_is_not_found(console: Client, connected: ExchangeAccount) -> None:
    assert console.post(reverse("connection_fix", args=["leverage"])).status_code == 404
    assert console.post(reverse("connect_fix", args=["leverage"])).status_code == 404


def test_the_admin_shows_the_end_of_the_key_and_never_the_secret(
    connected: ExchangeAccount,
) -> None:
    admin = Client()
    admin.force_login(User.objects.create_superuser("root"))
    text = said(admin.get(reverse("admin:exchange_exchangeaccount_change", args=[connected.pk])))
    assert "ends in -key" in text
    assert connected.api_secret_sealed not in text
    assert "sim-key" not in text
    assert SECRET not in text


def test_nothing_of_it_is_logged(console: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        examine(console)
        make(console)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("name", ["connection", "connect"])
def test_the_pages_need_a_login_and_work_without_an_account(console: Client, name: str) -> None:
    assert Client().get(reverse(name))["Location"].startswith("/login/?next=")
    answer = console.get(reverse(name))
    assert answer.status_code == 200
    assert "script-src 'self';" in answer["Content-Security-Policy"]


def test_the_links_are_fetched_again_alone(console: Client, connected: ExchangeAccount) -> None:
    part = console.get(reverse("connection"), headers={"HX-Request": "true"})
    assert said(part).lstrip().startswith('<section class="card" id="links"')
