"""A bot whose model may not trade there, or costs what nobody agreed to, is not started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from analysis.analysts.technical import TechnicalAnalyst
from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests.factories import ModelProfileFactory
from trading import services
from trading.choices import Autonomy, BotState, RiskProfile
from trading.errors import ActionRefused
from trading.models import Bot, OperatorAction
from trading.wiring import analyst_for, cycle_ports, forget_markets

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_bot(db: None) -> Iterator[Callable[..., Bot]]:
    def make(speed: int = 1, state: BotState = BotState.PAUSED, **changes: Any) -> Bot:
        account = services.account_create(
            name=f"Speed {speed}",
            mode=Mode.SIM,
            profile=RiskProfile.CLASSIC,
            symbols=["BTCUSDT"],
            market_start=datetime(2026, 1, 5, tzinfo=UTC),
            speed=speed,
        )
        profile = ModelProfileFactory.create(**changes.pop("profile", {}))
        given = {"timeframe": "4h", "symbols": ["BTCUSDT"], "autonomy": Autonomy.AUTO} | changes
        return services.bot_create(
            account=account, name="Model", analyst_profile=profile, state=state, **given
        )

    yield make
    forget_markets()


def start(bot: Bot) -> Bot:
    return services.bot_set_state(bot=bot, state=BotState.RUNNING, actor=None)


def test_a_cheap_model_that_can_ask_starts(make_bot: Callable[..., Bot]) -> None:
    assert start(make_bot()).state == BotState.RUNNING


def test_a_model_that_can_not_ask_does_not_start(make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(profile={"model": ""})
    with pytest.raises(ActionRefused, match="model"):
        start(bot)
    assert Bot.objects.get().state == BotState.PAUSED


def test_a_bot_is_not_created_running_either(make_bot: Callable[..., Bot]) -> None:
    with pytest.raises(ActionRefused, match="model"):
        make_bot(state=BotState.RUNNING, profile={"model": ""})
    assert not Bot.objects.exists()


def test_a_red_estimate_waits_for_a_person(make_bot: Callable[..., Bot], operator: User) -> None:
    bot = make_bot(timeframe="1m")
    with pytest.raises(ActionRefused, match="of equity a month"):
        start(bot)
    services.ai_cost_accept(bot=bot, actor=operator)
    assert start(bot).state == BotState.RUNNING
    acted = OperatorAction.objects.get(action="AI cost accepted")
    assert acted.actor == operator
    assert "a day" in acted.reason


def test_nobody_agrees_to_a_cost_without_equity(make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(timeframe="1m")
    bot.account.equity_points.all().delete()
    ExchangeAccount.objects.update(start_equity=Decimal(0))
    bot.account.refresh_from_db()
    with pytest.raises(ActionRefused, match="no equity"):
        services.ai_cost_accept(bot=bot, actor=None)


def test_a_paused_bot_can_always_be_left(make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(profile={"model": ""})
    assert services.bot_set_state(bot=bot, state=BotState.ARCHIVED, actor=None).state == "archived"


@pytest.mark.parametrize(("speed", "from_record"), [(1, False), (60, True), (0, True)])
def test_markets_that_outrun_a_model_are_answered_from_record(
    make_bot: Callable[..., Bot], speed: int, from_record: bool
) -> None:
    bot = make_bot(speed=speed)
    assert start(bot).state == BotState.RUNNING
    door = cycle_ports(bot).model
    assert door is not None
    assert door.from_record is from_record
    assert door.refusal() == ""


def test_rules_need_no_model(make_bot: Callable[..., Bot]) -> None:
    bot = make_bot(profile={"kind": "technical"})
    assert cycle_ports(bot).model is None
    assert isinstance(analyst_for(bot, (), 0.0, from_record=False), TechnicalAnalyst)
