"""The exit rules of a bot: what they are, what others would have done, and changing them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods

from dashboard.exit_picture import exit_picture
from dashboard.forms_exits import ExitForm
from dashboard.selectors.exits import open_rows, past_table, rule_rows
from dashboard.views.shell import actor_of, page
from trading.domain.exits import ExitSettings, ExitSettingsInvalid
from trading.errors import ActionRefused
from trading.exit_changes import exits_apply, exits_default, exits_of, exits_update
from trading.models import Bot

ACTIONS = ("preview", "save", "apply")


@require_http_methods(["GET", "HEAD", "POST"])
def exits(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Show the rules; a POST previews others, saves them for the next trades, or asks the trader
    to give them to open ones."""
    bot = get_object_or_404(Bot.objects.select_related("account"), pk=bot_id)
    default = exits_default(bot)
    try:
        current, broken = exits_of(bot), ""
    except ExitSettingsInvalid as exc:
        current, broken = default, f"The stored exit rules can't be read ({exc}); save new ones."
    if request.method != "POST":
        return _show(request, bot, ExitForm(base=current), current, default, problem=broken)
    form = ExitForm(request.POST, base=current)
    action = request.POST.get("action", "preview")
    if not form.is_valid() or action not in ACTIONS:
        return _show(request, bot, form, current, default, problem=broken, status=422)
    wanted: ExitSettings = form.cleaned_data["settings"]
    try:
        if action == "save":
            exits_update(bot=bot, settings=wanted, actor=actor_of(request))
            messages.success(request, f"{bot}: saved for the trades it enters from now on.")
            return redirect("bot_exits", bot.pk)
        if action == "apply":
            count = _apply(request, bot, wanted)
            trades = "1 open trade" if count == 1 else f"{count} open trades"
            messages.success(request, f"Asked the trader to change the rules of {trades}.")
            return redirect("bot_exits", bot.pk)
    except ActionRefused as error:
        form.add_error(None, f"{str(error)[:1].upper()}{str(error)[1:].rstrip('.')}.")
    return _show(request, bot, form, current, default, wanted=wanted)


def _apply(request: HttpRequest, bot: Bot, wanted: ExitSettings) -> int:
    """Only what was shown is applied: the same settings, to trades as they were looked at."""
    if request.POST.get("previewed") != _signature(wanted):
        raise ActionRefused("the rules were changed since you looked; look at what they do first")
    try:
        seen = dict(_seen(text) for text in request.POST.getlist("seen"))
    except ValueError as exc:
        raise ActionRefused("choose the trades to change") from exc
    key = request.POST.get("idempotency_key", "")[:40]
    return len(exits_apply(bot=bot, settings=wanted, seen=seen, key=key, actor=actor_of(request)))


def _seen(text: str) -> tuple[int, int]:
    trade_id, _, version = text.partition(":")
    return int(trade_id), int(version)


def _signature(settings: ExitSettings) -> str:
    return "|".join(f"{name}={value}" for name, value in settings.as_json().items())


def _show(
    request: HttpRequest,
    bot: Bot,
    form: ExitForm,
    current: ExitSettings,
    default: ExitSettings,
    *,
    wanted: ExitSettings | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "section": "bots",
        "bot": bot,
        "form": form,
        "rules": rule_rows(form, current, default),
        "picture": exit_picture(wanted or current),
        "previewed": _signature(wanted) if wanted else "",
        "problem": problem,
    }
    if wanted is not None:
        context["open_rows"], context["open_problem"] = open_rows(bot, wanted)
        context["past"], context["past_problem"] = past_table(bot, wanted)
    return page(
        request, "dashboard/exits.html", context, account=bot.account, status=_status(form, status)
    )


def _status(form: ExitForm, status: int) -> int:
    return 422 if form.errors else status
