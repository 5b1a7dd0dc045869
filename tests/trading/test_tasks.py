"""The tasks: thin, and harmless when they come twice, late or with a dead claimant before them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from celery import current_app
from django.utils import timezone

from analysis.services import profile_technical
from exchange.choices import Mode
from exchange.models import MarketSession
from trading.choices import Autonomy, BotState, CycleState, RiskProfile
from trading.models import Bot, Cycle, Lease, Signal
from trading.services import account_create, bot_create
from trading.tasks import beat_alive, cycle_run, cycles_due
from trading.wiring import HOST, forget_markets

pytestmark = pytest.mark.django_db

BOUNDARY = datetime(2026, 1, 6, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def tasks_run_at_once() -> Iterator[None]:
    current_app.conf.task_always_eager = True
    yield
    current_app.conf.task_always_eager = False


@pytest.fixture
def bot() -> Iterator[Bot]:
    """A bot whose market stands three seconds after a boundary, because no trader moves it."""
    forget_markets()
    account = account_create(
        name="Tasks",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["BTCUSDT"],
        market_start=BOUNDARY + timedelta(seconds=3),
        speed=60,
    )
    Lease.objects.update(heartbeat_at=timezone.now(), reconciled=True)
    yield bot_create(
        account=account,
        name="Bot",
        timeframe="15m",
        symbols=["BTCUSDT"],
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
    )
    forget_markets()


def test_a_due_cycle_is_created_and_run_once(bot: Bot) -> None:
    assert cycles_due() == 1
    assert cycles_due() == 0
    assert Cycle.objects.get().state == CycleState.COMPLETED
    assert Signal.objects.count() == 1


def test_a_cycle_of_a_dead_worker_is_run_again(bot: Bot) -> None:
    Cycle.objects.create(
        bot=bot,
        timeframe="15m",
        boundary=BOUNDARY,
        state=CycleState.RUNNING,
        claimed_by=f"{HOST}/4194399/x",
    )
    cycles_due()
    assert Cycle.objects.get().state == CycleState.COMPLETED


def test_a_task_that_comes_twice_runs_nothing_the_second_time(bot: Bot) -> None:
    cycles_due()
    finished = Cycle.objects.get().finished_at
    assert cycle_run(Cycle.objects.get().pk) == CycleState.COMPLETED
    assert Cycle.objects.get().finished_at == finished


def test_a_market_that_is_stepped_gets_no_cycles(bot: Bot) -> None:
    MarketSession.objects.update(speed=0)
    assert cycles_due() == 0


def test_beat_tells_the_time() -> None:
    assert datetime.fromisoformat(beat_alive()) <= timezone.now()
