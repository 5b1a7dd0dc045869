"""Blackouts: what there is, new ones, changes, and the switch of each."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.forms_blackouts import FORMS, BlackoutForm, initial_of
from dashboard.selectors.blackouts import blackout_list
from dashboard.views.shell import account_of, actor_of, page
from exchange.models import ExchangeAccount
from trading.blackouts import blackout_create, blackout_edit, blackout_set_active
from trading.choices import BlackoutKind
from trading.errors import ActionRefused
from trading.models import Blackout

KINDS = [(str(kind), kind.label) for kind in BlackoutKind]


@require_http_methods(["GET", "HEAD", "POST"])
def blackouts(request: HttpRequest) -> HttpResponse:
    """The list with a form of the chosen kind; a POST adds one."""
    account = account_of(request)
    if account is None:
        return page(request, "dashboard/no_account.html", {"section": "funnel"})
    kind = (request.POST if request.method == "POST" else request.GET).get("kind", "once")
    if kind not in FORMS:
        raise Http404
    if request.method != "POST":
        return _show(request, account, kind, FORMS[kind]())
    form = FORMS[kind](request.POST, request.FILES)
    if form.is_valid():
        try:
            row = blackout_create(wish=form.wish(account), actor=actor_of(request))
        except ActionRefused as error:
            form.add_error(None, _sentence(error))
        else:
            messages.success(request, f"{row.name}: added.")
            return redirect("blackouts")
    return _show(request, account, kind, form)


@require_http_methods(["GET", "HEAD", "POST"])
def blackout(request: HttpRequest, blackout_id: int) -> HttpResponse:
    """One blackout to be changed."""
    row, account = get_object_or_404(Blackout, pk=blackout_id), account_of(request)
    if account is None or row.account_id not in (None, account.pk):
        raise Http404
    make = FORMS[row.kind]
    if request.method != "POST":
        return _show(request, account, row.kind, make(initial=initial_of(row)), row)
    form = make(request.POST, request.FILES)
    if form.is_valid():
        try:
            blackout_edit(blackout=row, wish=form.wish(account), actor=actor_of(request))
        except ActionRefused as error:
            form.add_error(None, _sentence(error))
        else:
            messages.success(request, f"{form.cleaned_data['name']}: changed.")
            return redirect("blackouts")
    return _show(request, account, row.kind, form, row)


@require_POST
def blackout_switch(request: HttpRequest, blackout_id: int) -> HttpResponse:
    """Switch a blackout on or off."""
    row = get_object_or_404(Blackout, pk=blackout_id)
    wanted = request.POST.get("active", "")
    if wanted not in ("on", "off"):
        raise Http404
    blackout_set_active(blackout=row, active=wanted == "on", actor=actor_of(request))
    messages.success(request, f"{row.name}: switched {wanted}.")
    return redirect("blackouts")


def _show(
    request: HttpRequest,
    account: ExchangeAccount,
    kind: str,
    form: BlackoutForm,
    row: Blackout | None = None,
) -> HttpResponse:
    context = {
        "section": "funnel",
        "blackouts": blackout_list(account),
        "form": form,
        "kind": kind,
        "kinds": KINDS,
        "editing": row,
    }
    status = 422 if form.errors else 200
    return page(request, "dashboard/blackouts.html", context, status=status)


def _sentence(error: ActionRefused) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
