"""Secrets at rest: AES-256-GCM under a key that is not in the database.

A sealed text is ``1.<key id>.<base64 of nonce and ciphertext>``. It is bound to its owner and its
field, so that it opens nowhere else, and a changed bit is noticed. The key is
``KEY_ENCRYPTION_KEY``, or one that was generated once in the data folder. Keys that sealed in the
past stay in that folder's file, one per line in base64; they open, the first one seals.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from exchange.errors import ExchangeHalted

FORMAT = "1"
KEY_BYTES = 32
NONCE_BYTES = 12
KEY_FILE = "key_encryption_key"


class SecretsUnreadable(ExchangeHalted):
    """A sealed secret can't be opened: its account is halted until a person mends it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose secret it is: ``id`` binds it, ``thing`` and ``remedy`` are words for the refusal."""

    id: str
    thing: str
    remedy: str


def account_owner(account_id: int) -> Owner:
    """An exchange account as the owner of its key."""
    return Owner(
        id=f"account:{account_id}",
        thing="exchange key",
        remedy="replace it on the account's connection page",
    )


@dataclass(frozen=True, slots=True)
class SealingKey:
    """``id`` tells keys apart without telling anything about them."""

    id: str
    value: bytes = field(repr=False)


def seal(secret: str, *, account_id: int, name: str) -> str:
    """Encrypt the secret ``name`` of an account; see ``seal_for``."""
    return seal_for(account_owner(account_id), secret, name=name)


def unseal(sealed: str, *, account_id: int, name: str) -> str:
    """The secret of an account again; see ``unseal_for``."""
    return unseal_for(account_owner(account_id), sealed, name=name)


def seal_for(owner: Owner, secret: str, *, name: str) -> str:
    """Encrypt the secret ``name`` of an owner; the first time this may generate the key.

    Raises ``SecretsUnreadable`` where the key file is there but can't be used.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = _sealing_key()
    nonce = secrets.token_bytes(NONCE_BYTES)
    bound_to = _bound_to(owner, name, key.id)
    sealed = nonce + AESGCM(key.value).encrypt(nonce, secret.encode(), bound_to)
    return f"{FORMAT}.{key.id}.{base64.urlsafe_b64encode(sealed).decode()}"


def unseal_for(owner: Owner, sealed: str, *, name: str) -> str:
    """The secret again. Raises ``SecretsUnreadable`` saying what is wrong and what to do."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key_id, payload = _parts(sealed)
    if not payload:
        raise SecretsUnreadable(f"the sealed {owner.thing} is damaged: {owner.remedy}")
    key = next((key for key in _keys() if key.id == key_id), None)
    if key is None:
        raise SecretsUnreadable(
            f"the {owner.thing} was sealed with encryption key {key_id}, which is not here: set "
            f"KEY_ENCRYPTION_KEY to it, restore {_file()}, or {owner.remedy}"
        )
    nonce, ciphertext = payload[:NONCE_BYTES], payload[NONCE_BYTES:]
    try:
        return AESGCM(key.value).decrypt(nonce, ciphertext, _bound_to(owner, name, key_id)).decode()
    except InvalidTag:
        kind = owner.id.partition(":")[0]
        raise SecretsUnreadable(
            f"the sealed {owner.thing} was changed or belongs to another {kind}: {owner.remedy}"
        ) from None


def sealed_with_old_key(sealed: str) -> bool:
    """Whether a newer key would seal this today."""
    keys = _keys()
    return bool(keys) and _parts(sealed)[0] != keys[0].id


def _parts(sealed: str) -> tuple[str, bytes]:
    """Id of the key and what it sealed, which is empty where the text is damaged."""
    version, _, rest = sealed.partition(".")
    key_id, _, text = rest.partition(".")
    try:
        payload = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        payload = b""
    if version != FORMAT or not key_id or len(payload) <= NONCE_BYTES:
        return key_id, b""
    return key_id, payload


def _bound_to(owner: Owner, name: str, key_id: str) -> bytes:
    return f"autotrader:{FORMAT}:{key_id}:{owner.id}:{name}".encode()


def _sealing_key() -> SealingKey:
    keys = _keys()
    return keys[0] if keys else _generate()


def _keys() -> list[SealingKey]:
    """Keys that open, the one that seals first."""
    lines = _file_lines()
    if settings.KEY_ENCRYPTION_KEY:
        lines.insert(0, settings.KEY_ENCRYPTION_KEY)
    return [_key(line) for line in lines]


def _key(text: str) -> SealingKey:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != KEY_BYTES:
        raise SecretsUnreadable(
            f"{_file()} is damaged: restore it from a copy; wants 32 bytes in base64 per line"
        )
    return SealingKey(id=hashlib.sha256(b"key id:" + value).hexdigest()[:8], value=value)


def _file() -> Path:
    return Path(settings.DATA_DIR) / KEY_FILE


def _file_lines() -> list[str]:
    try:
        text = _file().read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "not text"
        raise SecretsUnreadable(
            f"{_file()} can't be read ({reason}): mend it or its rights"
        ) from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _generate() -> SealingKey:
    """Write a new key for its owner only; of two processes at once, both take the first one's."""
    path = _file()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
    return _keys()[0]
