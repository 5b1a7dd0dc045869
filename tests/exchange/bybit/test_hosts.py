"""A mode reaches its own hosts and no others."""

from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from exchange.bybit.hosts import HostRefused, Hosts, hosts_for
from exchange.bybit.refusals import AddressRefused, Unreachable, region_hint
from exchange.choices import Mode, Region
from exchange.errors import ExchangeError, ExchangeUnavailable


@pytest.fixture(autouse=True)
def no_test_bench(settings: Settings) -> None:
    settings.BYBIT_REST_URL = None
    settings.BYBIT_WS_PUBLIC_URL = None
    settings.BYBIT_WS_PRIVATE_URL = None


def test_demo_takes_prices_from_the_real_stream() -> None:
    assert hosts_for(Mode.DEMO, Region.GLOBAL) == Hosts(
        "https://api-demo.bybit.com",
        "wss://stream.bybit.com/v5/public/linear",
        "wss://stream-demo.bybit.com/v5/private",
    )


def test_testnet_is_apart() -> None:
    assert hosts_for(Mode.TESTNET, Region.GLOBAL) == Hosts(
        "https://api-testnet.bybit.com",
        "wss://stream-testnet.bybit.com/v5/public/linear",
        "wss://stream-testnet.bybit.com/v5/private",
    )


@pytest.mark.parametrize(
    ("region", "rest", "stream"),
    [
        (Region.GLOBAL, "https://api.bybit.com", "wss://stream.bybit.com"),
        (Region.BYTICK, "https://api.bytick.com", "wss://stream.bybit.com"),
        (Region.NETHERLANDS, "https://api.bybit.nl", "wss://stream.bybit.com"),
        (Region.TURKEY, "https://api.bybit.tr", "wss://stream.bybit.tr"),
        (Region.KAZAKHSTAN, "https://api.bybit.kz", "wss://stream.bybit.kz"),
        (Region.GEORGIA, "https://api.bybitgeorgia.ge", "wss://stream.bybitgeorgia.ge"),
        (Region.EMIRATES, "https://api.bybit.ae", "wss://stream.bybit.com"),
        (Region.EUROPE, "https://api.bybit.eu", "wss://stream.bybit.com"),
        (Region.INDONESIA, "https://api.bybit.id", "wss://stream.bybit.id"),
        (Region.JAPAN, "https://api.manepa.jp", "wss://stream.manepa.jp"),
    ],
)
def test_paper_reads_public_prices_of_its_region(region: Region, rest: str, stream: str) -> None:
    assert hosts_for(Mode.PAPER, region) == Hosts(rest, f"{stream}/v5/public/linear", "")


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.SIM, Mode.REPLAY])
def test_other_modes_have_no_host(mode: Mode, settings: Settings) -> None:
    with pytest.raises(HostRefused, match=mode):
        hosts_for(mode, Region.GLOBAL)
    settings.BYBIT_REST_URL = "http://127.0.0.1:9"
    with pytest.raises(HostRefused):
        hosts_for(mode, Region.GLOBAL)


@pytest.mark.parametrize("mode", [Mode.DEMO, Mode.TESTNET])
def test_test_environments_know_no_regions(mode: Mode) -> None:
    with pytest.raises(HostRefused, match=r"bybit\.com"):
        hosts_for(mode, Region.EUROPE)


@pytest.mark.parametrize("mode", [Mode.PAPER, Mode.DEMO, Mode.TESTNET])
def test_local_simulator_wins(mode: Mode, settings: Settings) -> None:
    settings.BYBIT_REST_URL = "http://127.0.0.1:9/"
    settings.BYBIT_WS_PUBLIC_URL = "ws://127.0.0.1:10/"
    settings.BYBIT_WS_PRIVATE_URL = "ws://[::1]:11"
    assert hosts_for(mode, Region.EUROPE) == Hosts(
        "http://127.0.0.1:9", "ws://127.0.0.1:10/v5/public/linear", "ws://[::1]:11/v5/private"
    )


def test_half_a_simulator_is_never_mixed_with_the_exchange(settings: Settings) -> None:
    settings.BYBIT_REST_URL = "http://127.0.0.1:9"
    assert hosts_for(Mode.DEMO, Region.GLOBAL) == Hosts(
        "http://127.0.0.1:9", "ws://127.0.0.1:9/v5/public/linear", "ws://127.0.0.1:9/v5/private"
    )


@pytest.mark.parametrize(
    "url", ["http://api.bybit.com", "http://127.0.0.1.example", "http://127.0.0.1@api.bybit.com"]
)
def test_override_may_only_name_this_machine(url: str, settings: Settings) -> None:
    settings.BYBIT_REST_URL = url
    with pytest.raises(HostRefused, match="machine"):
        hosts_for(Mode.DEMO, Region.GLOBAL)


@pytest.mark.parametrize("error", [AddressRefused("403"), Unreachable("no connection")])
def test_refused_addresses_come_with_the_choice_of_hosts(error: ExchangeError) -> None:
    hint = region_hint(error)
    assert "bytick.com" in hint
    assert "bybit.eu" in hint


def test_other_errors_have_no_such_hint() -> None:
    assert region_hint(ExchangeUnavailable("HTTP status 502")) == ""
