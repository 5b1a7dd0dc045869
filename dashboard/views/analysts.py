"""The models that read charts, and every call to them in full."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from analysis.models import ModelCall
from dashboard.selectors.analysts import analysts_read
from dashboard.selectors.readings import call_get
from dashboard.views.charts import png
from dashboard.views.shell import is_htmx, page


@require_safe
def analysts(request: HttpRequest) -> HttpResponse:
    """Grade, health, sight and cost of every model; htmx asks again for the same."""
    context = {"section": "analysts", "found": analysts_read(timezone.now())}
    if is_htmx(request):
        return render(request, "dashboard/_analysts.html", context)
    return page(request, "dashboard/analysts.html", context)


@require_safe
def call(request: HttpRequest, call_id: int) -> HttpResponse:
    """One call: what was sent, what came back, what it cost."""
    found = call_get(call_id)
    if found is None:
        raise Http404
    return page(request, "dashboard/call.html", {"section": "analysts", "call": found})


@require_safe
def call_picture(request: HttpRequest, call_id: int) -> HttpResponse:
    """The very bytes that the model was shown."""
    row = get_object_or_404(ModelCall.objects.select_related("chart"), pk=call_id)
    if row.chart is None or row.chart.png is None:
        raise Http404("the picture's time of keeping is over")
    return png(bytes(row.chart.png))
