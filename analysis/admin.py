"""Analysts, prompts and answers in the admin. Versions, pictures and answers are immutable."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from analysis.models import (
    Analysis,
    AnalystHealth,
    AnalystProfile,
    CanaryRun,
    ChartImage,
    ChartUpload,
    EyeTest,
    ModelCall,
    Prompt,
    PromptVersion,
    Spend,
)
from exchange.admin import KeptAdmin, LedgerAdmin


@admin.register(Prompt)
class PromptAdmin(KeptAdmin):
    list_display = ("name", "description")
    search_fields = ("name",)


@admin.register(PromptVersion)
class PromptVersionAdmin(LedgerAdmin):
    list_display = ("prompt", "number", "author", "note", "created_at")
    list_filter = ("prompt",)
    list_select_related = ("prompt", "author")


@admin.register(AnalystProfile)
class AnalystProfileAdmin(KeptAdmin):
    list_display = ("name", "kind", "version", "is_active", "created_at")
    list_filter = ("kind", "is_active")
    readonly_fields = ("version", "created_at")

    def save_model(
        self, request: HttpRequest, obj: AnalystProfile, form: Any, change: bool
    ) -> None:
        """A change is a new version, so that old analyses keep theirs."""
        if change and form.changed_data:
            obj.version += 1
        super().save_model(request, obj, form, change)


@admin.register(ChartImage)
class ChartImageAdmin(LedgerAdmin):
    list_display = ("chart_id", "renderer_version", "input_hash", "created_at")
    exclude = ("png",)
    search_fields = ("input_hash", "chart_id")


@admin.register(Analysis)
class AnalysisAdmin(LedgerAdmin):
    list_display = ("symbol", "timeframe", "candle_time", "direction", "environment", "profile")
    list_filter = ("direction", "timeframe", "profile")
    list_select_related = ("profile",)
    search_fields = ("symbol", "input_hash")


@admin.register(AnalystHealth)
class AnalystHealthAdmin(LedgerAdmin):
    list_display = ("profile", "state", "failures", "reason", "open_until", "last_ok_at")
    list_filter = ("state",)
    list_select_related = ("profile",)


@admin.register(ModelCall)
class ModelCallAdmin(LedgerAdmin):
    list_display = (
        "created_at",
        "symbol",
        "variant",
        "attempt",
        "state",
        "reason_code",
        "profile",
        "cost",
        "latency_ms",
    )
    list_filter = ("state", "purpose", "profile")
    list_select_related = ("profile",)
    search_fields = ("symbol", "question", "response_id")


@admin.register(ChartUpload)
class ChartUploadAdmin(LedgerAdmin):
    list_display = ("created_at", "user", "file_name", "problem")
    list_select_related = ("user",)


@admin.register(Spend)
class SpendAdmin(LedgerAdmin):
    list_display = ("day", "key", "amount", "calls")
    list_filter = ("day",)
    search_fields = ("key",)


@admin.register(EyeTest)
class EyeTestAdmin(LedgerAdmin):
    list_display = ("started_at", "profile", "short", "state", "grade", "cost", "finished_at")
    list_filter = ("state", "grade", "profile")
    list_select_related = ("profile",)


@admin.register(CanaryRun)
class CanaryRunAdmin(LedgerAdmin):
    list_display = ("ran_at", "profile", "is_baseline", "alarm", "cost")
    list_filter = ("is_baseline", "profile")
    list_select_related = ("profile",)
