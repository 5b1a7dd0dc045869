"""From an account, or a key that is not stored yet, to a door to Bybit."""

from __future__ import annotations

from collections.abc import Callable

from exchange.bybit.hosts import hosts_for
from exchange.bybit.link import Link
from exchange.bybit.rest import BybitRest, Credentials
from exchange.choices import BYBIT_MODES, Mode, Region
from exchange.errors import ExchangeHalted
from exchange.market.clock import WallClock
from exchange.models import ExchangeAccount
from exchange.services import secret_read


def credentials_of(account: ExchangeAccount) -> Credentials:
    """The account's key and secret. Raises ``ExchangeHalted`` without a key and
    ``SecretsUnreadable`` where its secret can't be opened."""
    if not account.api_key:
        raise ExchangeHalted(f"{account} has no key: give it one on its connection page")
    return Credentials(account.api_key, secret_read(account))


def rest_for(account: ExchangeAccount) -> BybitRest:
    """A door for a look at an account, with its key where its mode has one; close it after use.

    It leaves no trace among the links. Raises what ``credentials_of`` does, and ``HostRefused``.
    """
    mode = Mode(account.mode)
    credentials = credentials_of(account) if mode in BYBIT_MODES else None
    return open_door(mode, Region(account.region), credentials)


def elsewhere(
    mode: Mode, region: Region, credentials: Credentials
) -> Callable[[Mode], BybitRest | None]:
    """Opens the same key on the global hosts of other environments; None where that would be the
    host of ``mode`` itself."""
    own = hosts_for(mode, region).rest

    def open_other(other: Mode) -> BybitRest | None:
        if hosts_for(other, Region.GLOBAL).rest == own:
            return None
        return open_door(other, Region.GLOBAL, credentials)

    return open_other


def open_door(mode: Mode, region: Region, credentials: Credentials | None) -> BybitRest:
    """A door to the host of ``mode``. Raises ``HostRefused``."""
    hosts = hosts_for(mode, region)
    return BybitRest(hosts, credentials, clock=WallClock(), link=Link("", None, hosts.rest))
