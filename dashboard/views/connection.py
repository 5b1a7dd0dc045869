"""How an account's connection to Bybit stands, and what can be done about it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms import KeyForm
from dashboard.selectors.connection import connection_read
from dashboard.views.connect import for_administrators
from dashboard.views.shell import account_of, actor_of, is_htmx, page
from exchange.models import ExchangeAccount
from trading import connection
from trading.accounts import LIVE_PRICE_MODES
from trading.connection import ModeFix
from trading.errors import ActionRefused


@require_safe
def connection_page(request: HttpRequest) -> HttpResponse:
    """Facts about key and account, the state of each link, and the last examination."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "connection"})
    context = {
        "section": "connection",
        "connection": connection_read(account, timezone.now()),
        "form": KeyForm(),
        "may_change": actor_of(request).is_staff,
    }
    if is_htmx(request):
        return render(request, "dashboard/connect/_links.html", context)
    return page(request, "dashboard/connect/connection.html", context)


@never_cache
@require_POST
@for_administrators
def connection_examine(request: HttpRequest) -> HttpResponse:
    """Ask Bybit again."""
    account = _live_account(request)
    try:
        looked = connection.account_examine(account)
    except ActionRefused as error:
        messages.error(request, str(error))
    else:
        count = len(looked.problems)
        if count:
            word = "problem" if count == 1 else "problems"
            messages.error(request, f"Examined: {count} {word}, each with what to do below.")
        else:
            messages.success(request, "Examined: no problem.")
    return redirect("connection")


@never_cache
@require_POST
@for_administrators
def connection_fix(request: HttpRequest, fix: str) -> HttpResponse:
    """Set isolated margin or one-way mode while the account is flat, then examine again."""
    if fix not in list(ModeFix):
        raise Http404
    account = _live_account(request)
    try:
        connection.mode_fix(account=account, fix=ModeFix(fix), actor=actor_of(request))
        connection.account_examine(account)
    except ActionRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{connection.FIXED[ModeFix(fix)].capitalize()}.")
    return redirect("connection")


@never_cache
@sensitive_post_parameters("api_secret")
@require_POST
@for_administrators
def connection_key(request: HttpRequest) -> HttpResponse:
    """Replace the key by another one of the same Bybit account."""
    account = _live_account(request)
    form = KeyForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Enter the new key and its secret.")
        return redirect("connection")
    try:
        connection.key_replace(account=account, actor=actor_of(request), **form.cleaned_data)
    except ActionRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The key was replaced.")
    return redirect("connection")


def _live_account(request: HttpRequest) -> ExchangeAccount:
    account = account_of(request)
    if account is None or account.mode not in LIVE_PRICE_MODES:
        raise Http404
    return account
