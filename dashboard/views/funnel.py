"""Why no trade: the funnel, and the decisions behind each of its counts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.selectors.bots import bot_choices
from dashboard.selectors.funnel import (
    SPAN_CHOICES,
    funnel_page,
    funnel_query,
    funnel_shown,
    symbol_choices,
    timeframe_choices,
)
from dashboard.selectors.market import market_read
from dashboard.views.paging import before_of, next_url
from dashboard.views.shell import account_of, page
from trading.funnel import stage_label

FILTERS = ("span", "bot", "symbol", "timeframe")


@require_safe
def funnel(request: HttpRequest) -> HttpResponse:
    """Counts of what decisions ended at, and the newest of the chosen ones."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "funnel"})
    given = {name: request.GET.get(name, "") for name in FILTERS}
    given["span"] = given["span"] or "day"
    stage = request.GET.get("stage", "")
    query = funnel_query(account, market_read(account).now, **given)
    found = funnel_page(query, stage, before_of(request))
    kept = request.GET.copy()
    for name in ("stage", "before"):
        kept.pop(name, None)
    context = {
        "section": "funnel",
        "funnel": funnel_shown(query),
        "signals": found.rows,
        "next_url": next_url(request, found.before),
        "given": given,
        "stage": stage,
        "stage_words": stage_label(stage) if stage else "",
        "kept": f"{kept.urlencode()}&" if kept else "",
        "spans": SPAN_CHOICES,
        "bots": bot_choices(account),
        "symbols": symbol_choices(account),
        "timeframes": timeframe_choices(account),
    }
    return page(request, "dashboard/funnel.html", context)
