"""Bots, events, approvals, the plug, and which account is shown."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import format as fmt
from dashboard.selectors.approvals import approval_lives
from dashboard.selectors.bot_results import bot_results
from dashboard.selectors.bots import bot_list
from dashboard.selectors.commands import UNFINISHED
from dashboard.selectors.events import event_list, plug_result
from dashboard.selectors.market import market_runs
from dashboard.views.paging import before_of, next_url
from dashboard.views.shell import SESSION_KEY, account_of, actor_of, is_htmx, page, refused
from exchange.models import ExchangeAccount
from trading import services
from trading.choices import BotState, CommandKind, CommandState, EventLevel
from trading.errors import ActionRefused
from trading.execution.commands import PLUG_WAIT_S
from trading.models import Approval, Bot, Command, Event


@require_safe
def bots(request: HttpRequest) -> HttpResponse:
    """Bots of the account with their state."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "bots"})
    results, whole = bot_results(account)
    context = {
        "section": "bots",
        "bots": [(bot, results.get(bot.id)) for bot in bot_list(account, timezone.now())],
        "whole": whole,
        "runs": market_runs(account),
        "approval_lives": approval_lives(account),
    }
    return page(request, "dashboard/bots.html", context)


@require_POST
def bot_state(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Start or pause a bot."""
    bot = get_object_or_404(Bot.objects.select_related("account"), pk=bot_id)
    wanted = request.POST.get("state", "")
    if wanted not in (BotState.RUNNING, BotState.PAUSED):
        raise Http404
    try:
        services.bot_set_state(bot=bot, state=BotState(wanted), actor=actor_of(request))
    except ActionRefused as error:
        return refused(request, error, "bots")
    messages.success(request, f"{bot}: {BotState(wanted).label.lower()}.")
    return redirect("bots")


@require_POST
def bot_cost(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Agree to what a bot's model is expected to cost."""
    bot = get_object_or_404(Bot.objects.select_related("account"), pk=bot_id)
    try:
        services.ai_cost_accept(bot=bot, actor=actor_of(request))
    except ActionRefused as error:
        return refused(request, error, "bots")
    messages.success(request, f"{bot}: its AI cost is agreed to.")
    return redirect("bots")


@require_safe
def events(request: HttpRequest) -> HttpResponse:
    """What happened on the account, newest first."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "events"})
    level = request.GET.get("level", "")
    found = event_list(account, level, before_of(request))
    context = {
        "section": "events",
        "events": found.rows,
        "next_url": next_url(request, found.before),
        "level": level,
        "levels": EventLevel.choices(),
    }
    return page(request, "dashboard/events.html", context)


@require_POST
def approval(request: HttpRequest, approval_id: int) -> HttpResponse:
    """Approve or refuse the payload that was shown; the first answer wins."""
    row = get_object_or_404(Approval.objects.select_related("signal"), pk=approval_id)
    answer = request.POST.get("answer", "")
    if answer not in ("approve", "refuse"):
        raise Http404
    # The answer counts for what the form showed, not for what the row may say by now.
    row.payload_hash = request.POST.get("payload_hash", "")
    try:
        decided = services.approval_decide(
            approval=row, approve=answer == "approve", actor=actor_of(request), channel="console"
        )
    except ActionRefused as error:
        return refused(request, error, "overview")
    text = f"{decided.signal.symbol}: {answer}d."
    if is_htmx(request):
        return render(request, "dashboard/_notice.html", {"text": text}, status=202)
    messages.success(request, text)
    return redirect("overview")


@require_http_methods(["GET", "HEAD", "POST"])
def plug(request: HttpRequest) -> HttpResponse:
    """Kill the trader in mid-order on a market without real money, and show what came of it."""
    account = account_of(request)
    if account is None or not account.uses_paper_ledger:
        raise Http404
    if request.method == "POST":
        try:
            event_id = services.plug_pull(account=account, actor=actor_of(request))
        except ActionRefused as error:
            return refused(request, error, "plug")
        return redirect(f"{request.path}?event={event_id}")
    context = _plug_stage(account, request.GET.get("event", ""))
    context |= {"section": "overview", "address": request.get_full_path()}
    if is_htmx(request):
        return render(request, "dashboard/_plug.html", context)
    return page(request, "dashboard/plug.html", context)


def _plug_stage(account: ExchangeAccount, pulled: str) -> dict[str, Any]:
    """How far the plug pulled after event ``pulled`` came; empty takes the newest one."""
    after = int(pulled) if pulled.isdecimal() and len(pulled) < 19 else None
    result = plug_result(account, after)
    newest = Command.objects.filter(account=account, kind=CommandKind.PLUG).first()
    waiting = newest is not None and newest.state in UNFINISHED
    if after is not None and result is not None:
        waiting = False
    died_at = newest.payload.get("died_at") if newest else None
    failed = newest is not None and newest.state in (CommandState.REFUSED, CommandState.FAILED)
    return {
        "waiting": waiting,
        "died_at": fmt.clock_time(datetime.fromisoformat(died_at)) if died_at else "",
        "most_s": int(PLUG_WAIT_S),
        "refusal": newest.answer if newest and failed else "",
        "result": None if waiting or result is None else _plug_words(result),
        "runs": market_runs(account),
    }


def _plug_words(event: Event) -> dict[str, Any]:
    data = event.data
    return {
        "recovered": f"{fmt.number(data.get('recovered_s'), 2)} s",
        "duplicates": data.get("duplicate_orders", fmt.UNKNOWN),
        "naked": fmt.duration_ms(data.get("longest_naked_ms")),
        "ledgers_agree": bool(data.get("ledgers_agree")),
        "in_flight": data.get("in_flight", "nothing"),
        "text": event.text,
        "told_at": fmt.day_and_time(event.created_at),
    }


@require_POST
def account_switch(request: HttpRequest) -> HttpResponse:
    """Look at another account from now on."""
    with contextlib.suppress(ValueError):
        request.session[SESSION_KEY] = int(request.POST.get("account", ""))
    return redirect("overview")
