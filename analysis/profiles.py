"""What a profile needs before it can ask: a server, a model, prices and a key.

Keys are sealed like those of exchange accounts and bound to their profile. They are shown to
nobody; a page may show how one ends.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from analysis.choices import AnalystKind
from analysis.errors import AnalystUnavailable
from analysis.models import AnalystProfile
from exchange.secrets import Owner, SecretsUnreadable, seal_for, unseal_for

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_HOST = "api.openai.com"
SEALED_FIELD = "api_key"
LONGEST_KEY = 500
# The end of a shorter key would tell too much of it.
SHORTEST_SHOWN = 16
ENDING = 4


class KeyInvalid(ValueError):
    """Something that can't be a key; the text does not repeat it."""


def server_of(profile: AnalystProfile) -> str:
    """The address that requests go to, without a slash at its end."""
    return (profile.base_url or OPENAI_URL).rstrip("/")


def api_key_set(profile: AnalystProfile, key: str) -> None:
    """Seal and store the key of a saved profile; an empty one takes it away.

    Raises ``KeyInvalid``, and ``SecretsUnreadable`` where the encryption key can't be used.
    """
    key = key.strip()
    check_key(key)
    sealed = seal_for(_owner(profile), key, name=SEALED_FIELD) if key else ""
    profile.api_key_sealed = sealed
    AnalystProfile.objects.filter(pk=profile.pk).update(api_key_sealed=sealed)


def check_key(key: str) -> None:
    """Raise ``KeyInvalid`` for what would break the header that carries it."""
    if len(key) > LONGEST_KEY:
        raise KeyInvalid(f"A key has at most {LONGEST_KEY} characters.")
    if key and not re.fullmatch("[!-~]+", key):
        raise KeyInvalid("A key has no spaces, line ends or letters with accents.")


def api_key_of(profile: AnalystProfile) -> str:
    """The profile's own key, else the one of the environment if the server is OpenAI's; ""
    there is none. Raises ``AnalystUnavailable`` for a stored one that can't be opened.
    """
    if profile.api_key_sealed:
        try:
            return stored_key(profile)
        except SecretsUnreadable as error:
            raise AnalystUnavailable(str(error)) from None
    return (settings.OPENAI_API_KEY or "") if _asks_openai(profile) else ""


def stored_key(profile: AnalystProfile) -> str:
    """The profile's own key. Raises ``SecretsUnreadable``, so also where it has none."""
    return unseal_for(_owner(profile), profile.api_key_sealed, name=SEALED_FIELD)


def _asks_openai(profile: AnalystProfile) -> bool:
    """Whether the environment's key may go there: any other server could use it for itself."""
    host = urlsplit(server_of(profile)).hostname or ""
    return host == OPENAI_HOST or host.endswith(f".{OPENAI_HOST}")


def key_shown(profile: AnalystProfile) -> str:
    """What a page may tell about the key, in words."""
    try:
        key = api_key_of(profile)
    except AnalystUnavailable as error:
        return f"unreadable: {error}"
    if not key:
        return "none"
    source = "set here" if profile.api_key_sealed else "from OPENAI_API_KEY"
    ending = f", ends in {key[-ENDING:]}" if len(key) >= SHORTEST_SHOWN else ""
    return source + ending


def profile_problem(profile: AnalystProfile) -> str:
    """Why the profile can't ask, as a sentence, or ""."""
    if profile.kind != AnalystKind.OPENAI:
        return ""
    address = base_url_problem(profile.base_url)
    if address:
        return f"{profile.name}: {address}"
    if not profile.model:
        return f"{profile.name} names no model."
    if profile.input_price <= 0 or profile.output_price <= 0:
        return f"{profile.name} has no prices, so nothing caps its cost: enter both."
    return _key_problem(profile)


def _key_problem(profile: AnalystProfile) -> str:
    try:
        key = api_key_of(profile)
    except AnalystUnavailable as error:
        return f"{profile.name}: {error}."
    if key or is_loopback(urlsplit(server_of(profile))):
        return ""
    return f"{profile.name} has no API key: enter one in the profile" + (
        ", or set OPENAI_API_KEY." if _asks_openai(profile) else "."
    )


def base_url_problem(address: str) -> str:
    """What is wrong with the address of a server, as a sentence, or "". Empty means OpenAI."""
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return "The base URL is not an address."
    if not parts.hostname or not port_is_fine or re.search(r"[\s\\]|[^!-~]", address):
        return "The base URL is not an address."
    if parts.username is not None or parts.password is not None:
        return "The base URL must not hold a name or password: enter the key in its own field."
    if "?" in address or "#" in address:
        return "The base URL must not hold a query or fragment."
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts)):
        return ""
    return "The base URL wants https; http is taken on this machine only (127.0.0.1)."


def is_loopback(parts: SplitResult) -> bool:
    """Whether an address never leaves this machine. Names other than localhost are not trusted:
    where they lead is decided elsewhere."""
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _owner(profile: AnalystProfile) -> Owner:
    return Owner(
        id=f"profile:{profile.pk}",
        thing=f"API key of {profile.name}",
        remedy="enter it anew in the profile",
    )
