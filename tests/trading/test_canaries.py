"""The golden set is asked once a day of each model that trades, and what shifted is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from analysis.choices import ExamState, Grade
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, CanaryRun, PromptVersion
from exchange.models import MarketSession
from tests.factories import (
    BotFactory,
    CanaryRunFactory,
    EyeTestFactory,
    MarketSessionFactory,
    ModelProfileFactory,
    PromptVersionFactory,
)
from trading.canaries import alarm_tell, canaries_run
from trading.choices import BotState, EventLevel
from trading.models import Bot, Event
from trading.wiring import WALL

pytestmark = pytest.mark.django_db


@pytest.fixture
def prompt() -> PromptVersion:
    return PromptVersionFactory.create()


@pytest.fixture
def make_bot(prompt: PromptVersion) -> Callable[..., Bot]:
    """A running bot in real time whose profile names no model, so that asking fails at once."""

    def make(speed: int = 1, profile: AnalystProfile | None = None, **changes: Any) -> Bot:
        asked = profile or ModelProfileFactory.create(model="", max_concurrency=1)
        bot = BotFactory.create(analyst_profile=asked, prompt_version=prompt, **changes)
        MarketSession.objects.filter(account=bot.account).delete()
        MarketSessionFactory.create(account=bot.account, speed=speed)
        return bot

    return make


def incomplete() -> list[str]:
    rows = Event.objects.filter(kind="canary_incomplete").order_by("pk")
    return [row.text for row in rows]


def test_a_model_that_can_not_be_asked_is_told_of_and_stops_nobody(
    make_bot: Callable[..., Bot],
) -> None:
    names = [make_bot().analyst_profile.name for _ in range(2)]
    assert canaries_run(WALL) == 0
    assert [text.split(":")[0] for text in incomplete()] == names
    assert not CanaryRun.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [{"speed": 60}, {"speed": 0}, {"state": BotState.PAUSED}],
    ids=["fast", "stepped", "paused"],
)
def test_models_that_nobody_asks_have_no_canary(
    make_bot: Callable[..., Bot], changes: dict[str, Any]
) -> None:
    make_bot(**changes)
    canaries_run(WALL)
    assert incomplete() == []


def test_rules_and_switched_off_profiles_have_no_canary(make_bot: Callable[..., Bot]) -> None:
    make_bot(profile=ModelProfileFactory.create(is_active=False))
    make_bot(profile=BotFactory.create().analyst_profile)
    canaries_run(WALL)
    assert incomplete() == []


def test_two_bots_of_one_model_and_prompt_are_one_canary(make_bot: Callable[..., Bot]) -> None:
    first = make_bot()
    make_bot(profile=first.analyst_profile)
    canaries_run(WALL)
    assert len(incomplete()) == 1


def test_a_canary_of_today_is_enough(make_bot: Callable[..., Bot], prompt: PromptVersion) -> None:
    bot = make_bot()
    run = CanaryRunFactory.create(
        profile=bot.analyst_profile,
        prompt_version=prompt,
        identity=reading_identity(bot.analyst_profile, prompt),
    )
    canaries_run(WALL)
    assert incomplete() == []
    CanaryRun.objects.filter(pk=run.pk).update(ran_at=timezone.now() - timedelta(hours=21))
    canaries_run(WALL)
    assert len(incomplete()) == 1


@pytest.mark.parametrize(
    ("lowered_by", "ending"), [("", "from 0.9 to 0.4."), ("shifted", "Its grade fell to reader.")]
)
def test_an_alarm_says_what_shifted_and_what_it_costs(
    prompt: PromptVersion, lowered_by: str, ending: str
) -> None:
    profile = ModelProfileFactory.create(name="Reader")
    identity = reading_identity(profile, prompt)
    EyeTestFactory.create(
        profile=profile,
        prompt_version=prompt,
        identity=identity,
        state=ExamState.DONE,
        grade=Grade.ANALYST,
        lowered_by=lowered_by,
    )
    run = CanaryRunFactory.create(
        profile=profile,
        prompt_version=prompt,
        identity=identity,
        alarm="grounded fell from 0.9 to 0.4.",
    )
    alarm_tell(run, Grade.ANALYST)
    told = Event.objects.get(kind="canary_alarm")
    assert told.level == EventLevel.WARNING
    assert told.text.startswith("Reader reads differently: grounded fell")
    assert told.text.endswith(ending)
