"""Connecting an account: examine a key, mend what it lacks, make the account."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from analysis.services import profile_technical
from dashboard.forms import MODES, AccountForm, ApplicationForm
from dashboard.selectors.connection import finding_rows, finding_sum, has_problem
from dashboard.views.connect_draft import draft_drop, draft_keep, draft_read, draft_wish
from dashboard.views.shell import SESSION_KEY, actor_of, page
from exchange.choices import Mode, Region
from exchange.errors import ExchangeError
from exchange.models import ExchangeAccount
from trading import connection
from trading.accounts import default_autonomy
from trading.choices import Autonomy, RiskProfile
from trading.connection import Application, ModeFix
from trading.errors import ActionRefused
from trading.services import bot_create

View = Callable[..., HttpResponse]
DEFAULT_NAMES = {Mode.PAPER: "Paper", Mode.DEMO: "Bybit demo", Mode.TESTNET: "Bybit testnet"}


def for_administrators(view: View) -> View:
    """Keys are for those who may enter the admin."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not actor_of(request).is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@never_cache
@sensitive_post_parameters("api_secret")
@require_http_methods(["GET", "HEAD", "POST"])
@for_administrators
def connect(request: HttpRequest) -> HttpResponse:
    """The form, and below it what Bybit said about the last thing entered."""
    if request.method == "POST":
        return _examine(request)
    draft = draft_read(request)
    form = ApplicationForm(initial=_entered(draft))
    return page(request, "dashboard/connect/connect.html", _context(form, draft))


def _examine(request: HttpRequest) -> HttpResponse:
    form = ApplicationForm(request.POST)
    draft_drop(request)
    if not form.is_valid():
        return _again(request, form)
    given = form.cleaned_data
    wish = Application(
        name="",
        mode=Mode(given["mode"]),
        symbols=tuple(given["symbols"]),
        region=Region(given["region"]),
        profile=RiskProfile(given["profile"]),
        api_key=given["api_key"],
        api_secret=given["api_secret"],
    )
    try:
        looked = connection.application_examine(wish)
        draft_keep(request, actor_of(request), wish, looked.as_json())
    except (ActionRefused, ExchangeError) as error:
        form.add_error(None, str(error))
        return _again(request, form)
    return redirect(f"{reverse('connect')}#said")


def _again(request: HttpRequest, form: ApplicationForm) -> HttpResponse:
    return page(request, "dashboard/connect/connect.html", _context(form, None), status=422)


@never_cache
@require_POST
@for_administrators
def connect_fix(request: HttpRequest, fix: str) -> HttpResponse:
    """Set a mode of the Bybit account while it is flat, then examine again."""
    draft = draft_read(request)
    if fix not in list(ModeFix):
        raise Http404
    if draft is None:
        return _too_late(request)
    user = actor_of(request)
    try:
        wish = draft_wish(draft, user)
        connection.application_fix(wish, ModeFix(fix), actor=user)
        messages.success(request, f"{connection.FIXED[ModeFix(fix)].capitalize()}.")
        draft_keep(request, user, wish, connection.application_examine(wish).as_json())
    except (ActionRefused, ExchangeError) as error:
        messages.error(request, str(error))
    return redirect("connect")


@never_cache
@require_POST
@for_administrators
def connect_create(request: HttpRequest) -> HttpResponse:
    """Examine once more and make the account with its first bot, paused."""
    draft = draft_read(request)
    if draft is None:
        return _too_late(request)
    form = AccountForm(request.POST)
    if not form.is_valid():
        context = _context(ApplicationForm(initial=_entered(draft)), draft, form)
        return page(request, "dashboard/connect/connect.html", context, status=422)
    try:
        account = _create(request, draft, form.cleaned_data)
    except (ActionRefused, ExchangeError) as error:
        messages.error(request, str(error))
        return redirect("connect")
    draft_drop(request)
    request.session[SESSION_KEY] = account.pk
    messages.success(request, f"{account.name} is ready. Start its bot when you are.")
    return redirect("bots")


def _create(request: HttpRequest, draft: dict[str, Any], given: dict[str, Any]) -> ExchangeAccount:
    user = actor_of(request)
    wish = draft_wish(draft, user, name=given["name"])
    account = connection.account_connect(wish, actor=user)
    with transaction.atomic():
        bot_create(
            account=account,
            name=f"{account.name} trend"[:60],
            timeframe=given["timeframe"],
            symbols=wish.symbols,
            analyst_profile=profile_technical(),
            autonomy=Autonomy(given["autonomy"]),
        )
    return account


@never_cache
@require_POST
@for_administrators
def connect_forget(request: HttpRequest) -> HttpResponse:
    """Drop what was entered, the key with it."""
    draft_drop(request)
    return redirect("connect")


def _too_late(request: HttpRequest) -> HttpResponse:
    messages.error(request, "What was entered is forgotten after 15 minutes; enter it again.")
    return redirect("connect")


def _entered(draft: dict[str, Any] | None) -> dict[str, Any]:
    """What may be shown again of a draft: everything but the secret."""
    if draft is None:
        return {}
    kept = {name: draft[name] for name in ("mode", "region", "profile", "api_key")}
    return kept | {"symbols": ", ".join(draft["symbols"])}


def _context(
    form: ApplicationForm, draft: dict[str, Any] | None, naming: AccountForm | None = None
) -> dict[str, Any]:
    context: dict[str, Any] = {"section": "connection", "form": form, "modes": MODES}
    if draft is None:
        return context
    mode = Mode(draft["mode"])
    initial = {"name": _free_name(DEFAULT_NAMES[mode]), "autonomy": default_autonomy(mode)}
    findings = finding_rows(draft["looked"])
    return context | {
        "draft": draft,
        "mode": mode,
        "findings": findings,
        "summed": finding_sum(findings),
        "blocked": has_problem(draft["looked"], paper=mode is Mode.PAPER),
        "naming": naming or AccountForm(initial=initial),
    }


def _free_name(wanted: str) -> str:
    names = set(ExchangeAccount.objects.values_list("name", flat=True))
    numbered = (f"{wanted} {number}" for number in range(2, len(names) + 3))
    return wanted if wanted not in names else next(n for n in numbered if n not in names)
