"""Old evidence goes, the rows stay, and what a trade or an examination rests on is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from analysis.choices import CallPurpose, CallState
from analysis.identity import reading_identity
from analysis.models import Analysis, AnalystProfile, ChartImage, ModelCall, PromptVersion
from tests.factories import (
    AnalysisFactory,
    CanaryRunFactory,
    ChartImageFactory,
    ChartUploadFactory,
    EyeTestFactory,
    ModelCallFactory,
    ModelProfileFactory,
    PromptVersionFactory,
    SignalFactory,
    TradeFactory,
)
from tests.trading.domain.made import candle
from trading.candle_store import candles_keep
from trading.models import Event, MonitorCandle
from trading.retention import Dropped, evidence_expire

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=91)
YOUNG = NOW - timedelta(days=89)
REQUEST = {"system": "Read the chart."}


def aged(row: Any, moment: datetime = OLD) -> Any:
    """The row as of ``moment``, which only the database can be told."""
    field = "started_at" if hasattr(row, "started_at") else "created_at"
    field = "ran_at" if hasattr(row, "ran_at") else field
    type(row).objects.filter(pk=row.pk).update(**{field: moment})
    return row


def picture(moment: datetime = OLD, **changes: Any) -> ChartImage:
    made: ChartImage = aged(ChartImageFactory.create(png=b"picture", **changes), moment)
    return made


def call(moment: datetime = OLD, **changes: Any) -> ModelCall:
    given = {"raw_answer": "{}", "request": REQUEST, "state": CallState.ACCEPTED} | changes
    made: ModelCall = aged(ModelCallFactory.create(**given), moment)
    return made


def has_bytes(chart: ChartImage) -> bool:
    return ChartImage.objects.get(pk=chart.pk).png is not None


def has_texts(row: ModelCall) -> bool:
    now = ModelCall.objects.get(pk=row.pk)
    assert (now.raw_answer == "") == (now.request == {})
    return now.raw_answer != ""


def test_old_bytes_and_texts_go_and_the_rows_stay() -> None:
    chart = picture()
    row = call(chart=chart, cost=1, input_tokens=7)
    reading = aged(AnalysisFactory.create(chart=chart, answer={"direction": "long"}))
    assert evidence_expire(NOW) == Dropped(pictures=1, calls=1)
    assert not has_bytes(chart)
    assert not has_texts(row)
    assert ModelCall.objects.get().input_tokens == 7
    assert Analysis.objects.get(pk=reading.pk).answer == {"direction": "long"}


def test_the_counts_are_told_once() -> None:
    call(chart=picture())
    evidence_expire(NOW)
    assert evidence_expire(NOW) == Dropped(0, 0)
    told = Event.objects.get(kind="evidence_dropped")
    assert told.data == {"pictures": 1, "calls": 1}


def test_young_evidence_is_kept() -> None:
    row = call(YOUNG, chart=picture(YOUNG))
    assert evidence_expire(NOW) == Dropped(0, 0)
    assert has_texts(row)


def test_how_long_is_a_setting(settings: Settings) -> None:
    settings.AI_EVIDENCE_DAYS = 30
    call(YOUNG, chart=picture(YOUNG))
    assert evidence_expire(NOW) == Dropped(1, 1)


def test_an_old_picture_that_was_shown_again_lately_is_kept() -> None:
    chart = picture()
    old, new = call(chart=chart), call(YOUNG, chart=chart)
    evidence_expire(NOW)
    assert has_bytes(chart)
    assert (has_texts(old), has_texts(new)) == (False, True)


def test_what_led_to_a_trade_is_kept() -> None:
    chart = picture()
    reading = aged(AnalysisFactory.create(chart=chart))
    row = call(chart=picture(), analysis=reading)
    TradeFactory.create(signal=SignalFactory.create(analysis=reading))
    assert evidence_expire(NOW) == Dropped(0, 0)
    assert has_texts(row)
    assert has_bytes(chart)


def test_a_signal_without_a_trade_keeps_nothing() -> None:
    reading = aged(AnalysisFactory.create(chart=picture()))
    SignalFactory.create(analysis=reading)
    call(analysis=reading)
    assert evidence_expire(NOW) == Dropped(pictures=1, calls=1)


def examined(
    make: Callable[..., Any], purpose: CallPurpose, identity: str = ""
) -> tuple[AnalystProfile, PromptVersion, ModelCall]:
    profile, prompt = ModelProfileFactory.create(), PromptVersionFactory.create()
    known = identity or reading_identity(profile, prompt)
    aged(make(profile=profile, prompt_version=prompt, identity=known))
    row = call(purpose=purpose, profile=profile, prompt_version=prompt, chart=picture())
    return profile, prompt, row


@pytest.mark.parametrize(
    ("make", "purpose"),
    [
        (EyeTestFactory.create, CallPurpose.EYE_TEST),
        (CanaryRunFactory.create, CallPurpose.CANARY),
    ],
)
def test_what_the_model_as_it_is_now_was_examined_with_is_kept(
    make: Callable[..., Any], purpose: CallPurpose
) -> None:
    profile, prompt, row = examined(make, purpose)
    in_cycle = call(profile=profile, prompt_version=prompt)
    assert evidence_expire(NOW) == Dropped(0, 1)
    assert has_texts(row)
    assert row.chart is not None
    assert has_bytes(row.chart)
    assert not has_texts(in_cycle)


def test_an_examination_of_what_the_model_once_was_goes() -> None:
    _, _, row = examined(EyeTestFactory.create, CallPurpose.EYE_TEST, identity="before")
    assert evidence_expire(NOW) == Dropped(1, 1)
    assert not has_texts(row)


def test_an_uploaded_picture_goes_with_its_time() -> None:
    old = aged(ChartUploadFactory.create(image=picture(reproducible=False)))
    new = aged(ChartUploadFactory.create(image=picture(reproducible=False)), YOUNG)
    assert evidence_expire(NOW) == Dropped(1, 0)
    assert not has_bytes(old.image)
    assert has_bytes(new.image)


def test_a_recipe_without_bytes_is_not_counted() -> None:
    aged(ChartImageFactory.create(png=None))
    assert evidence_expire(NOW) == Dropped(0, 0)


def test_candles_that_exits_ran_on_are_kept_for_two_years() -> None:
    days = (729, 731, 900)
    made = [candle(minute=-days_ago * 24 * 60, close=100) for days_ago in days]
    candles_keep("bybit:global", made)
    moment = made[0].open_time + timedelta(days=729)
    evidence_expire(moment)
    assert [row.open_time for row in MonitorCandle.objects.all()] == [made[0].open_time]
