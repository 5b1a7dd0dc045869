"""Accounts, candles and the paper venue in the admin; most of it may only be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from exchange.models import (
    CandleSeries,
    ExchangeAccount,
    MarketSession,
    PaperAccount,
    PaperExecution,
    PaperLedgerEntry,
    PaperOrder,
    PaperPosition,
    VenueLink,
)

# Unfold carries no types; what it adds to Django's admin is its look.
if TYPE_CHECKING:
    StyledAdmin = admin.ModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin as StyledAdmin


class LedgerAdmin(StyledAdmin):
    """Rows that only the system writes: shown in full, never added, changed or deleted."""

    list_per_page = 25
    # Counting a million rows to print "1,000,000 in total" costs more than the page itself.
    show_full_result_count = False
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class KeptAdmin(StyledAdmin):
    """Rows that people may edit but never delete: others refer to them for good."""

    list_per_page = 25
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ExchangeAccount)
class ExchangeAccountAdmin(KeptAdmin):
    """An account is created together with its limits and its market, so not here. Its key is
    entered on the console's page Connection, and only the end of it is ever shown."""

    list_display = ("name", "mode", "region", "key", "start_equity", "is_active", "created_at")
    list_filter = ("mode", "is_active")
    exclude = ("api_key", "api_secret_sealed", "key_facts")
    readonly_fields = ("mode", "key", "start_equity", "connected_at", "created_at")

    @admin.display(description="API key")
    def key(self, account: ExchangeAccount) -> str:
        return f"ends in {account.api_key[-4:]}" if account.api_key else "none"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(VenueLink)
class VenueLinkAdmin(LedgerAdmin):
    list_display = ("name", "account", "host", "state", "reason", "open_until", "updated_at")
    list_filter = ("state", "account")
    list_select_related = ("account",)


@admin.register(MarketSession)
class MarketSessionAdmin(LedgerAdmin):
    list_display = ("account", "speed", "seed", "start", "end", "reserved_until")
    list_select_related = ("account",)


@admin.register(CandleSeries)
class CandleSeriesAdmin(LedgerAdmin):
    list_display = ("symbol", "interval_s", "rows", "first_open", "last_open", "source")
    list_filter = ("interval_s",)
    search_fields = ("symbol",)


@admin.register(PaperAccount)
class PaperAccountAdmin(LedgerAdmin):
    list_display = ("account", "wallet", "advanced_to", "sequence")
    list_select_related = ("account",)


@admin.register(PaperOrder)
class PaperOrderAdmin(LedgerAdmin):
    list_display = ("order_id", "account", "symbol", "side", "qty", "price", "status", "created_at")
    list_filter = ("status", "side", "account")
    list_select_related = ("account",)
    search_fields = ("order_id", "order_link_id", "symbol")


@admin.register(PaperPosition)
class PaperPositionAdmin(LedgerAdmin):
    list_display = ("symbol", "account", "side", "qty", "avg_price", "stop_loss", "take_profit")
    list_select_related = ("account",)


@admin.register(PaperExecution)
class PaperExecutionAdmin(LedgerAdmin):
    list_display = ("exec_id", "account", "symbol", "side", "qty", "price", "fee", "kind", "time")
    list_filter = ("kind", "side", "account")
    list_select_related = ("account",)
    search_fields = ("exec_id", "order_link_id", "symbol")


@admin.register(PaperLedgerEntry)
class PaperLedgerEntryAdmin(LedgerAdmin):
    list_display = ("entry_id", "account", "kind", "symbol", "amount", "time")
    list_filter = ("kind", "account")
    list_select_related = ("account",)
    search_fields = ("entry_id", "exec_id", "symbol")
