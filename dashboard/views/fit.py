"""Which symbols an account can trade; a part of the Bots page that may take its time."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.selectors.fit import fit_shown
from dashboard.views.shell import account_shown, is_htmx, page


@require_safe
def fit(request: HttpRequest) -> HttpResponse:
    """Every symbol of every bot with what a typical stop leaves of its size."""
    account = account_shown(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "bots"})
    context = {"section": "bots", "fit": fit_shown(account)}
    if is_htmx(request):
        return render(request, "dashboard/_fit.html", context)
    return page(request, "dashboard/fit.html", context, account=account)
