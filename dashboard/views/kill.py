"""The kill switch: a plain form that needs no script, and what it waits for."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from dashboard.selectors import kill as selectors
from dashboard.views.shell import account_of, actor_of, is_htmx, page
from exchange.models import ExchangeAccount
from trading.choices import KillLevel
from trading.errors import ActionRefused
from trading.kill import kill_press
from trading.rearming import rearm


@require_http_methods(["GET", "HEAD", "POST"])
def kill(request: HttpRequest) -> HttpResponse:
    """Stop trading, watch it stop, arm it again in two steps."""
    if request.method == "POST":
        return _act(request)
    account = account_of(request)
    now = timezone.now()
    runs = selectors.runs_newest(account, now)
    context: dict[str, Any] = {
        "section": "kill",
        "runs": runs,
        "waits": any(not card.done for card in runs),
        "scopes": selectors.scopes(account),
    }
    if is_htmx(request):
        return render(request, "dashboard/_kill_now.html", context)
    context |= {
        "levels": selectors.levels(),
        "history": selectors.runs_before(account, now),
        "may_drill": selectors.may_drill(account),
        "last_drill": selectors.last_drill(account, now) if account else None,
    }
    return page(request, "dashboard/kill.html", context)


def _act(request: HttpRequest) -> HttpResponse:
    actions = {"press": _press, "rearm": _rearm}
    act = actions.get(request.POST.get("action", ""))
    if act is None:
        raise Http404
    try:
        told = act(request, _scope(request))
    except ActionRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, told)
    return redirect("kill")


def _scope(request: HttpRequest) -> ExchangeAccount | None:
    scope = request.POST.get("scope", "")
    if scope not in ("everything", "account"):
        raise Http404
    if scope == "everything":
        return None
    account = account_of(request)
    if account is None:
        raise Http404
    return account


def _press(request: HttpRequest, account: ExchangeAccount | None) -> str:
    pressed_at = timezone.now()
    value = request.POST.get("level", "")
    if value not in {str(int(level)) for level in KillLevel}:
        raise Http404
    run = kill_press(
        account=account,
        level=KillLevel(int(value)),
        reason=request.POST.get("reason", ""),
        actor=actor_of(request),
        channel="console",
        drill=bool(request.POST.get("drill")),
        pressed_at=pressed_at,
    )
    return f"{run}. What it waits for is listed below."


def _rearm(request: HttpRequest, account: ExchangeAccount | None) -> str:
    row = rearm(
        account=account,
        actor=actor_of(request),
        reason=request.POST.get("reason", ""),
        seen=request.POST.get("seen", ""),
    )
    return f"{row.account.name if row.account else 'Everything'}: {row.get_state_display()}."
