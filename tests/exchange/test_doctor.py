"""What the examination of an account on Bybit says, against the simulated exchange."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from exchange.bybit.checkup_symbols import Bounds
from exchange.bybit.connect import open_door
from exchange.bybit.doctor import Examination, examine
from exchange.bybit.findings import Finding, Level
from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.modes import NotFlat, set_isolated_margin, set_one_way_mode
from exchange.bybit.rest import BybitRest, Credentials
from exchange.choices import Mode, Region
from exchange.market.clock import WallClock
from tests.simulators.bybit.knobs import FOR_EVER
from tests.simulators.bybit.server import SimServer

SYMBOLS = ("BTCUSDT", "ETHUSDT")
BOUNDS = Bounds(
    risk_per_trade=Decimal("0.005"), max_position_notional=Decimal("0.75"), max_leverage=Decimal(3)
)
SECRET = "sim-secret"
Look = Callable[..., Examination]


@pytest.fixture
def venue(settings: Settings) -> Iterator[SimServer]:
    """The simulated exchange with a fresh account whose key is bound to an address."""
    with SimServer() as server:
        settings.BYBIT_REST_URL = server.url
        server.exchange.set_key(ips=["127.0.0.1"])
        yield server


@pytest.fixture
def look(venue: SimServer) -> Look:
    def examine_now(
        mode: Mode = Mode.DEMO,
        symbols: tuple[str, ...] = SYMBOLS,
        key: tuple[str, str] = ("sim-key", SECRET),
        **options: Any,
    ) -> Examination:
        door = open_door(mode, Region.GLOBAL, Credentials(*key))
        try:
            return examine(door, mode, symbols, bounds=BOUNDS, **options)
        finally:
            door.close()

    return examine_now


def the(looked: Examination, check: str) -> Finding:
    (finding,) = [one for one in looked.findings if one.check == check]
    return finding


def test_a_healthy_account_has_a_good_line_for_every_check(look: Look) -> None:
    looked = look()
    assert [one.check for one in looked.findings] == [
        "reachable",
        "clock",
        "key",
        "permissions",
        "IP binding",
        "expiry",
        "account type",
        "margin mode",
        "position mode",
        "leverage",
        "wallet",
        "positions",
        "orders",
        "BTCUSDT",
        "ETHUSDT",
    ]
    assert [one for one in looked.findings if one.level is not Level.OK] == []
    assert looked.wallet == 10_000
    assert looked.clock_offset_ms is not None


def test_what_is_kept_of_it_is_plain_json_and_holds_no_secret(look: Look) -> None:
    kept = look().as_json()
    assert kept["key"]["addresses"] == ["127.0.0.1"]
    assert kept["account"] == {"margin_mode": "ISOLATED_MARGIN", "unified": True}
    assert Finding.of(kept["findings"][0]).check == "reachable"
    assert SECRET not in str(kept)


def test_no_door_ends_the_examination_at_once(look: Look, venue: SimServer) -> None:
    venue.knobs.add("*", "status", times=FOR_EVER, status=403)
    looked = look()
    (finding,) = looked.findings
    assert finding.level is Level.PROBLEM
    assert "refuses this address or country" in finding.text
    assert "bybit.eu" in finding.what_to_do


def test_a_host_that_is_not_there_is_said(settings: Settings, look: Look) -> None:
    settings.BYBIT_REST_URL = "http://127.0.0.1:9"
    began = time.monotonic()
    (finding,) = look().findings
    assert "does not answer" in finding.text
    assert "bybit.nl" in finding.what_to_do
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(("skew_ms", "words"), [(-2000, "ahead of"), (2000, "behind")])
def test_a_wrong_clock_is_told_with_its_side(
    look: Look, venue: SimServer, skew_ms: int, words: str
) -> None:
    venue.clock.skew_ms = skew_ms
    finding = the(look(), "clock")
    assert finding.level is Level.PROBLEM
    assert f"clock is 2.0 s {words} Bybit's" in finding.text
    assert "timedatectl" in finding.what_to_do


def test_a_wrong_clock_still_lets_the_key_be_examined(look: Look, venue: SimServer) -> None:
    venue.clock.skew_ms = -2000
    assert the(look(), "permissions").level is Level.OK


@pytest.mark.parametrize(
    ("facts", "check", "words"),
    [
        ({"permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["Withdraw"]}},
         "permissions", "may withdraw money"),
        ({"permissions": {"ContractTrade": ["Order", "Position"], "Wallet": ["AccountTransfer"]}},
         "permissions", "may transfer money"),
        ({"permissions": {"ContractTrade": [], "Wallet": []}}, "permissions", "may not trade"),
        ({"readOnly": 1}, "permissions", "may only read"),
        ({"expiredAt": "2020-01-01T00:00:00Z"}, "key", "expired"),
    ],
)  # fmt: skip
def test_a_key_that_may_too_much_or_too_little_is_a_problem(
    look: Look, venue: SimServer, facts: dict[str, Any], check: str, words: str
) -> None:
    venue.exchange.set_key(**facts)
    finding = the(look(), check)
    assert finding.level is Level.PROBLEM
    assert words in finding.text
    assert finding.what_to_do


def test_a_key_from_anywhere_is_a_warning_with_the_90_days(look: Look, venue: SimServer) -> None:
    venue.exchange.set_key(ips=["*"])
    finding = the(look(), "IP binding")
    assert finding.level is Level.WARNING
    assert "90 days" in finding.text


@pytest.mark.parametrize(
    ("left", "level"),
    [
        (timedelta(days=60), Level.OK),
        (timedelta(days=10), Level.WARNING),
        (timedelta(hours=30), Level.WARNING),
    ],
)
def test_the_expiry_counts_down(
    look: Look, venue: SimServer, left: timedelta, level: Level
) -> None:
    expires = datetime.now(UTC) + left + timedelta(minutes=5)
    venue.exchange.set_key(expiredAt=f"{expires:%Y-%m-%dT%H:%M:%SZ}", ips=["*"])
    finding = the(look(), "expiry")
    assert finding.level is level
    assert f"{expires:%Y-%m-%d}" in finding.text
    assert ("30 hours" if left < timedelta(days=2) else f"{left.days} days") in finding.text


@pytest.mark.parametrize("key", [("sim-key", "wrong-canary"), ("nobody", "no-canary")])
def test_a_refused_key_leaves_the_rest_unasked(look: Look, key: tuple[str, str]) -> None:
    looked = look(key=key)
    assert the(looked, "key").level is Level.PROBLEM
    assert looked.key is None
    assert "wallet" not in [one.check for one in looked.findings]
    assert key[1] not in str(looked)


def test_a_key_of_another_environment_is_told_where_it_belongs(look: Look) -> None:
    asked: list[Mode] = []

    with SimServer(key="testnet-key", secret="testnet-secret") as testnet:
        key = Credentials("testnet-key", "testnet-secret")

        def other(mode: Mode) -> BybitRest:
            asked.append(mode)
            return door_to(testnet.url if mode is Mode.TESTNET else "http://127.0.0.1:9", key)

        finding = the(look(key=("testnet-key", "testnet-secret"), open_other=other), "key")
    assert asked == [Mode.TESTNET]
    assert "belongs to the Bybit testnet" in finding.text
    assert "Choose Bybit testnet" in finding.what_to_do


def door_to(url: str, credentials: Credentials) -> BybitRest:
    hosts = Hosts(url, "", "")
    return BybitRest(hosts, credentials, clock=WallClock(), link=Link("", None, url))


def test_cross_margin_is_a_problem_until_the_button_sets_it(look: Look, venue: SimServer) -> None:
    venue.exchange.user_margin_mode("REGULAR_MARGIN")
    finding = the(look(), "margin mode")
    assert finding.level is Level.PROBLEM
    assert "cross margin" in finding.text
    with_door(set_isolated_margin)
    assert the(look(), "margin mode").level is Level.OK


def test_hedge_mode_is_a_problem_until_the_button_sets_it(look: Look, venue: SimServer) -> None:
    venue.exchange.user_hedge_mode(True)
    finding = the(look(), "position mode")
    assert finding.level is Level.PROBLEM
    assert "BTCUSDT, ETHUSDT" in finding.text
    with_door(set_one_way_mode)
    assert the(look(), "position mode").level is Level.OK


@pytest.mark.parametrize("set_mode", [set_isolated_margin, set_one_way_mode])
def test_modes_are_not_touched_while_something_is_open(
    venue: SimServer, set_mode: Callable[[BybitRest], None]
) -> None:
    venue.exchange.user_order("BTCUSDT", "Buy", Decimal("0.01"))
    with pytest.raises(NotFlat, match="BTCUSDT"):
        with_door(set_mode)


def with_door(act: Callable[[BybitRest], None]) -> None:
    door = open_door(Mode.DEMO, Region.GLOBAL, Credentials("sim-key", SECRET))
    try:
        act(door)
    finally:
        door.close()


def test_a_position_of_a_stranger_is_a_warning_and_ours_is_not(
    look: Look, venue: SimServer
) -> None:
    venue.exchange.user_order("ETHUSDT", "Sell", Decimal("0.5"))
    finding = the(look(), "positions")
    assert finding.level is Level.WARNING
    assert "ETHUSDT short 0.5" in finding.text
    assert the(look(owned={"ETHUSDT"}), "positions").level is Level.OK


def test_an_order_of_a_stranger_is_a_warning(look: Look, venue: SimServer) -> None:
    low = venue.prices.last("BTCUSDT", venue.clock.now_ms()) * Decimal("0.9")
    venue.exchange.user_order(
        "BTCUSDT", "Buy", Decimal("0.01"), orderType="Limit", price=f"{low:.1f}"
    )
    finding = the(look(), "orders")
    assert finding.level is Level.WARNING
    assert "1 on BTCUSDT" in finding.text


def test_leverage_above_the_limit_is_a_warning_where_it_is_used(
    look: Look, venue: SimServer
) -> None:
    for symbol in SYMBOLS:
        venue.exchange.user_leverage(symbol, Decimal(3))
    assert the(look(), "leverage").text == "At most 3x on every symbol."
    venue.exchange.user_leverage("BTCUSDT", Decimal(25))
    told = the(look(), "leverage")
    assert (told.level, "BTCUSDT 25x" in told.text) == (Level.OK, True)
    venue.exchange.user_order("BTCUSDT", "Buy", Decimal("0.01"))
    told = the(look(), "leverage")
    assert (told.level, "BTCUSDT" in told.text) == (Level.WARNING, True)


def test_an_empty_wallet_is_a_warning(look: Look, venue: SimServer) -> None:
    venue.exchange.transfer(Decimal(-10_000))
    assert the(look(), "wallet").level is Level.WARNING


@pytest.mark.parametrize(("in_days", "words"), [(-1, "was delisted"), (7, "is to be delisted")])
def test_a_symbol_that_ends_is_a_problem(
    look: Look, venue: SimServer, in_days: int, words: str
) -> None:
    venue.exchange.delist("ETHUSDT", venue.clock.now_ms() + in_days * 86_400_000)
    (finding,) = look().problems
    assert finding.check == "ETHUSDT"
    assert words in finding.text


def test_a_symbol_that_never_was_is_a_problem_of_its_own(look: Look) -> None:
    problems = look(symbols=("BTCUSDT", "NOPEUSDT")).problems
    assert [(one.check, one.text) for one in problems] == [
        ("NOPEUSDT", "It does not trade on Bybit.")
    ]


def test_the_smallest_trade_is_weighed_against_the_wallet(look: Look, venue: SimServer) -> None:
    venue.exchange.transfer(Decimal("-9990"))
    finding = the(look(), "BTCUSDT")
    assert finding.level is Level.WARNING
    assert "The smallest trade, 0.001 for " in finding.text
    assert "at a 2 % stop; the wallet has 10.00" in finding.text


def test_a_paper_account_needs_no_key(look: Look) -> None:
    looked = look(mode=Mode.PAPER, equity=Decimal(1000))
    assert [one.check for one in looked.findings] == ["reachable", "clock", *SYMBOLS]
    assert looked.problems == []
