"""The books: what a period came to, how it agrees with the wallet, and all of it as a file."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from dashboard.selectors.accounting import Choice, books_read, choose, shortcuts
from dashboard.selectors.market import market_read
from dashboard.views.shell import account_of, actor_of, page, refused
from exchange.models import ExchangeAccount
from trading import services
from trading.accounting_export import export_chunks, export_name, export_rows
from trading.choices import CommandKind
from trading.errors import ActionRefused


@require_safe
def accounting(request: HttpRequest) -> HttpResponse:
    """One account's books over a period."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "accounting"})
    today = _today(account)
    choice = _choice(request, today)
    if choice.problem:
        messages.error(request, choice.problem)
    context: dict[str, Any] = {
        "section": "accounting",
        "choice": choice,
        "shortcuts": shortcuts(account, choice, today),
        "books": books_read(account, choice),
        "period": urlencode({"from": choice.first, "to": choice.last}),
        "account": account,
    }
    return page(request, "dashboard/accounting.html", context)


def _today(account: ExchangeAccount) -> date:
    """Today in market time; by the wall where the market can't tell."""
    now = market_read(account).now
    return (now or timezone.now()).date()


def _choice(request: HttpRequest, today: date) -> Choice:
    return choose(request.GET.get("from", ""), request.GET.get("to", ""), today)


@require_safe
def ledger_file(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The period's executions, fees, funding and transfers as CSV, sent while it is written."""
    account = account_of(request)
    if account is None:
        raise Http404
    choice = _choice(request, _today(account))
    chunks = (
        chunk.encode() for chunk in export_chunks(export_rows(account, choice.start, choice.end))
    )
    body = _fetched(chunks) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(body, content_type="text/csv; charset=utf-8")
    name = export_name(account, choice.start, choice.end)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


async def _fetched(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks without holding up the event loop: they come from the database."""
    take = sync_to_async(lambda: next(chunks, None), thread_sensitive=True)
    while (chunk := await take()) is not None:
        yield chunk


@require_POST
def wallet_compare(request: HttpRequest) -> HttpResponse:
    """Ask the trader to compare the newest days with the exchange's log again."""
    account = account_of(request)
    if account is None:
        raise Http404
    try:
        services.command_request(
            account=account,
            kind=CommandKind.RECONCILE,
            payload={"wallet": True},
            idempotency_key=request.POST.get("idempotency_key") or uuid.uuid4().hex,
            actor=actor_of(request),
        )
    except ActionRefused as error:
        return refused(request, error, "accounting")
    messages.success(request, "The trader compares the newest days; look again in a moment.")
    return redirect("accounting")
