"""Bots, events, approvals, the kill switch, the plug, and which account is shown."""

from __future__ import annotations

import contextlib
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import format as fmt
from dashboard.selectors.bots import bot_list
from dashboard.selectors.events import event_list, plug_result
from dashboard.views.paging import before_of, next_url
from dashboard.views.shell import SESSION_KEY, account_of, actor_of, is_htmx, page, refused
from trading import services
from trading.choices import BotState, EventLevel, TradingStateName
from trading.errors import ActionRefused
from trading.models import Approval, Bot, Event, TradingState


@require_safe
def bots(request: HttpRequest) -> HttpResponse:
    """Bots of the account with their state."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "bots"})
    return page(request, "dashboard/bots.html", {"section": "bots", "bots": bot_list(account)})


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
def kill(request: HttpRequest) -> HttpResponse:
    """Stop entries, or arm again: a plain form that needs no script."""
    account = account_of(request)
    if request.method == "POST":
        return _kill_set(request)
    rows = TradingState.objects.select_related("account", "actor")
    context = {
        "section": "kill",
        "everything": rows.filter(account=None).first(),
        "own": rows.filter(account=account).first() if account else None,
        "states": list(TradingStateName),
    }
    return page(request, "dashboard/kill.html", context)


def _kill_set(request: HttpRequest) -> HttpResponse:
    state = request.POST.get("state", "")
    if state not in list(TradingStateName):
        raise Http404
    everything = request.POST.get("scope") == "everything"
    try:
        services.trading_state_set(
            account=None if everything else account_of(request),
            state=TradingStateName(state),
            actor=actor_of(request),
            reason=request.POST.get("reason", ""),
        )
    except ActionRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Trading state: {TradingStateName(state).label}.")
    return redirect("kill")


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
    pulled = request.GET.get("event", "")
    result = plug_result(account, int(pulled)) if pulled.isdecimal() else None
    context = {
        "section": "overview",
        "waiting": bool(pulled) and result is None,
        "result": _plug_words(result) if result else None,
        "address": request.get_full_path(),
    }
    if is_htmx(request):
        return render(request, "dashboard/_plug.html", context)
    return page(request, "dashboard/plug.html", context)


def _plug_words(event: Event) -> dict[str, Any]:
    data = event.data
    return {
        "recovered": f"{fmt.number(data.get('recovered_s'), 2)} s",
        "duplicates": data.get("duplicate_orders", fmt.UNKNOWN),
        "naked": fmt.duration_ms(data.get("longest_naked_ms")),
        "ledgers_agree": bool(data.get("ledgers_agree")),
        "in_flight": data.get("in_flight", ""),
        "text": event.text,
    }


@require_POST
def account_switch(request: HttpRequest) -> HttpResponse:
    """Look at another account from now on."""
    with contextlib.suppress(ValueError):
        request.session[SESSION_KEY] = int(request.POST.get("account", ""))
    return redirect("overview")
