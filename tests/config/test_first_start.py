"""What a first start leaves in the database, and a second one leaves alone."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_celery_beat.models import PeriodicTask

from config.demo import first_start
from config.schedule import ENTRIES, schedule_ensure
from exchange.models import ExchangeAccount
from trading.choices import Autonomy, BotState
from trading.models import Bot

pytestmark = pytest.mark.django_db


def test_operator_signs_in_with_the_password_shown(client: Client) -> None:
    password = first_start(demo=False, seed=0, speed=120)
    assert password is not None
    assert len(password) >= 16
    assert client.login(username="operator", password=password)


def test_demo_has_one_bot_that_trades_and_one_that_asks() -> None:
    first_start(demo=True, seed=7, speed=60)
    account = ExchangeAccount.objects.get()
    assert (account.mode, account.market_session.seed, account.market_session.speed) == (
        "SIM",
        7,
        60,
    )
    assert {(bot.autonomy, bot.state, len(bot.symbols)) for bot in Bot.objects.all()} == {
        (Autonomy.AUTO, BotState.RUNNING, 5),
        (Autonomy.APPROVE, BotState.PAUSED, 5),
    }


def test_second_start_makes_nothing() -> None:
    User.objects.create_user("someone")
    assert first_start(demo=True, seed=0, speed=120) is None
    assert not ExchangeAccount.objects.exists()


def test_schedule_is_written_once_and_a_switched_off_entry_stays_off() -> None:
    schedule_ensure()
    PeriodicTask.objects.filter(name="cycles due").update(enabled=False)
    schedule_ensure()
    assert PeriodicTask.objects.count() == len(ENTRIES)
    assert not PeriodicTask.objects.get(name="cycles due").enabled


def test_health_answers_without_login(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": True}
