"""Trading in the admin: bots may be edited, limits get a new version, the rest may be read.

What changes a state (start, pause, arm, close, approve) is done in the console, where it goes
through the services; a press of the kill switch is a run that is added here.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Max
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from exchange.admin import KeptAdmin, LedgerAdmin
from trading.ai import ai_cost_estimate
from trading.choices import KillLevel
from trading.forms import BotForm, KillRunForm
from trading.kill import kill_press
from trading.models import (
    Approval,
    Blackout,
    Bot,
    Cashflow,
    Command,
    Counterfactual,
    Cycle,
    CycleStep,
    EquityPoint,
    Event,
    Execution,
    KillRun,
    KillStep,
    Lease,
    MonitorCandle,
    OperatorAction,
    Order,
    PeakBase,
    RiskLimits,
    Signal,
    StopMove,
    SymbolGroup,
    Trade,
    TradingState,
    WalletCheck,
)

# Dark enough to be read on white and light enough on black.
COST_COLOURS = {"ok": "inherit", "amber": "#b45309", "red": "#dc2626"}


@admin.register(Bot)
class BotAdmin(KeptAdmin):
    list_display = ("name", "account", "timeframe", "autonomy", "state", "analyst_profile")
    list_filter = ("state", "autonomy", "account")
    list_select_related = ("account", "analyst_profile")
    form = BotForm
    readonly_fields = ("state", "ai_cost", "ai_cost_accepted", "created_at")

    @admin.display(description="AI cost, estimated")
    def ai_cost(self, bot: Bot) -> str:
        """As the bot is stored; amber over 1 % of equity a month, red over 3 %."""
        if bot.pk is None:
            return "Shown once the bot is saved."
        cost = ai_cost_estimate(bot)
        shown: str = format_html(
            '<span class="ai-cost ai-cost-{}" style="color: {}">{}</span>',
            cost.level,
            COST_COLOURS[cost.level],
            cost.sentence,
        )
        return shown

    def save_model(self, request: HttpRequest, obj: Bot, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.agreed_to is not None:
            OperatorAction.objects.create(
                actor_id=request.user.pk,
                action="AI cost accepted",
                target=str(obj),
                reason=form.agreed_to.sentence,
            )


@admin.register(RiskLimits)
class RiskLimitsAdmin(KeptAdmin):
    """Limits are never edited: what is added here becomes the account's next version."""

    list_display = ("account", "version", "profile", "risk_per_trade", "max_slots", "created_at")
    list_filter = ("account", "profile")
    list_select_related = ("account",)
    exclude = ("version", "actor")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RiskLimits, form: Any, change: bool) -> None:
        newest = RiskLimits.objects.filter(account=obj.account).aggregate(newest=Max("version"))
        obj.version = (newest["newest"] or 0) + 1
        obj.actor_id = request.user.pk
        super().save_model(request, obj, form, change)


@admin.register(TradingState)
class TradingStateAdmin(LedgerAdmin):
    list_display = ("__str__", "reason", "actor", "changed_at")
    list_select_related = ("account", "actor")


@admin.register(Cycle)
class CycleAdmin(LedgerAdmin):
    list_display = ("bot", "timeframe", "boundary", "attempt", "state", "reason", "finished_at")
    list_filter = ("state", "bot")
    list_select_related = ("bot",)


@admin.register(CycleStep)
class CycleStepAdmin(LedgerAdmin):
    list_display = ("cycle", "number", "name", "status", "duration_ms", "summary")
    list_filter = ("status", "name")
    list_select_related = ("cycle__bot",)


@admin.register(Signal)
class SignalAdmin(LedgerAdmin):
    list_display = ("symbol", "direction", "decided_at", "state", "rule", "confidence", "bot")
    list_filter = ("state", "direction", "rule", "account")
    list_select_related = ("bot",)
    search_fields = ("symbol",)


@admin.register(Approval)
class ApprovalAdmin(LedgerAdmin):
    list_display = ("signal", "decision", "channel", "actor", "requested_at", "decided_at")
    list_filter = ("decision", "channel")
    list_select_related = ("signal", "actor")


@admin.register(Order)
class OrderAdmin(LedgerAdmin):
    list_display = ("order_link_id", "symbol", "role", "side", "qty", "price", "state", "account")
    list_filter = ("state", "role", "account")
    list_select_related = ("account",)
    search_fields = ("order_link_id", "venue_order_id", "symbol")


@admin.register(Execution)
class ExecutionAdmin(LedgerAdmin):
    list_display = ("exec_id", "symbol", "side", "qty", "price", "fee", "kind", "time", "account")
    list_filter = ("kind", "side", "account")
    list_select_related = ("account",)
    search_fields = ("exec_id", "order_link_id", "symbol")


@admin.register(Trade)
class TradeAdmin(LedgerAdmin):
    list_display = (
        "symbol",
        "side",
        "state",
        "entry_qty",
        "net_pnl",
        "r_multiple",
        "exit_reason",
        "opened_market",
        "closed_market",
        "account",
    )
    list_filter = ("state", "side", "exit_reason", "account")
    list_select_related = ("account",)
    search_fields = ("symbol",)


@admin.register(StopMove)
class StopMoveAdmin(LedgerAdmin):
    list_display = ("trade", "rule", "old_stop", "new_stop", "accepted", "answer", "market_time")
    list_filter = ("rule", "accepted")
    list_select_related = ("trade",)


@admin.register(Cashflow)
class CashflowAdmin(LedgerAdmin):
    list_display = ("entry_id", "kind", "symbol", "amount", "time", "account")
    list_filter = ("kind", "account")
    list_select_related = ("account",)


@admin.register(EquityPoint)
class EquityPointAdmin(LedgerAdmin):
    list_display = ("time", "wallet", "equity", "account")
    list_filter = ("account",)
    list_select_related = ("account",)


@admin.register(Command)
class CommandAdmin(LedgerAdmin):
    list_display = ("kind", "target", "state", "answer", "actor", "account", "created_at")
    list_filter = ("state", "kind", "account")
    list_select_related = ("account", "actor")


@admin.register(Lease)
class LeaseAdmin(LedgerAdmin):
    list_display = ("account", "token", "holder", "host", "reconciled", "heartbeat_at", "status")
    list_select_related = ("account",)


@admin.register(Event)
class EventAdmin(LedgerAdmin):
    list_display = ("created_at", "level", "kind", "text", "mode", "account")
    list_filter = ("level", "kind", "account")
    list_select_related = ("account",)
    search_fields = ("text",)


@admin.register(OperatorAction)
class OperatorActionAdmin(LedgerAdmin):
    list_display = ("created_at", "actor", "action", "target", "reason")
    list_filter = ("action",)
    list_select_related = ("actor",)
    search_fields = ("target", "reason")


@admin.register(SymbolGroup)
class SymbolGroupAdmin(KeptAdmin):
    list_display = ("name", "symbols")


@admin.register(Blackout)
class BlackoutAdmin(KeptAdmin):
    list_display = ("name", "kind", "action", "starts_at", "ends_at", "is_active", "account")
    list_filter = ("kind", "action", "is_active", "account")
    list_select_related = ("account",)
    readonly_fields = ("source", "source_key", "actor", "created_at")


@admin.register(PeakBase)
class PeakBaseAdmin(LedgerAdmin):
    list_display = ("account", "time", "reason", "actor", "created_at")
    list_filter = ("account",)
    list_select_related = ("account", "actor")


@admin.register(KillRun)
class KillRunAdmin(KeptAdmin):
    """What is added here is pressed."""

    form = KillRunForm
    list_display = ("pressed_at", "level", "account", "drill", "actor", "reason", "done_at")
    list_filter = ("level", "drill", "account")
    list_select_related = ("account", "actor")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: KillRun, form: Any, change: bool) -> None:
        run = kill_press(
            account=obj.account,
            level=KillLevel(obj.level),
            reason=obj.reason,
            actor=request.user if isinstance(request.user, User) else None,
            channel="admin",
            drill=obj.drill,
            pressed_at=timezone.now(),
        )
        obj.pk = run.pk


@admin.register(KillStep)
class KillStepAdmin(LedgerAdmin):
    list_display = ("run", "account", "kind", "symbol", "done_at", "detail")
    list_filter = ("kind", "account")
    list_select_related = ("run__account", "account")


@admin.register(Counterfactual)
class CounterfactualAdmin(LedgerAdmin):
    list_display = ("signal", "stopped_by", "state", "exit_reason", "r_multiple", "followed_to")
    list_filter = ("stopped_by", "state", "exit_reason")
    list_select_related = ("signal",)


@admin.register(MonitorCandle)
class MonitorCandleAdmin(LedgerAdmin):
    list_display = ("market", "symbol", "open_time", "seconds", "close")
    list_filter = ("market", "symbol")


@admin.register(WalletCheck)
class WalletCheckAdmin(LedgerAdmin):
    list_display = ("account", "day", "state", "booked", "reported", "difference", "checked_at")
    list_filter = ("state", "account")
    list_select_related = ("account",)
