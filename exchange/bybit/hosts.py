"""Which addresses an account may talk to: an allowlist per mode, and Bybit's regional sites."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from exchange.choices import Mode, Region
from exchange.errors import ExchangeError

PUBLIC_PATH = "/v5/public/linear"
PRIVATE_PATH = "/v5/private"
GLOBAL_STREAM = "wss://stream.bybit.com"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

# Only these sites have streams of their own; the others share the global ones.
_REGIONAL_STREAMS = frozenset(
    {Region.TURKEY, Region.KAZAKHSTAN, Region.GEORGIA, Region.INDONESIA, Region.JAPAN}
)


class HostRefused(ExchangeError):
    """The mode may not talk to this address, or is not built."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Whole addresses: REST without a path, both streams with theirs. PAPER has no private one."""

    rest: str
    ws_public: str
    ws_private: str


def hosts_for(mode: Mode, region: Region) -> Hosts:
    """The addresses of a mode; raises ``HostRefused`` for LIVE, SIM, REPLAY and what is not listed.

    ``settings.BYBIT_REST_URL`` and its two siblings win, and may only name this machine. Where only
    some of them are set, the others follow the same machine and port: a test bench is never mixed
    with the real exchange.
    """
    mode, region = Mode(mode), Region(region)
    if mode not in (Mode.PAPER, Mode.DEMO, Mode.TESTNET):
        raise HostRefused(f"Mode {mode} has no Bybit address: it is not traded there, or not yet.")
    bench = _test_bench()
    if bench is not None:
        return bench
    if mode is Mode.PAPER:
        return Hosts(f"https://api.{region}", f"{_stream(region)}{PUBLIC_PATH}", "")
    if region is not Region.GLOBAL:
        raise HostRefused(
            f"{region.label} has no {mode.label} address: open the account on bybit.com, "
            "or choose bybit.com as its site."
        )
    if mode is Mode.DEMO:
        # The demo site has no public streams: its prices are the real ones.
        return Hosts(
            "https://api-demo.bybit.com",
            f"{GLOBAL_STREAM}{PUBLIC_PATH}",
            f"wss://stream-demo.bybit.com{PRIVATE_PATH}",
        )
    return Hosts(
        "https://api-testnet.bybit.com",
        f"wss://stream-testnet.bybit.com{PUBLIC_PATH}",
        f"wss://stream-testnet.bybit.com{PRIVATE_PATH}",
    )


def choice_of_hosts() -> str:
    """The sites a person may choose from, in words."""
    return ", ".join(str(region.value) for region in Region)


def _stream(region: Region) -> str:
    return f"wss://stream.{region}" if region in _REGIONAL_STREAMS else GLOBAL_STREAM


def _test_bench() -> Hosts | None:
    """The local simulator, where the settings name one."""
    rest, public, private = (
        settings.BYBIT_REST_URL,
        settings.BYBIT_WS_PUBLIC_URL,
        settings.BYBIT_WS_PRIVATE_URL,
    )
    given = [url for url in (rest, public, private) if url]
    if not given:
        return None
    for url in given:
        if urlsplit(url).hostname not in LOOPBACK:
            raise HostRefused("BYBIT_REST_URL and BYBIT_WS_* may only name this machine.")
    place = urlsplit(given[0]).netloc
    return Hosts(
        rest=(rest or f"http://{place}").rstrip("/"),
        ws_public=(public or f"ws://{place}").rstrip("/") + PUBLIC_PATH,
        ws_private=(private or f"ws://{place}").rstrip("/") + PRIVATE_PATH,
    )
