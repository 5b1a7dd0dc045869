"""Why the venue refuses, in sentences a person can act on."""

from __future__ import annotations

from exchange.bybit.hosts import choice_of_hosts
from exchange.bybit.retcodes import REGION_CODES
from exchange.errors import ExchangeHalted, ExchangeUnavailable


class Unreachable(ExchangeUnavailable):
    """No connection to the host came about, or the circuit pauses after several such failures."""


class CircuitPaused(Unreachable):
    """Not even tried: the circuit breaker pauses."""


class ReadRefused(ExchangeUnavailable):
    """The venue refuses this read as it stands; repeating it is of no use.

    ``ret_code`` is the venue's, ``code`` our name for it: some reads do not exist on demo.
    """

    def __init__(self, message: str, *, ret_code: int, code: str) -> None:
        super().__init__(message)
        self.ret_code = ret_code
        self.code = code


class AddressRefused(ExchangeHalted):
    """The venue refuses this machine's address or region."""


_SENTENCES = {
    10003: (
        "Bybit does not know this API key: enter a key made on the site and in the environment of "
        "this account (real, demo and testnet keys look alike)."
    ),
    10004: "Bybit refuses the signature: the API secret is not this key's. Enter both anew.",
    10005: (
        "The API key may not do this: give it read and write rights for orders and positions of "
        "the unified trading account."
    ),
    10007: "Bybit cannot authenticate the API key: check that it still exists, or enter a new one.",
    10008: "Bybit has banned this account: contact Bybit's support.",
    10009: "Bybit does not serve this region from this host.",
    10010: "The API key is bound to other addresses: add this machine's address to it at Bybit.",
    10024: "Bybit's rules do not allow this product for the account or its region.",
    10027: "Bybit has stopped trading for this account: contact Bybit's support.",
    33004: "The API key has expired: make a new one at Bybit and enter it.",
    110066: "Bybit does not allow trading now for this account: look for its notice at Bybit.",
}
_ASK_BYBIT = "Bybit wants something confirmed first: sign in there, and follow its notice"


def halt_sentence(ret_code: int) -> str:
    """What a person must do about a refusal of the key, the account or the region."""
    sentence = _SENTENCES.get(ret_code, f"{_ASK_BYBIT} ({ret_code}).")
    if ret_code in REGION_CODES:
        sentence = f"{sentence} {_hosts_sentence()}"
    return sentence


def ban_sentence(minutes: float) -> str:
    """What a refused address means."""
    return (
        "Bybit refuses this machine's address (HTTP 403): too many calls, or a country it does "
        f"not serve. Nothing is sent for {minutes:.0f} more minutes."
    )


def region_hint(error: BaseException) -> str:
    """What to try where an address or region was refused or not reached; empty for other errors."""
    if isinstance(error, (AddressRefused, Unreachable)):
        return _hosts_sentence()
    return ""


def _hosts_sentence() -> str:
    return (
        "Choose the site on which the account was opened, or a second address of it: "
        f"{choice_of_hosts()}. From some countries none of them answers."
    )
