"""Writes about accounts on the venue: their keys."""

from __future__ import annotations

from exchange.models import ExchangeAccount
from exchange.secrets import seal, unseal

SEALED_FIELD = "api_secret"


def key_store(*, account: ExchangeAccount, api_key: str, api_secret: str) -> None:
    """Give a saved account its key; the secret is stored sealed and never shown again.

    Raises ``SecretsUnreadable`` where the encryption key can't be used.
    """
    account.api_key = api_key
    account.api_secret_sealed = seal(api_secret, account_id=account.pk, name=SEALED_FIELD)
    account.save(update_fields=["api_key", "api_secret_sealed"])


def secret_read(account: ExchangeAccount) -> str:
    """The secret of an account's key. Raises ``SecretsUnreadable`` in words."""
    return unseal(account.api_secret_sealed, account_id=account.pk, name=SEALED_FIELD)


def facts_store(*, account: ExchangeAccount, facts: dict[str, object]) -> None:
    """Keep what the venue last said about key and account, as ``Examination.as_json`` tells it."""
    account.key_facts = facts
    account.save(update_fields=["key_facts"])
