"""What trading came to."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.selectors.market import market_read
from dashboard.selectors.performance import choices_read, given_of, performance_read
from dashboard.views.shell import account_of, page

REAL_TIME = 1


@require_safe
def performance(request: HttpRequest) -> HttpResponse:
    """Figures of the session's account; the filters are in the address."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "performance"})
    market = market_read(account)
    choices = choices_read(account)
    given = given_of(request.GET, choices)
    found = performance_read(
        account, given, market.now or timezone.now(), real_time=market.speed == REAL_TIME
    )
    context = {"section": "performance", "found": found, "given": given, "choices": choices}
    return page(request, "dashboard/performance.html", context)
