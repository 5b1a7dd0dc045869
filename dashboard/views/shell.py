"""What every page has around it: account, mode, engine, figures of the header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from dashboard.live import Reading, header_version, mode_words, shell_values
from dashboard.selectors.accounts import account_choose, account_list, bar_mode
from dashboard.selectors.engine import Engine, engine_read
from dashboard.selectors.market import MarketReading, market_read
from exchange.models import ExchangeAccount
from trading.errors import ActionRefused

SESSION_KEY = "account"


@dataclass(frozen=True, slots=True)
class Shell:
    """Header and frame of a page. ``bar`` is the mode that colours the line
    above the page."""

    accounts: list[ExchangeAccount]
    account: ExchangeAccount | None
    mode_words: str
    bar: str
    engine: Engine | None


def account_of(request: HttpRequest) -> ExchangeAccount | None:
    """The account this session looks at."""
    return account_choose(list(account_list()), request.session.get(SESSION_KEY))


def account_shown(request: HttpRequest) -> ExchangeAccount | None:
    """The account of the page that asks for a part of itself. Pages of an object, and pages from
    before the session turned to another account, show another one than the session's."""
    wanted = request.GET.get("account")
    if wanted is None:
        return account_of(request)
    return next((account for account in account_list() if str(account.pk) == wanted), None)


def actor_of(request: HttpRequest) -> User:
    """Who asks. Every page needs a login, so an anonymous visitor never gets here."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def is_htmx(request: HttpRequest) -> bool:
    """Whether a part of a page was asked for instead of a whole one."""
    return bool(getattr(request, "htmx", False))


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    account: ExchangeAccount | None = None,
    reading: Reading | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render a full page under the header of ``account``: whose object the page shows, else the
    session's. ``reading`` spares reading the account a second time."""
    accounts = list(account_list())
    if reading is not None:
        account = reading.account
    elif account is not None:
        account = _listed(accounts, account)
    else:
        account = account_choose(accounts, request.session.get(SESSION_KEY))
    live: dict[str, str] = {}
    versions: dict[str, str] = {}
    engine, market = None, MarketReading()
    if account is not None:
        market = reading.market if reading else market_read(account)
        engine = reading.engine if reading else engine_read(account, market, timezone.now())
        live = shell_values(account, market, engine)
        versions = header_version(account, engine)
    shell = Shell(
        accounts=accounts,
        account=account,
        mode_words=mode_words(account, market) if account else "no account",
        bar=bar_mode(accounts, account),
        engine=engine,
    )
    given = context or {}
    given["live"] = live | given.get("live", {})
    given["versions"] = versions | given.get("versions", {})
    return render(request, template, {"shell": shell, "section": "", **given}, status=status)


def _listed(accounts: list[ExchangeAccount], account: ExchangeAccount) -> ExchangeAccount:
    """``account`` as it stands in ``accounts``; one that is not active is added, so that the
    selector names the account whose header is shown."""
    known = next((each for each in accounts if each.pk == account.pk), None)
    if known is None:
        accounts.append(account)
    return known or account


def refused(request: HttpRequest, error: ActionRefused, fallback: str) -> HttpResponse:
    """Show a refusal in place (htmx) or on the page the wish came from."""
    if is_htmx(request):
        return render(request, "dashboard/_refused.html", {"text": str(error)}, status=422)
    messages.error(request, str(error))
    return redirect(back_to(request, fallback))


def back_to(request: HttpRequest, fallback: str) -> str:
    """The page of ours a form was on, else ``fallback``."""
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, {request.get_host()}):
        parts = urlsplit(referer)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path
    return fallback if fallback.startswith("/") else reverse(fallback)
