"""Trades: list, one in full, and the wishes an operator may send about it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.live import positions_version, trade_values
from dashboard.selectors.commands import command_note, commands_shown
from dashboard.selectors.market import market_read
from dashboard.selectors.positions import trades_live, value_all
from dashboard.selectors.trades import symbols_traded, trade_get, trade_list, trade_states
from dashboard.views.paging import before_of, next_url
from dashboard.views.shell import account_of, actor_of, is_htmx, page, refused
from exchange.models import ExchangeAccount
from trading import services
from trading.choices import CommandKind
from trading.errors import ActionRefused
from trading.models import Command, Trade

WISHES = {
    "close": CommandKind.CLOSE,
    "cancel": CommandKind.CANCEL,
    "release": CommandKind.RELEASE,
}


@require_safe
def trades(request: HttpRequest) -> HttpResponse:
    """Trades of the account by state and symbol."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "trades"})
    given = {name: request.GET.get(name, "") for name in ("state", "symbol")}
    found = trade_list(account, **given, before=before_of(request))
    context = {
        "section": "trades",
        "trades": found.rows,
        "next_url": next_url(request, found.before),
        "given": given,
        "states": trade_states(),
        "symbols": symbols_traded(account),
    } | _ticking(account)
    return page(request, "dashboard/trades.html", context)


@require_safe
def trade(request: HttpRequest, trade_id: int) -> HttpResponse:
    """The whole trade on one page; the same address gives its body to htmx."""
    found = trade_get(trade_id)
    if found is None:
        raise Http404
    context: dict[str, Any] = {"section": "trades", "trade": found}
    if found.row.live:
        context |= _ticking(found.account)
    if is_htmx(request):
        return render(request, "dashboard/_trade.html", context)
    return page(request, "dashboard/trade.html", context, account=found.account)


def _ticking(account: ExchangeAccount) -> dict[str, Any]:
    """Figures of the account's live trades, and the version of what is shown about them."""
    rows = trades_live(account)
    market = market_read(account, (row.symbol for row in rows))
    valued = value_all(rows, market.last)
    live: dict[str, str] = {}
    for item in valued:
        live |= trade_values(item, market.now)
    versions = positions_version(account, valued, commands_shown(account))
    return {"live": live, "versions": versions, "account_id": account.pk}


@require_POST
def wish(request: HttpRequest, trade_id: int, kind: str) -> HttpResponse:
    """Leave a command about a trade; the trader answers it."""
    if kind not in WISHES:
        raise Http404
    row = get_object_or_404(Trade.objects.select_related("account"), pk=trade_id)
    version = request.POST.get("expected_version", "")
    try:
        command = services.command_request(
            account=row.account,
            kind=WISHES[kind],
            target=row.pk,
            expected_version=int(version) if version.isdecimal() else row.version,
            idempotency_key=request.POST.get("idempotency_key", ""),
            actor=actor_of(request),
            reason=request.POST.get("reason", ""),
        )
    except ActionRefused as error:
        return refused(request, error, reverse("trade", args=[row.pk]))
    if is_htmx(request):
        note = command_note(command)
        return render(request, "dashboard/_command.html", {"command": note}, status=202)
    messages.success(request, f"{WISHES[kind].label}: requested.")
    return redirect("trade", row.pk)


@require_safe
def command(request: HttpRequest, command_id: int) -> HttpResponse:
    """A command's state, asked again by the page until it is final."""
    note = command_note(get_object_or_404(Command, pk=command_id))
    return render(request, "dashboard/_command.html", {"command": note})
