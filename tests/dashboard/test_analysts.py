"""The models' page, every call in full, and charts that people bring."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from analysis.models import AnalystProfile, ChartUpload, ModelCall
from analysis.profiles import api_key_set
from analysis.prompts.versions import prompt_default
from analysis.upload_reading import upload_store
from dashboard.selectors.analysts import analysts_read
from exchange.models import ExchangeAccount
from tests import factories
from tests.dashboard.conftest import Desk
from tests.simulators.openai.server import OpenAiSim
from trading.models import Bot
from trading.uploads import upload_charge
from trading.wiring import WALL

READING = {
    "shown": "An hourly chart of an unnamed instrument",
    "legible": "partly",
    "environment": "range",
    "observations": ["Price turned three times at the same height."],
    "case_long": ["The low of the range is near."],
    "case_short": ["The last high is lower."],
    "strongest_objection": "The scale can't be read.",
    "setup_quality": 0.25,
    "direction": "none",
}
GROUNDING = {
    "grounded": False,
    "reason": "marker_1 is 7.1 % of the range off.",
    "errors": {"last_close": "0", "marker_1": "0.0710", "marker_2": None},
}


def picture(kind: str = "PNG") -> bytes:
    out = BytesIO()
    Image.new("RGB", (400, 300), "navy").save(out, kind)
    return out.getvalue()


@pytest.fixture
def profile(account: ExchangeAccount) -> AnalystProfile:
    return factories.ModelProfileFactory.create(name="Reader", model="sim-reader")


@pytest.fixture
def call(desk: Desk, profile: AnalystProfile) -> ModelCall:
    """A refused answer behind the decision of the open trade."""
    analysis = desk.trade.signal.analysis
    assert analysis is not None
    analysis.grounding, analysis.cost = GROUNDING, Decimal("0.0184")
    analysis.answer = {"last_close": "97010", "marker_1": "96500", "target_first": "0.5"}
    analysis.features = {"votes": {"chart": "long", "mirror": "none"}, "missed": {"mirror": "late"}}
    analysis.save()
    return factories.ModelCallFactory.create(
        profile=profile,
        analysis=analysis,
        prompt_version=prompt_default(),
        chart=factories.ChartImageFactory.create(png=picture(), sha256="ab" * 32),
        state="rejected",
        reason="marker_1 is off.",
        request={"model": "sim-reader", "input": "<b>table</b>"},
        raw_answer='{"direction": "long"}<script>alert(1)</script>',
        cost=Decimal("0.0184"),
        latency_ms=2400,
        input_tokens=2100,
        output_tokens=800,
        grounding=GROUNDING,
    )


def test_a_fresh_installation_says_that_no_model_reads(
    console: Client, account: ExchangeAccount
) -> None:
    assert "No model reads charts here." in console.get(reverse("analysts")).content.decode()


def test_models_are_shown_with_grade_health_sight_and_cost(
    console: Client, call: ModelCall, django_assert_max_num_queries: Any
) -> None:
    factories.AnalystHealthFactory.create(
        profile=call.profile, state="safe", failures=5, reason="5 failures in a row."
    )
    bot = Bot.objects.get()
    factories.SpendFactory.create(
        key=f"bot:{bot.pk}", day=timezone.now().date(), amount=Decimal("0.2")
    )
    factories.EyeTestFactory.create(
        profile=call.profile,
        state="done",
        grade="reader",
        results=[
            {"part": "P2", "title": "Axis", "n": 30, "value": "0.8 %", "interval": "",
             "mark": "1 %", "passed": True, "text": "median error 0.8 %"}
        ],
    )  # fmt: skip
    with django_assert_max_num_queries(24):
        text = console.get(reverse("analysts")).content.decode()
    for shown in ("Reader v1", "Safe mode", "5 failures in a row.", "$0.0184", f"bot {bot.name}",
                  "P2 Axis", "median error 0.8 %",
                  "it does not count any more", "2.4 s", "7.10 %"):  # fmt: skip
        assert shown in text


def test_a_model_that_can_not_be_asked_has_no_health(
    console: Client, profile: AnalystProfile
) -> None:
    api_key_set(profile, "sim-key")
    assert ">OK</span>" in console.get(reverse("analysts")).content.decode()
    AnalystProfile.objects.update(model="")
    text = console.get(reverse("analysts")).content.decode()
    assert "Reader names no model." in text
    assert ">OK</span>" not in text


def test_the_next_try_is_told_while_it_lies_ahead(profile: AnalystProfile) -> None:
    until = timezone.now()
    factories.AnalystHealthFactory.create(
        profile=profile, state="safe", reason="5 failures.", open_until=until
    )
    told = f"5 failures. Next try {until:%H:%M:%S} UTC."
    before, at = (analysts_read(until - timedelta(seconds=s)).analysts[0] for s in (1, 0))
    assert (before.health_words, at.health_words) == (told, "5 failures.")


def test_an_examination_is_offered_by_the_profiles_name(
    console: Client, profile: AnalystProfile
) -> None:
    text = console.get(reverse("analysts")).content.decode()
    assert 'manage.py eye_test --profile "Reader" --short' in text


def test_purses_are_named_in_words(profile: AnalystProfile) -> None:
    now = timezone.now()
    for key in (f"probe:{profile.pk}", f"canary:{profile.pk}", "eye_test:0a1b2c3d:4040"):
        factories.SpendFactory.create(key=key, day=now.date())
    names = {purse.name for purse in analysts_read(now).purses}
    assert names == {"probe of Reader", "canary of Reader", "eye test"}


def test_a_decision_shows_how_the_model_saw(console: Client, desk: Desk, call: ModelCall) -> None:
    address = reverse("cycle", args=[desk.cycle.pk])
    text = console.get(address, {"symbol": desk.trade.symbol}).content.decode()
    for shown in ("ungrounded", "7.10 %", "marker_1 is 7.1 % of the range off.", "mirror: late",
                  reverse("call", args=[call.pk])):  # fmt: skip
        assert shown in text


def test_a_decision_says_that_the_model_was_not_asked(console: Client, desk: Desk) -> None:
    analysis = desk.trade.signal.analysis
    assert analysis is not None
    analysis.features = {"prescreen": "no setup by the technical rules"}
    analysis.save()
    address = reverse("cycle", args=[desk.cycle.pk])
    text = console.get(address, {"symbol": desk.trade.symbol}).content.decode()
    assert "not asked: no setup by the technical rules (pre-screen)" in text


def test_a_call_shows_what_was_sent_and_what_came(console: Client, call: ModelCall) -> None:
    text = console.get(reverse("call", args=[call.pk])).content.decode()
    assert "2,100" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert(1)" not in text
    sent = console.get(reverse("call_picture", args=[call.pk]))
    assert call.chart is not None
    assert sent.content == bytes(call.chart.png or b"")


def test_a_call_leads_back_to_the_decision_that_rests_on_it(
    console: Client, desk: Desk, call: ModelCall
) -> None:
    address = reverse("call", args=[call.pk])
    back = f"{reverse('cycle', args=[desk.cycle.pk])}?symbol={desk.trade.symbol}"
    assert f'href="{back}"' in console.get(address).content.decode()
    ModelCall.objects.update(analysis=None)
    assert "The decision" not in console.get(address).content.decode()


def test_a_closed_trade_is_also_shown_net_of_its_reading(
    console: Client, desk: Desk, call: ModelCall
) -> None:
    ModelCall.objects.filter(pk=call.pk).update(
        analysis=desk.closed.signal.analysis, charged_to=f"bot:{desk.closed.bot_id}"
    )
    text = console.get(reverse("trade", args=[desk.closed.pk])).content.decode()
    assert "Net of AI cost" in text
    assert "−0.0184" in text


def test_a_bot_that_costs_too_much_waits_for_consent(
    console: Client, desk: Desk, profile: AnalystProfile
) -> None:
    profile.output_price = Decimal(900)
    profile.save()
    Bot.objects.filter(pk=desk.bot.pk).update(analyst_profile=profile)
    text = console.get(reverse("bots")).content.decode()
    assert "over 3 %" in text
    assert "Agree to the cost" in text
    console.post(reverse("bot_cost", args=[desk.bot.pk]))
    assert "Agree to the cost" not in console.get(reverse("bots")).content.decode()
    desk.bot.refresh_from_db()
    assert desk.bot.ai_cost_accepted is not None


def test_consent_needs_a_post_and_a_login(console: Client, desk: Desk) -> None:
    address = reverse("bot_cost", args=[desk.bot.pk])
    assert console.get(address).status_code == 405
    assert Client().post(address).status_code == 302


def test_calls_and_pictures_need_a_login(client: Client, call: ModelCall) -> None:
    for name in ("call", "call_picture"):
        assert client.get(reverse(name, args=[call.pk])).status_code == 302


def test_a_brought_chart_is_read_charged_and_shown(
    console: Client, account: ExchangeAccount, profile: AnalystProfile
) -> None:
    user = User.objects.get(username="operator")
    upload = upload_store(user=user, data=picture("JPEG"), file_name="<mine>.jpg")
    with OpenAiSim() as server:
        server.script("scripted", text=json.dumps(READING))
        profile.base_url = server.url
        profile.save()
        api_key_set(profile, "sim-key")
        profile.refresh_from_db()
        upload_charge(upload=upload, profile=profile, account=account, clock=WALL)
    assert upload.problem == ""
    text = console.get(reverse("uploads")).content.decode()
    assert "&lt;mine&gt;.jpg" in text
    assert "An hourly chart of an unnamed instrument" in text
    assert "never traded on" in text
    call = ModelCall.objects.get()
    assert call.charged_to == f"account:{account.pk}"
    assert call.cost is not None
    assert call.cost > 0


def test_a_brought_chart_is_refused_with_a_sentence(
    console: Client, account: ExchangeAccount, profile: AnalystProfile
) -> None:
    bad = SimpleUploadedFile("chart.png", b"not a picture", "image/png")
    form = {"profile": profile.pk, "picture": bad}
    api_key_set(profile, "sim-key")
    answer = console.post(reverse("uploads"), form, follow=True)
    assert "messages" in answer.context
    assert [str(each) for each in answer.context["messages"]] != []
    assert ChartUpload.objects.count() == 0


def test_a_brought_chart_is_seen_by_its_owner_only(console: Client) -> None:
    stranger = factories.UserFactory.create()
    upload = upload_store(user=stranger, data=picture(), file_name="theirs.png")
    assert console.get(reverse("upload_picture", args=[upload.pk])).status_code == 404
    assert "theirs.png" not in console.get(reverse("uploads")).content.decode()
