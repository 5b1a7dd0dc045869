"""What a start prints, and the lines about what happens first."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from django.utils import timezone

from config.demo import first_start
from config.embedded import screen as screen_module
from config.embedded.screen import FirstThings, screen
from exchange.models import MarketSession
from tests.factories import TradeFactory
from trading.choices import BotState, CycleState, ExitReason
from trading.models import Bot, Cycle

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "http://127.0.0.1:8000/"


def shown(password: str | None = None) -> str:
    return screen(address=ADDRESS, data_folder="var", password=password)


def cycle(state: CycleState) -> Cycle:
    bot = Bot.objects.get(state=BotState.RUNNING)
    boundary = timezone.now()
    return Cycle.objects.create(bot=bot, timeframe="15m", boundary=boundary, state=state)


def test_screen_tells_market_speed_and_first_cycle() -> None:
    first_start(demo=True, seed=0, speed=120)
    text = shown("secret words")
    assert "operator, password secret words" in text
    assert "Demo (SIM): no real money, 120x real time" in text
    assert "the first one within 8 s" in text


def test_screen_lists_only_markets_that_run_by_themselves() -> None:
    first_start(demo=True, seed=0, speed=120)
    MarketSession.objects.update(speed=0)
    assert "  Market " not in shown()


def test_screen_without_running_bots_says_that_no_cycle_comes() -> None:
    assert "none: no bot is running" in shown()


def test_later_start_shows_how_to_set_a_new_password() -> None:
    assert "manage.py changepassword operator" in shown()


def test_first_completed_cycle_is_said_once_and_old_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screen_module, "WATCH_INTERVAL_S", 0.02)
    first_start(demo=True, seed=0, speed=120)
    cycle(CycleState.COMPLETED)
    running = cycle(CycleState.RUNNING)
    lines: list[str] = []
    watch = FirstThings(address=ADDRESS, write=lines.append)
    watch.start()
    time.sleep(0.2)
    assert lines == []
    Cycle.objects.filter(pk=running.pk).update(state=CycleState.COMPLETED)
    cycle(CycleState.COMPLETED)
    time.sleep(0.3)
    watch.stop()
    assert len(lines) == 1
    assert f"First cycle completed: {running}  {ADDRESS}cycles/{running.pk}/" in lines[0]


def test_first_closed_trade_is_said_with_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_module, "WATCH_INTERVAL_S", 0.02)
    lines: list[str] = []
    watch = FirstThings(address=ADDRESS, write=lines.append)
    watch.start()
    time.sleep(0.2)
    trade = TradeFactory.create(
        closed=True, net_pnl=Decimal("-97.4"), exit_reason=ExitReason.STOP_LOSS
    )
    time.sleep(0.3)
    watch.stop()
    closed = [line for line in lines if "First trade closed" in line]
    assert len(closed) == 1
    result = f"{trade}, \N{MINUS SIGN}97.40 USDT, stop-loss"
    assert f"{result}  {ADDRESS}trades/{trade.pk}/" in closed[0]
