"""The risk page: what it shows, and limits changed on it without a script."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import BlackoutFactory
from tests.trading.execution.floor import Floor, open_floor
from trading.models import PeakBase, RiskLimits
from trading.settings_of import limits_current

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def floor(settings: Any, tmp_path: Any) -> Any:
    settings.DATA_DIR = tmp_path
    opened = open_floor(started=False)
    yield opened
    opened.desk.lease.abandon()


@pytest.fixture
def staff(floor: Floor) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("risk"))
    return client


def text_of(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def fields(page: str) -> dict[str, str]:
    """What the limits form would send as it stands."""
    form = page[page.index('class="limits-form"') :].split("</form>")[0]
    found = dict(re.findall(r'<input type="(?:hidden|number)" name="(\w+)" value="([^"]*)"', form))
    return found | {"profile": "classic", "weekend_half_size": "on"}


def test_the_page_shows_guards_groups_and_limits(staff: Client) -> None:
    page = text_of(staff.get("/risk/"))
    for words in ("Drawdown from the peak", "If everything gaps 20 %", "majors", "Version 1"):
        assert words in page


def test_a_blackout_that_lasts_is_among_the_guards(staff: Client, floor: Floor) -> None:
    now = floor.market.now()
    BlackoutFactory.create(
        account=floor.account, name="Rates", starts_at=now, ends_at=now + timedelta(hours=2)
    )
    page = text_of(staff.get("/risk/"))
    assert "Blackout: Rates" in page
    assert "No entries, all symbols" in page
    assert "none tripped" not in page


def test_limits_are_shown_in_their_effect_and_then_saved(staff: Client, floor: Floor) -> None:
    given = fields(text_of(staff.get("/risk/"))) | {"max_daily_loss": "2"}
    shown = staff.post("/risk/limits/", given | {"step": "preview"})
    page = text_of(shown)
    assert "Loss a day: 6.00 % to <b>2.00 %</b>" in page
    assert RiskLimits.objects.count() == 1
    # What was not shown is shown first.
    staff.post("/risk/limits/", given | {"step": "save", "reason": "calmer"})
    assert RiskLimits.objects.count() == 1
    digest = re.findall(r'name="shown" value="([^"]*)"', shown.content.decode())[0]
    answer = staff.post(
        "/risk/limits/",
        given | {"step": "save", "shown": html.unescape(digest), "reason": "calmer"},
    )
    assert answer.status_code == 302
    assert limits_current(floor.account).max_daily_loss == Decimal("0.02")


def test_a_hard_cap_is_named_and_nothing_can_be_saved(staff: Client) -> None:
    given = fields(text_of(staff.get("/risk/"))) | {"max_leverage": "50", "step": "preview"}
    page = text_of(staff.post("/risk/limits/", given))
    assert "hard cap" in page
    assert "Save as version" not in page


def test_protections_that_make_no_sense_are_named(staff: Client) -> None:
    given = {"version": 1, "reason": "x", "protections": '[{"method": "Luck"}]'}
    answer = staff.post("/risk/protections/", given)
    assert answer.status_code == 422
    assert "entry 1, method" in text_of(answer)
    answer = staff.post("/risk/protections/", given | {"protections": "[{"})
    assert "this is no JSON" in text_of(answer)
    row = '[{"method": "CooldownPeriod", "stop_duration": 30}]'
    assert staff.post("/risk/protections/", given | {"protections": row}).status_code == 302
    assert RiskLimits.objects.count() == 2


def test_the_peak_is_re_based_with_a_reason(staff: Client) -> None:
    staff.post("/risk/peak/", {"reason": " "})
    assert not PeakBase.objects.exists()
    staff.post("/risk/peak/", {"reason": "looked into it"})
    assert PeakBase.objects.get().reason == "looked into it"


@pytest.mark.parametrize("path", ["limits", "protections", "peak"])
def test_only_staff_change_limits(floor: Floor, path: str) -> None:
    client = Client()
    client.force_login(User.objects.create_user("viewer"))
    assert client.post(f"/risk/{path}/", {"reason": "x"}).status_code == 403
    assert client.get(f"/risk/{path}/").status_code == 405
    assert client.get("/risk/").status_code == 200
