"""The overview and its parts, which are fetched again when they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.live import (
    mode_words,
    reading_of,
    shell_values,
    trade_values,
    values_of,
    versions_of,
)
from dashboard.selectors.approvals import approvals_waiting, left
from dashboard.selectors.commands import by_target, commands_shown
from dashboard.selectors.cycles import cycles_newest
from dashboard.selectors.decisions import decision_latest
from dashboard.selectors.engine import engine_read
from dashboard.selectors.equity import equity_line
from dashboard.selectors.events import alerts
from dashboard.selectors.funnel import funnel_query, funnel_shown
from dashboard.selectors.market import market_read, market_runs
from dashboard.selectors.positions import position_rows, trades_live, value_all
from dashboard.views.shell import account_of, account_shown, page
from exchange.models import ExchangeAccount

Context = dict[str, Any]


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Is it real money, is it working, what can I lose now, what did it just do and why."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "overview"})
    reading = reading_of(account)
    context = {
        "section": "overview",
        "live": values_of(reading),
        "versions": versions_of(reading),
        "limits": reading.money.limits,
        "approvals": reading.approvals,
        "positions": position_rows(reading.valued, by_target(reading.commands)),
        "runs": market_runs(account),
        "decision": decision_latest(account),
        "alerts": alerts(account),
        "cycles": cycles_newest(account),
        "funnel": funnel_shown(funnel_query(account, reading.market.now)),
        "equity": equity_line(account, reading.market.now),
        "can_pull_plug": account.uses_paper_ledger and market_runs(account),
    }
    return page(request, "dashboard/overview.html", context, reading=reading)


def _header(account: ExchangeAccount) -> Context:
    market = market_read(account)
    engine = engine_read(account, market, timezone.now())
    shell = {"account": account, "engine": engine, "mode_words": mode_words(account, market)}
    return {"shell": shell, "live": shell_values(account, market, engine)}


def _positions(account: ExchangeAccount) -> Context:
    trades = trades_live(account)
    market = market_read(account, (trade.symbol for trade in trades))
    valued = value_all(trades, market.last)
    live: dict[str, str] = {}
    for item in valued:
        live |= trade_values(item, market.now)
    rows = position_rows(valued, by_target(commands_shown(account)))
    return {"positions": rows, "runs": market_runs(account), "live": live}


def _approvals(account: ExchangeAccount) -> Context:
    rows, now = approvals_waiting(account), timezone.now()
    return {"approvals": rows, "live": {f"left:{row.id}": left(row, now) for row in rows}}


def _funnel(account: ExchangeAccount) -> Context:
    return {"funnel": funnel_shown(funnel_query(account, market_read(account).now))}


FRAGMENTS: dict[str, Callable[[ExchangeAccount], Context]] = {
    "header": _header,
    "positions": _positions,
    "approvals": _approvals,
    "decision": lambda account: {"decision": decision_latest(account)},
    "alerts": lambda account: {"alerts": alerts(account)},
    "cycles": lambda account: {"cycles": cycles_newest(account)},
    "funnel": _funnel,
    "equity": lambda account: {"equity": equity_line(account, market_read(account).now)},
}


@require_safe
def fragment(request: HttpRequest, name: str) -> HttpResponse:
    """One part of a page, rendered by the same partial as the whole page."""
    account = account_shown(request)
    if account is None or name not in FRAGMENTS:
        raise Http404
    context: Context = {"shell": {"account": account}} | FRAGMENTS[name](account)
    return render(request, f"dashboard/_{name}.html", context)
