"""What each rule, and each person's no, saved or cost."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.selectors.counterfactuals import counterfactual_page, counterfactuals_shown
from dashboard.views.paging import before_of, next_url
from dashboard.views.shell import account_of, page


@require_safe
def counterfactuals(request: HttpRequest) -> HttpResponse:
    """Tables by rule and by person, and the signals behind them."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "funnel"})
    found = counterfactual_page(account, before_of(request))
    context = {
        "section": "funnel",
        "outcomes": counterfactuals_shown(account),
        "signals": found.rows,
        "next_url": next_url(request, found.before),
    }
    return page(request, "dashboard/counterfactuals.html", context)
