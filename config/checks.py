"""System checks: what must not start, with the reason and the mend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection

from config.environment import Deployment
from exchange.choices import Mode
from exchange.models import ExchangeAccount

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
    return [Error(text, hint=hint, id="config.E001") for text, hint in problems]
