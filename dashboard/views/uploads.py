"""Bring a chart of one's own and have it read."""

from __future__ import annotations

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from analysis.models import ChartUpload
from analysis.upload_reading import upload_store
from analysis.uploads import MAX_BYTES, UploadRefused
from dashboard.selectors.uploads import profile_choices, upload_list
from dashboard.views.charts import png
from dashboard.views.shell import account_of, actor_of, is_htmx, page
from exchange.models import ExchangeAccount
from trading.tasks import upload_read


@require_http_methods(["GET", "HEAD", "POST"])
def uploads(request: HttpRequest) -> HttpResponse:
    """The form with the newest readings below; a POST brings a picture."""
    account, profiles = account_of(request), profile_choices()
    if request.method == "POST":
        problem = _take(request, account, dict(profiles))
        if problem:
            messages.error(request, problem)
        return redirect("uploads")
    context = {
        "section": "analysts",
        "profiles": profiles,
        "account": account,
        "uploads": upload_list(actor_of(request)),
    }
    if is_htmx(request):
        return render(request, "dashboard/_uploads.html", context)
    return page(request, "dashboard/uploads.html", context)


def _take(request: HttpRequest, account: ExchangeAccount | None, profiles: dict[int, str]) -> str:
    """Store the picture and ask for its reading; a sentence where that can't be."""
    chosen = request.POST.get("profile", "")
    given = request.FILES.get("picture")
    if account is None:
        return "There is no account to charge the reading to."
    if not chosen.isdigit() or int(chosen) not in profiles:
        return "Choose a model that can be asked."
    if not isinstance(given, UploadedFile):
        return "Choose a picture."
    # One byte more than is taken is enough to refuse it.
    data = given.read(MAX_BYTES + 1)
    try:
        upload = upload_store(user=actor_of(request), data=data, file_name=given.name or "")
    except UploadRefused as error:
        return str(error)
    upload_read.delay(upload.pk, int(chosen), account.pk)
    return ""


@require_safe
def upload_picture(request: HttpRequest, upload_id: int) -> HttpResponse:
    """A picture, for the one who brought it."""
    row = get_object_or_404(
        ChartUpload.objects.select_related("image"), pk=upload_id, user=actor_of(request)
    )
    if row.image.png is None:
        raise Http404("the picture's time of keeping is over")
    return png(bytes(row.image.png))
