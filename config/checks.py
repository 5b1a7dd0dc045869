"""System checks: what must not start, with the reason and the mend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from config.environment import Deployment
from exchange.choices import Mode
from exchange.models import ExchangeAccount
from exchange.secrets import SecretsUnreadable
from exchange.services import secret_read

REFUSED = "Mainnet trading is refused until the risk limits and access rights for it are built."


@register("trading")
def check_live_switch(**kwargs: Any) -> list[CheckMessage]:
    """Refuse ``LIVE_TRADING``: there is no code yet that may place an order on the mainnet."""
    if not settings.LIVE_TRADING:
        return []
    return [Error(REFUSED, hint="Unset LIVE_TRADING.", id="exchange.E001")]


@register(Tags.database)
def check_live_accounts(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse accounts of mode LIVE, however they came into the database."""
    tables = connection.introspection.table_names() if databases else []
    if ExchangeAccount._meta.db_table not in tables:
        return []
    names = ExchangeAccount.objects.filter(mode=Mode.LIVE).values_list("name", flat=True)
    hint = "Remove the account or give it another mode."
    return [Error(f"{REFUSED} Account: {name}", hint=hint, id="exchange.E001") for name in names]


@register(Tags.database)
def check_sealed_keys(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Say which accounts are halted because their secret can't be decrypted; others may trade."""
    tables = connection.introspection.table_names() if databases else []
    if ExchangeAccount._meta.db_table not in tables:
        return []
    problems: list[CheckMessage] = []
    for account in ExchangeAccount.objects.filter(is_active=True).exclude(api_secret_sealed=""):
        try:
            secret_read(account)
        except SecretsUnreadable as error:
            text = f"{account} is halted: {error}."
            problems.append(Warning(text, hint="See `manage.py doctor`.", id="exchange.W001"))
    return problems


@register("deployment", deploy=True)
def check_production_parts(**kwargs: Any) -> list[CheckMessage]:
    """Refuse parts that live in one process where the processes are apart."""
    if settings.ENVIRONMENT.deployment is not Deployment.PRODUCTION:
        return []
    problems = []
    if settings.CELERY_BROKER_URL.startswith("memory:"):
        problems.append(("The task queue lives in one process.", "Set REDIS_URL."))
    if settings.CHANNEL_LAYERS["default"]["BACKEND"] == "config.channels.EmbeddedLayer":
        problems.append(("The channel layer lives in one process.", "Set REDIS_URL."))
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        problems.append(("The database is a file of one machine.", "Set DATABASE_URL."))
    found: list[CheckMessage] = [
        Error(text, hint=hint, id="config.E001") for text, hint in problems
    ]
    if settings.KEY_ENCRYPTION_KEY is None:
        text = "The key that encrypts exchange keys is a file in the data folder of one machine."
        found.append(Warning(text, hint="Set KEY_ENCRYPTION_KEY.", id="config.W001"))
    return found
