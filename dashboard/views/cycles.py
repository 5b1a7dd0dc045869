"""Cycles: list, one in full, and "run now"."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from dashboard.selectors.bots import bot_choices
from dashboard.selectors.cycles import cycle_get, cycle_list, cycle_states
from dashboard.selectors.readings import reading_of
from dashboard.views.paging import before_of, next_url
from dashboard.views.shell import account_of, actor_of, is_htmx, page, refused
from trading import services
from trading.errors import ActionRefused
from trading.models import Bot


@require_safe
def cycles(request: HttpRequest) -> HttpResponse:
    """Cycles of the account by bot, state and the rule that ended them."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "cycles"})
    given = {name: request.GET.get(name, "") for name in ("bot", "state", "rule")}
    found = cycle_list(account, **given, before=before_of(request))
    context = {
        "section": "cycles",
        "cycles": found.rows,
        "next_url": next_url(request, found.before),
        "given": given,
        "bots": bot_choices(account),
        "states": cycle_states(),
    }
    return page(request, "dashboard/cycles.html", context)


@require_safe
def cycle(request: HttpRequest, cycle_id: int) -> HttpResponse:
    """One cycle with everything each symbol's decision rests on."""
    found = cycle_get(cycle_id)
    if found is None:
        raise Http404
    wanted = request.GET.get("symbol", "")
    chosen = next((d for d in found.decisions if d.symbol == wanted), None)
    best = chosen or next((d for d in found.decisions if d.accepted), None)
    shown = best or next(iter(found.decisions), None)
    context = {
        "section": "cycles",
        "cycle": found,
        "chosen": shown,
        "reading": reading_of(shown.analysis_id if shown else None),
        "address": request.get_full_path(),
    }
    if is_htmx(request):
        return render(request, "dashboard/_cycle.html", context)
    return page(request, "dashboard/cycle.html", context, account=found.account)


@require_POST
def run_now(request: HttpRequest, bot_id: int) -> HttpResponse:
    """Ask for a cycle now; on a boundary that ran already it only observes."""
    bot = get_object_or_404(Bot.objects.select_related("account"), pk=bot_id)
    try:
        asked = services.cycle_request(bot=bot, actor=actor_of(request))
    except ActionRefused as error:
        return refused(request, error, "cycles")
    messages.success(request, f"Cycle of {bot} requested.")
    return redirect("cycle", asked.pk)
