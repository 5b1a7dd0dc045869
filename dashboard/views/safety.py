"""Whether the system can be trusted now, what was proved about it, and its own record."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.selectors.safety import safety_now
from dashboard.selectors.safety_proof import proof_read
from dashboard.selectors.safety_record import RECORD_DAYS, record_read
from dashboard.views.shell import is_htmx, page


@require_safe
def safety(request: HttpRequest) -> HttpResponse:
    """All accounts on one page; htmx asks again for what stands now."""
    now = timezone.now()
    accounts = safety_now(now)
    context: dict[str, Any] = {"section": "safety", "accounts": accounts, "looked": now}
    if is_htmx(request):
        return render(request, "dashboard/_safety_now.html", context)
    context |= {
        "proof": proof_read(),
        "records": record_read(accounts, now),
        "record_days": RECORD_DAYS,
    }
    return page(request, "dashboard/safety.html", context)
