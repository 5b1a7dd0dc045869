"""API keys and the checks every private request passes before the exchange sees it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.simulators.bybit.rules import Refused

AHEAD_MS = 1_000
DEFAULT_RECV_WINDOW = "5000"
DEFAULT_UID = "1001"


@dataclass(slots=True)
class ApiKey:
    """A key and what is wrong with it; ``ips`` empty means not bound to addresses."""

    key: str
    secret: str = field(repr=False)
    uid: str
    revoked: bool = False
    expired: bool = False
    read_only: bool = False
    ips: tuple[str, ...] = ()


class Keyring:
    """The keys of every account."""

    def __init__(self, keys: list[ApiKey]) -> None:
        self._keys = {each.key: each for each in keys}

    @classmethod
    def for_accounts(
        cls, count: int = 1, key: str = "sim-key", secret: str = "sim-secret"
    ) -> Keyring:
        """Key ``sim-key`` is account 1001, ``sim-key-2`` is 1002 and so on; one secret for all."""
        first = int(DEFAULT_UID)
        return cls(
            [
                ApiKey(key if n == 0 else f"{key}-{n + 1}", secret, str(first + n))
                for n in range(count)
            ]
        )

    def find(self, key: str) -> ApiKey | None:
        """The key, unless unknown or revoked."""
        found = self._keys.get(key)
        return None if found is None or found.revoked else found

    def of(self, uid: str) -> list[ApiKey]:
        """The keys of an account."""
        return [each for each in self._keys.values() if each.uid == uid]

    def uids(self) -> list[str]:
        """Every account."""
        return sorted({each.uid for each in self._keys.values()})


def signature(secret: str, text: bytes) -> str:
    """HMAC-SHA256 in lower-case hex."""
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def authenticate(
    keyring: Keyring,
    headers: Mapping[str, str],
    payload: bytes,
    *,
    now_ms: int,
    writes: bool,
    ip: str,
    strict_time: bool = True,
) -> ApiKey:
    """Whose request this is. ``payload`` is the raw query or body, header names in lower case.

    Raises Refused with 10002, 10003, 10004, 10005, 10010 or 33004.
    """
    key_text = headers.get("x-bapi-api-key", "")
    timestamp = headers.get("x-bapi-timestamp", "")
    window = headers.get("x-bapi-recv-window", DEFAULT_RECV_WINDOW)
    if strict_time:
        _check_time(timestamp, window, now_ms)
    found = keyring.find(key_text)
    if found is None:
        raise Refused(10003, "API key is invalid.")
    origin = f"{timestamp}{key_text}{window}".encode() + payload
    sent = headers.get("x-bapi-sign", "")
    if not hmac.compare_digest(sent.lower(), signature(found.secret, origin)):
        raise Refused(10004, f"error sign! origin_string[{origin.decode(errors='replace')}]")
    if found.expired:
        raise Refused(33004, "Your api key has expired.")
    if found.ips and ip not in found.ips:
        raise Refused(10010, "Unmatched IP, please check your API key's bound IP addresses.")
    if writes and found.read_only:
        raise Refused(10005, "Permission denied, please check your API key permissions.")
    return found


def socket_key(
    keyring: Keyring, args: list[object], now_ms: int, *, strict_time: bool = True
) -> ApiKey:
    """Whose socket this is, from the arguments of its auth request. Raises Refused."""
    if len(args) != 3 or not str(args[1]).isdigit():
        raise Refused(10001, "Params Error")
    key, expires, sent = str(args[0]), int(str(args[1])), str(args[2])
    found = keyring.find(key)
    if found is None:
        raise Refused(10003, "API key is invalid.")
    if strict_time and expires <= now_ms:
        raise Refused(10002, "Params Error: expires is earlier than the server time")
    if not hmac.compare_digest(sent, signature(found.secret, f"GET/realtime{expires}".encode())):
        raise Refused(10004, "error sign!")
    if found.expired:
        raise Refused(33004, "Your api key has expired.")
    return found


def _check_time(timestamp: str, window: str, now_ms: int) -> None:
    """The rule: now - window <= timestamp < now + 1 s."""
    if not timestamp.isdigit() or not window.isdigit():
        raise Refused(10001, "invalid timestamp or recv_window")
    if not now_ms - int(window) <= int(timestamp) < now_ms + AHEAD_MS:
        raise Refused(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{window}]",
        )
