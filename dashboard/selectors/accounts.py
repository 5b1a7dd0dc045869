"""Which account the console shows, and what the browser's bar must warn about."""

from __future__ import annotations

from django.db.models import QuerySet

from exchange.choices import Mode
from exchange.models import ExchangeAccount


def account_list() -> QuerySet[ExchangeAccount]:
    """Active accounts with everything that stands in a row beside them."""
    return (
        ExchangeAccount.objects.filter(is_active=True)
        .select_related("lease", "market_session", "paper_account", "trading_state")
        .order_by("id")
    )


def account_choose(accounts: list[ExchangeAccount], wanted: int | None) -> ExchangeAccount | None:
    """The account with the id ``wanted``, or the first: figures of two are never summed."""
    return next((account for account in accounts if account.pk == wanted), None) or next(
        iter(accounts), None
    )


def bar_mode(accounts: list[ExchangeAccount], shown: ExchangeAccount | None) -> str:
    """Mode that colours the bar: LIVE while any account trades real money, else the one shown."""
    if any(account.mode == Mode.LIVE for account in accounts):
        return Mode.LIVE
    return shown.mode if shown else ""
