"""Charts as pictures. What an analysis saw never changes, so browsers may keep it for good."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from analysis.errors import AnalystError
from analysis.models import Analysis
from dashboard.pictures import PictureUnavailable, picture_model, picture_people, picture_trade
from exchange.errors import MarketDataError
from trading.choices import TradeState
from trading.models import Trade

FOR_GOOD = "private, max-age=31536000, immutable"


@require_safe
def analysis_chart(request: HttpRequest, analysis_id: int) -> HttpResponse:
    """The picture of an analysis: ``?view=model`` as the analyst read it, else for people."""
    row = get_object_or_404(Analysis.objects.select_related("chart"), pk=analysis_id)
    try:
        if request.GET.get("view") == "model":
            picture = picture_model(row)
        else:
            picture = picture_people(row, dark=request.GET.get("theme") == "dark")
    except (AnalystError, MarketDataError, PictureUnavailable) as error:
        raise Http404(str(error)) from error
    return png(picture)


@require_safe
def trade_chart(request: HttpRequest, trade_id: int) -> HttpResponse:
    """A trade's levels over the candles before it and what happened after."""
    row = get_object_or_404(
        Trade.objects.select_related("account__market_session", "signal__analysis"), pk=trade_id
    )
    try:
        picture = picture_trade(row, dark=request.GET.get("theme") == "dark")
    except (AnalystError, MarketDataError, PictureUnavailable) as error:
        raise Http404(str(error)) from error
    return png(picture, FOR_GOOD if row.state == TradeState.CLOSED else "private, max-age=20")


def png(picture: bytes, cache: str = FOR_GOOD) -> HttpResponse:
    """A picture that only its reader's browser may keep."""
    return HttpResponse(picture, content_type="image/png", headers={"Cache-Control": cache})
