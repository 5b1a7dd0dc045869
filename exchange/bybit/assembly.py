"""Put doors, streams, market and client together for one account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from exchange.bybit.client import BybitClient
from exchange.bybit.connect import credentials_of
from exchange.bybit.hosts import Hosts, hosts_for
from exchange.bybit.link import Link
from exchange.bybit.market import BybitMarket
from exchange.bybit.pulse import Pulse
from exchange.bybit.rest import BybitRest
from exchange.bybit.stream import PrivateStream, PublicStream
from exchange.choices import Mode, Region
from exchange.domain import Instrument
from exchange.models import ExchangeAccount
from exchange.ports import Clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LiveMarket:
    """Prices with the door and the stream they come through."""

    market: BybitMarket
    rest: BybitRest
    stream: PublicStream | None
    pulse: Pulse | None = None

    def measure_clock(self) -> None:
        """Ask for the venue's time; due every 30 s."""
        self.rest.measure_clock()

    def complete(self) -> None:
        """Ask for candles that the stream did not show; due every second."""
        self.market.complete()

    def close(self) -> None:
        if self.pulse is not None:
            self.pulse.stop()
        if self.stream is not None:
            self.stream.stop()
        self.rest.close()


@dataclass(frozen=True, slots=True)
class LiveClient:
    """An account with the door it is behind."""

    client: BybitClient
    rest: BybitRest

    def measure_clock(self) -> None:
        """Ask for the venue's time; due every 30 s."""
        self.rest.measure_clock()

    def refresh_account(self) -> None:
        """Ask whether the account's modes are still what orders need; due every 60 s."""
        self.client.refresh_account()


def live_market(account: ExchangeAccount, clock: Clock, *, streamed: bool) -> LiveMarket:
    """Bybit's prices for the account's symbols, over a door without keys.

    With ``streamed`` its stream runs at once. Raises ``HostRefused``.
    """
    hosts = _hosts(account)
    link = Link(f"market-{account.pk}" if streamed else "", account.pk, hosts.rest)
    rest = BybitRest(hosts, None, clock=clock, link=link)
    stream, pulse = None, None
    if streamed:
        told = _stream_teller(link, "public")
        stream = PublicStream(hosts.ws_public, clock=clock, on_state=told)
        stream.start()
        pulse = Pulse(rest)
        pulse.start()
    market = BybitMarket(rest, stream, account.market_session.symbols)
    return LiveMarket(market, rest, stream, pulse)


def live_client(
    account: ExchangeAccount,
    clock: Clock,
    instruments: Callable[[str], Instrument],
    *,
    streamed: bool,
) -> LiveClient:
    """The account itself: orders, positions, money.

    Raises ``HostRefused``, and ``SecretsUnreadable`` where the key's secret can't be decrypted.
    """
    hosts, credentials = _hosts(account), credentials_of(account)
    # A client without a stream is the watchdog's, which leaves its notes itself.
    link = Link(f"account-{account.pk}" if streamed else "", account.pk, hosts.rest)
    rest = BybitRest(hosts, credentials, clock=clock, link=link)
    stream, pulse = None, None
    if streamed:
        stream = PrivateStream(
            hosts.ws_private,
            credentials,
            rest.server_time,
            clock=clock,
            on_state=_stream_teller(link, "private"),
        )
        stream.start()
        pulse = Pulse(rest)
        pulse.start()
    since = account.connected_at or EPOCH
    client = BybitClient(rest, stream, instruments, connected_at=since, pulse=pulse)
    return LiveClient(client, rest)


def _hosts(account: ExchangeAccount) -> Hosts:
    return hosts_for(Mode(account.mode), Region(account.region))


def _stream_teller(link: Link, stream: str) -> Callable[[str, str], None]:
    """Keeps a stream's state under its name."""

    def tell(state: str, reason: str) -> None:
        link.stream_state(stream, f"{state}: {reason}" if reason else state)

    return tell
