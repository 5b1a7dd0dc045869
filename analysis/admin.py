"""Analysts, prompts and answers in the admin. Versions, pictures and answers are immutable."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from analysis.answer.schema import ANSWER_SCHEMA
from analysis.choices import AnalystKind, HealthState
from analysis.cost import most_cost
from analysis.forms import ModelProfileForm, PromptVersionForm
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
from analysis.profiles import api_key_set, key_shown, profile_problem
from analysis.prompts.sample import sample_of
from analysis.prompts.template import VARIABLES, PromptInvalid
from analysis.prompts.versions import prompt_default, prompt_version_create
from analysis.selectors import grade_of
from exchange.admin import KeptAdmin, LedgerAdmin, StyledAdmin
from exchange.secrets import SecretsUnreadable

if TYPE_CHECKING:
    Method = TypeVar("Method", bound=Callable[..., Any])

    def action(**options: Any) -> Callable[[Method], Method]: ...
else:
    from unfold.decorators import action

PLAIN_TEXT = '<pre class="text-xs" style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>'
# A change of one of these may change an answer, so what was answered before keeps its version.
ANSWER_FIELDS = {
    "base_url",
    "model",
    "api_style",
    "image_family",
    "image_detail",
    "reasoning_effort",
    "max_output_tokens",
    "copies",
    "prescreen",
}
STATE_FIELDS = (
    "State",
    {"fields": ("can_ask", "grade_now", "health_now", "key_now", "kind", "version", "created_at")},
)
SERVER_FIELDS = ("base_url", "model", "api_style", "api_key", "knowledge_cutoff")
KEYED_SERVER_FIELDS = (*SERVER_FIELDS[:-1], "remove_api_key", SERVER_FIELDS[-1])
NAME_FIELDS = (None, {"fields": ("name", "is_active")})
MODEL_FIELDS = (
    (
        "Prices, in US dollars",
        {
            "fields": ("input_price", "cached_input_price", "output_price", "max_call_cost"),
            "description": "Per million tokens. Without a price for input and output it can't ask; "
            "without one for cached input that costs as much as any.",
        },
    ),
    (
        "Picture and answer",
        {
            "fields": (
                "image_family",
                "image_detail",
                "image_tokens",
                "reasoning_effort",
                "max_output_tokens",
                "copies",
                "prescreen",
            ),
            "description": "A change here, or of server or model, is a new version of the profile.",
        },
    ),
    ("Limits", {"fields": ("timeout_s", "max_concurrency", "safe_mode_after")}),
)


@admin.register(Prompt)
class PromptAdmin(KeptAdmin):
    list_display = ("name", "description")
    search_fields = ("name",)


@admin.register(PromptVersion)
class PromptVersionAdmin(LedgerAdmin):
    """A version is never changed: a form makes the next one out of it."""

    form = PromptVersionForm
    list_display = ("prompt", "number", "note", "author", "created_at")
    list_filter = ("prompt",)
    list_select_related = ("prompt", "author")
    ordering = ("prompt__name", "-number")
    change_form_before_template = "analysis/prompt_variables.html"
    actions_detail = ["new_version", "what_is_sent"]
    shown = ("prompt", "number", "note", "author", "parent", "created_at", "digest")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Actions on the page of a row ask with the row, Django itself without.
        return StyledAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: PromptVersion | None = None) -> tuple[str, ...]:
        if obj is None:
            return PromptVersionForm.Meta.fields
        return (*self.shown, "system", "user")

    @admin.display(description="SHA-256")
    def digest(self, version: PromptVersion) -> str:
        return format_html(PLAIN_TEXT, version.sha256)

    @admin.display(description="System text")
    def system(self, version: PromptVersion) -> str:
        return format_html(PLAIN_TEXT, version.system_text)

    @admin.display(description="User text")
    def user(self, version: PromptVersion) -> str:
        return format_html(PLAIN_TEXT, version.user_text)

    def get_readonly_fields(
        self, request: HttpRequest, obj: PromptVersion | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else self.get_fields(request, obj)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not PromptVersion.objects.exists():
            # Whoever looks for prompts finds at least the one that comes with the program.
            prompt_default()
        return super().changelist_view(request, extra_context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"variables": VARIABLES, "title": "New prompt version"}
        return super().add_view(request, form_url, context | (extra_context or {}))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The texts of the version to start from."""
        wanted = request.GET.get("parent", "")
        parent = PromptVersion.objects.filter(pk=wanted).first() if wanted.isdecimal() else None
        parent = parent or prompt_default()
        return {
            "prompt": parent.prompt_id,
            "parent": parent.pk,
            "system_text": parent.system_text,
            "user_text": parent.user_text,
        }

    def save_model(self, request: HttpRequest, obj: PromptVersion, form: Any, change: bool) -> None:
        made = prompt_version_create(
            prompt=obj.prompt,
            system_text=obj.system_text,
            user_text=obj.user_text,
            note=obj.note,
            author=cast(User, request.user),
            parent=obj.parent,
        )
        obj.pk, obj.number = made.pk, made.number

    @action(
        description="New version from this one",
        permissions=["add"],
        icon="add",
    )
    def new_version(self, request: HttpRequest, object_id: int) -> HttpResponse:
        address = reverse("admin:analysis_promptversion_add")
        return redirect(f"{address}?parent={int(object_id)}")

    @action(description="What is sent", permissions=["view"], icon="visibility")
    def what_is_sent(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The request for one example chart, word by word, with the picture itself."""
        version = get_object_or_404(PromptVersion.objects.select_related("prompt"), pk=object_id)
        context = self.admin_site.each_context(request) | {
            "title": f"What {version} sends",
            "opts": self.opts,
            "version": version,
        }
        try:
            context |= _sent(version, request.GET.get("profile", ""))
        except PromptInvalid as error:
            context["problem"] = str(error)
        return TemplateResponse(request, "analysis/prompt_sent.html", context)


def _sent(version: PromptVersion, wanted: str) -> dict[str, Any]:
    """Everything the page shows; without a profile a model of the usual kind stands in."""
    profiles = list(AnalystProfile.objects.filter(kind=AnalystKind.OPENAI))
    chosen = next((each for each in profiles if str(each.pk) == wanted), None)
    profile = chosen or next(iter(profiles), AnalystProfile(kind=AnalystKind.OPENAI))
    sample = sample_of(version, profile)
    return {
        "profiles": profiles,
        "profile": profile,
        "sample": sample,
        "picture": base64.b64encode(sample.chart.png).decode(),
        "schema": json.dumps(ANSWER_SCHEMA, indent=2),
        "most": most_cost(profile, sample.prompt.tokens),
    }


@admin.register(AnalystProfile)
class AnalystProfileAdmin(KeptAdmin):
    """Models are added here; the rules of code come by themselves and have no settings."""

    form = ModelProfileForm
    list_display = ("name", "kind", "model", "version", "is_active", "health_now")
    list_filter = ("kind", "is_active")
    list_select_related = ("health",)

    def get_form(
        self,
        request: HttpRequest,
        obj: AnalystProfile | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        if obj is not None and not obj.asks_a_model:
            kwargs["form"] = ModelForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: AnalystProfile | None = None) -> Any:
        if obj is None:
            return (NAME_FIELDS, ("Model", {"fields": SERVER_FIELDS}), *MODEL_FIELDS)
        if not obj.asks_a_model:
            return ((None, {"fields": ("name", "kind", "is_active", "created_at")}),)
        server = KEYED_SERVER_FIELDS if obj.api_key_sealed else SERVER_FIELDS
        return (STATE_FIELDS, NAME_FIELDS, ("Model", {"fields": server}), *MODEL_FIELDS)

    def get_readonly_fields(
        self, request: HttpRequest, obj: AnalystProfile | None = None
    ) -> tuple[str, ...]:
        return ("kind", "version", "created_at", "key_now", "can_ask", "grade_now", "health_now")

    def save_model(
        self, request: HttpRequest, obj: AnalystProfile, form: Any, change: bool
    ) -> None:
        """Store the profile and its key, and say what still keeps it from asking."""
        if not change:
            obj.kind = AnalystKind.OPENAI
        elif ANSWER_FIELDS & set(form.changed_data):
            obj.version += 1
        super().save_model(request, obj, form, change)
        if obj.asks_a_model:
            self._store_key(request, obj, form.cleaned_data)
            problem = profile_problem(obj)
            if problem:
                messages.warning(request, f"Saved, but it can't ask yet: {problem}")

    def _store_key(
        self, request: HttpRequest, profile: AnalystProfile, given: dict[str, Any]
    ) -> None:
        if not (given["api_key"] or given["remove_api_key"]):
            return
        try:
            api_key_set(profile, given["api_key"])
        except SecretsUnreadable as error:
            messages.error(request, f"The key was not stored: {error}")

    @admin.display(description="API key")
    def key_now(self, profile: AnalystProfile) -> str:
        return key_shown(profile)

    @admin.display(description="Can it ask?")
    def can_ask(self, profile: AnalystProfile) -> str:
        return profile_problem(profile) or "Yes."

    @admin.display(description="Grade")
    def grade_now(self, profile: AnalystProfile) -> str:
        """Of the prompt that was examined last, as everything else is now."""
        exam = EyeTest.objects.filter(profile=profile).select_related("prompt_version__prompt")
        newest = exam.first()
        if newest is None:
            return "None: no eye test yet, so it may trade on paper only."
        grade = grade_of(profile, newest.prompt_version)
        return f"{grade.label}, with {newest.prompt_version}"

    @admin.display(description="Health")
    def health_now(self, profile: AnalystProfile) -> str:
        health = getattr(profile, "health", None)
        if health is None:
            return "not asked yet" if profile.asks_a_model else "-"
        state = HealthState(health.state).label
        return f"{state}: {health.reason}" if health.reason else state


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
