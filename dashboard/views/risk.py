"""Guards as they stand, and the limits behind them. Everything works without scripts."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms_risk import LimitsForm, ProtectionsForm, unit_of
from dashboard.selectors.market import market_read
from dashboard.selectors.risk import protections_text, risk_read
from dashboard.views.shell import account_of, actor_of, page, refused
from exchange.errors import MarketDataError
from exchange.models import ExchangeAccount
from trading.choices import RiskProfile
from trading.domain.settings import PROFILE_LIMITS
from trading.errors import ActionRefused
from trading.limits import limits_change, limits_preview, protections_checked
from trading.peak import peak_rebase
from trading.settings_of import limits_current


@require_safe
def risk(request: HttpRequest) -> HttpResponse:
    """The page; ``fill`` puts a profile's values into the form."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "risk"})
    wanted = request.GET.get("fill", "")
    fill = PROFILE_LIMITS[RiskProfile(wanted)] if wanted in list(RiskProfile) else None
    return _page(request, account, LimitsForm(limits_current(account), fill=fill))


@require_POST
def limits(request: HttpRequest) -> HttpResponse:
    """Show what changed limits would mean, then store exactly what was shown."""
    account = _changed_by(request)
    form = LimitsForm(limits_current(account), request.POST)
    if not form.is_valid():
        return _page(request, account, form, status=422)
    changes = form.changes()
    digest = json.dumps(changes, default=str, sort_keys=True)
    if request.POST.get("step") != "save" or request.POST.get("shown") != digest:
        return _page(request, account, form, changes=changes, digest=digest)
    try:
        row = limits_change(
            account=account,
            changes=changes,
            actor=actor_of(request),
            reason=form.cleaned_data["reason"],
            expected_version=form.cleaned_data["version"],
        )
    except ActionRefused as error:
        messages.error(request, str(error))
        return _page(request, account, form, changes=changes, digest=digest, status=422)
    messages.success(request, f"Limits version {row.version} count from now on.")
    return redirect("risk")


@require_POST
def protections(request: HttpRequest) -> HttpResponse:
    """Store the protections as a new version of the limits."""
    account = _changed_by(request)
    form = ProtectionsForm(request.POST)
    if not form.is_valid():
        return _page(request, account, protections_form=form, status=422)
    try:
        row = limits_change(
            account=account,
            changes={"protections": protections_checked(form.cleaned_data["protections"])},
            actor=actor_of(request),
            reason=form.cleaned_data["reason"],
            expected_version=form.cleaned_data["version"],
        )
    except ActionRefused as error:
        form.add_error("protections", f"{error}.")
        return _page(request, account, protections_form=form, status=422)
    messages.success(request, f"Protections count from now on (limits version {row.version}).")
    return redirect("risk")


@require_POST
def rebase(request: HttpRequest) -> HttpResponse:
    """Count the drawdown from now on."""
    account = _changed_by(request)
    market = market_read(account).market
    try:
        if market is None:
            raise ActionRefused("the market can't be read, so nobody knows the equity of now")
        peak_rebase(
            account=account,
            market=market,
            actor=actor_of(request),
            reason=request.POST.get("reason", ""),
        )
    except MarketDataError as error:
        return refused(request, ActionRefused(f"no prices: {error}"), "risk")
    except ActionRefused as error:
        return refused(request, error, "risk")
    messages.success(
        request, "The peak is counted from now on. A halt is lifted on the kill switch page."
    )
    return redirect("risk")


def _changed_by(request: HttpRequest) -> ExchangeAccount:
    """The account, for those who may change its limits."""
    account = account_of(request)
    if account is None or not actor_of(request).is_staff:
        raise PermissionDenied
    return account


def _page(
    request: HttpRequest,
    account: ExchangeAccount,
    form: LimitsForm | None = None,
    *,
    changes: dict[str, Any] | None = None,
    digest: str = "",
    protections_form: ProtectionsForm | None = None,
    status: int = 200,
) -> HttpResponse:
    row = limits_current(account)
    shown = risk_read(account, market_read(account))
    form = form or LimitsForm(row)
    lines = limits_preview(account, changes or {}, shown.equity)
    bound = [(line, form[line.name], unit_of(line.name)) for line in lines]
    context = {
        "section": "risk",
        "risk": shown,
        "form": form,
        "lines": bound,
        "changed": [line for line in lines if line.changed],
        "profile_changed": bool(changes and "profile" in changes),
        "blocked": any(line.refusal for line in lines),
        "looser": any(line.looser for line in lines),
        "preview": changes is not None,
        "digest": digest,
        "version": row.version,
        "next_version": row.version + 1,
        "protections_form": protections_form
        or ProtectionsForm(
            initial={
                "version": row.version,
                "protections": protections_text(row.protections),
            }
        ),
        "may_change": actor_of(request).is_staff,
        "profiles": list(RiskProfile),
    }
    return page(request, "dashboard/risk.html", context, status=status)
