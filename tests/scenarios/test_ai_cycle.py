"""Whole cycles over ten symbols with a simulated model server: looked at, stored, traded.

The market is simulated at speed 1; cycle, trader, paper venue, model client and database are the
product's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from analysis.chart import RenderedChart, render
from analysis.chart_source import MarketChartSource
from analysis.chart_style import style_of
from analysis.choices import CallState, HealthState
from analysis.models import Analysis, AnalystHealth, AnalystProfile, ChartImage, ModelCall, Spend
from analysis.profiles import api_key_set
from analysis.prompts.versions import prompt_default
from exchange.choices import Mode
from exchange.market.simulated_day import PROFILES
from exchange.models import PaperExecution
from tests.crash.prepare import loosen
from tests.factories import ModelProfileFactory
from tests.simulators.openai.server import OpenAiSim
from tests.simulators.openai.truths import truth_of
from trading.choices import (
    AiFallback,
    Autonomy,
    BotState,
    CommandKind,
    RiskProfile,
    SignalState,
    TradeState,
)
from trading.cycle.run import cycle_run
from trading.cycle.schedule import cycle_request
from trading.execution.desk import Desk
from trading.execution.lease import AccountLease
from trading.execution.loop import Trader
from trading.models import Bot, Cycle, CycleStep, Event, RiskLimits, Signal, Trade
from trading.services import account_create, bot_create, command_request
from trading.wiring import WALL, cycle_ports, forget_markets, open_venue

SYMBOLS = tuple(PROFILES)
BOUNDARY = datetime(2026, 1, 6, 12, tzinfo=UTC)
# After the settling time of a candle.
START = BOUNDARY + timedelta(seconds=5)
# Long enough for prices to be where they were when an entry leaves.
TIMEFRAME = "4h"
PATIENCE_S = 30.0
LONG, SHORT = "long", "short"


class Floor:
    """An account on ten simulated symbols, its trader, and a bot that asks the model."""

    def __init__(self, sim: OpenAiSim, **profile: Any) -> None:
        forget_markets()
        self.sim = sim
        self.account = account_create(
            name="Floor",
            mode=Mode.SIM,
            profile=RiskProfile.CLASSIC,
            symbols=SYMBOLS,
            market_start=START,
            speed=1,
            seed=3,
        )
        loosen(self.account)
        RiskLimits.objects.filter(account=self.account).update(
            ai_daily_cap=Decimal(5), max_slots=10, max_same_direction=10
        )
        self.profile: AnalystProfile = ModelProfileFactory.create(
            **{
                "base_url": sim.url,
                "model": "gpt-4o",
                "max_output_tokens": 2000,
                "max_concurrency": 10,
                "timeout_s": 60,
                **profile,
            }
        )
        api_key_set(self.profile, sim.key)
        self.bot: Bot = bot_create(
            account=self.account,
            name="Floor bot",
            timeframe=TIMEFRAME,
            symbols=SYMBOLS,
            analyst_profile=self.profile,
            prompt_version=prompt_default(),
            autonomy=Autonomy.AUTO,
            state=BotState.RUNNING,
        )
        venue = open_venue(self.account)
        lease = AccountLease(self.account, WALL)
        assert lease.acquire()
        desk = Desk(self.account, venue.client, venue.market, WALL, lease, live=False)
        assert venue.clock is not None
        self.market, self.lease, self.trader = venue.market, lease, Trader(desk)
        self._clock, self._close = venue.clock, venue.close
        self._clock.resume()
        self.trader.start()
        self.until(lambda: desk.reconciled and not desk.doubts)
        self.charts = {symbol: self._planted(symbol) for symbol in SYMBOLS}

    def close(self) -> None:
        self.lease.abandon()
        self._close()
        forget_markets()

    def _planted(self, symbol: str) -> RenderedChart:
        """The chart that the model will be shown, its truth told to the simulator: half of the
        symbols are seen as a long, half as a short."""
        source = MarketChartSource(self.market)
        given = source.chart_input(symbol, TIMEFRAME, candle_time=BOUNDARY)
        chart = render(given, style_of(self.profile.image_family))
        side = LONG if SYMBOLS.index(symbol) % 2 else SHORT
        self.sim.plant(chart.sha256, truth_of(chart.facts, direction=side))
        return chart

    def answers(self, symbol: str, mode: str, **args: Any) -> None:
        """How the model answers for ever when it is shown this symbol."""
        self.sim.script(mode, image=self.charts[symbol].sha256, **args)

    def step(self) -> None:
        """One round of the trader, which keeps its market's time running."""
        self._clock.extend()
        self.trader.step()
        time.sleep(0.02)

    def until(self, look: Callable[[], object]) -> None:
        """Rounds of the trader until something holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not look():
            assert time.monotonic() < deadline, outcomes()
            self.step()

    def cycle(self) -> Cycle:
        """The cycle of the boundary, or one more that only observes, while trading goes on."""
        first = not Cycle.objects.exists()
        row = (
            Cycle.objects.create(bot=self.bot, timeframe=TIMEFRAME, boundary=BOUNDARY)
            if first
            else cycle_request(self.bot, self.market.now())
        )

        def run() -> Cycle:
            try:
                return cycle_run(row.pk, cycle_ports(self.bot))
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(run)
            while not running.done():
                self.step()
        return running.result()

    def settle(self) -> None:
        """Rounds until the trader has dealt with every signal and only limits on the far side of
        the market are left waiting."""
        open_states = (SignalState.APPROVED, SignalState.CLAIMED)
        self.until(lambda: not Signal.objects.filter(state__in=open_states).exists())
        at_once = Trade.objects.filter(state=TradeState.PENDING, signal__time_in_force="ioc")
        self.until(lambda: not at_once.exists())


@pytest.fixture
def sim() -> Iterator[OpenAiSim]:
    with OpenAiSim() as running:
        yield running


@pytest.fixture
def open_floor(
    transactional_db: None, sim: OpenAiSim, settings: Settings, tmp_path: Path
) -> Iterator[Callable[..., Floor]]:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    tmp_path.chmod(0o700)
    opened: list[Floor] = []

    def make(**profile: Any) -> Floor:
        opened.append(Floor(sim, **profile))
        return opened[-1]

    yield make
    for floor in opened:
        floor.close()


def outcomes() -> dict[str, str]:
    """The rule that stopped each symbol, or the state of its signal."""
    rows = Signal.objects.filter(cycle__attempt=0)
    return {row.symbol: row.rule or row.state for row in rows}


def reason(symbol: str) -> str:
    return Signal.objects.get(symbol=symbol, cycle__attempt=0).state_reason


def summary(cycle: Cycle) -> str:
    return CycleStep.objects.get(cycle=cycle, number=2).summary


def test_ten_charts_are_looked_at_stored_and_traded_on_paper(
    open_floor: Callable[..., Floor], sim: OpenAiSim
) -> None:
    floor = open_floor()
    done = floor.cycle()
    assert summary(done).startswith("10 of 10 read, $0.")
    shown = {sha256 for call in sim.calls for sha256 in call.images}
    assert shown == {chart.sha256 for chart in floor.charts.values()}
    stored = {row.sha256: bytes(row.png) for row in ChartImage.objects.all() if row.png}
    assert stored == {chart.sha256: chart.png for chart in floor.charts.values()}

    for symbol in SYMBOLS:
        reading = Analysis.objects.select_related("chart").get(symbol=symbol)
        assert reading.direction == (LONG if SYMBOLS.index(symbol) % 2 else SHORT)
        assert reading.grounding is not None
        assert reading.grounding["grounded"] is True
        assert reading.chart is not None
        assert reading.chart.sha256 == floor.charts[symbol].sha256
        call = ModelCall.objects.get(symbol=symbol)
        assert (call.analysis, call.state) == (reading, CallState.ACCEPTED)
        assert call.cost == reading.cost > 0

    floor.settle()
    traded = Trade.objects.filter(state=TradeState.OPEN)
    assert set(traded.values_list("symbol", flat=True)) == set(SYMBOLS)
    assert set(PaperExecution.objects.values_list("symbol", flat=True)) == set(SYMBOLS)
    profiles = traded.values_list("signal__analysis__profile", flat=True)
    assert set(profiles) == {floor.profile.pk}
    paid = sum(call.cost for call in ModelCall.objects.all())
    assert set(Spend.objects.values_list("amount", flat=True)) == {paid}

    before = len(sim.calls)
    again = floor.cycle()
    assert len(sim.calls) == before
    assert summary(again) == "10 of 10 read, $0.00"

    # Exits need neither a purse nor a model that is well.
    AnalystHealth.objects.filter(profile=floor.profile).update(state=HealthState.SAFE)
    Spend.objects.update(amount=Decimal(5))
    trade = traded[0]
    command_request(
        account=floor.account,
        kind=CommandKind.CLOSE,
        idempotency_key="close",
        actor=None,
        target=trade.pk,
    )
    floor.until(Trade.objects.filter(pk=trade.pk, state=TradeState.CLOSED).exists)


def test_four_symbols_that_fail_leave_the_other_six_alone(
    open_floor: Callable[..., Floor], sim: OpenAiSim
) -> None:
    floor = open_floor(timeout_s=10)
    late, refused, blind, wrong, *six = SYMBOLS
    floor.answers(late, "slow", s=60)
    floor.answers(refused, "refusing")
    floor.answers(blind, "ungrounded")
    floor.answers(wrong, "wrong_chart")
    done = floor.cycle()
    assert summary(done).startswith("6 of 10 read, 1 ")
    for what in ("1 too late", "1 refused", "1 ungrounded", "1 about another chart"):
        assert what in summary(done)

    floor.settle()
    found = outcomes()
    assert {symbol: found[symbol] for symbol in (late, refused, blind, wrong)} == {
        late: "analysis",
        refused: "analysis",
        blind: "ungrounded",
        wrong: "analysis",
    }
    assert {found[symbol] for symbol in six} == {SignalState.EXECUTING}
    traded = Trade.objects.filter(state=TradeState.OPEN)
    assert set(traded.values_list("symbol", flat=True)) == set(six)
    assert reason(late).startswith("No answer within")
    assert "marker" in reason(blind)
    assert "id" in reason(wrong)
    # One second try for the answer that could be mended, none for the others.
    tries = {symbol: ModelCall.objects.filter(symbol=symbol).count() for symbol in SYMBOLS}
    assert tries[wrong] == 2
    assert {tries[symbol] for symbol in (*six, late, refused, blind)} == {1}


def test_a_storm_of_refusals_loses_no_symbol(
    open_floor: Callable[..., Floor], sim: OpenAiSim
) -> None:
    floor = open_floor()
    sim.script("rate_limited", for_s=3, retry_after=1)
    done = floor.cycle()
    assert summary(done).startswith("10 of 10 read")
    assert len(sim.calls) > 10
    assert ModelCall.objects.filter(state=CallState.ACCEPTED, attempt=1).count() == 10
    assert ModelCall.objects.count() == 10
    floor.settle()
    assert Trade.objects.filter(state=TradeState.OPEN).count() == 10


def test_a_storm_beyond_the_deadline_executes_nothing(
    open_floor: Callable[..., Floor], sim: OpenAiSim
) -> None:
    floor = open_floor(timeout_s=3)
    sim.script("rate_limited", for_s=4, retry_after=1)
    floor.cycle()
    assert set(outcomes().values()) <= {"analyst_paused", "analysis"}
    assert not Analysis.objects.exists()
    time.sleep(2)
    # The server is well again; what was asked for then is not traded on now.
    floor.settle()
    assert not Trade.objects.exists()
    # Questions that never left may be asked again for whoever looks next, with time enough.
    floor.profile.timeout_s = 60
    floor.profile.save(update_fields=["timeout_s"])
    assert summary(floor.cycle()).startswith("10 of 10 read")
    floor.settle()
    assert not Trade.objects.exists()


def test_in_safe_mode_the_rules_take_over(open_floor: Callable[..., Floor], sim: OpenAiSim) -> None:
    floor = open_floor(max_concurrency=1, safe_mode_after=3)
    Bot.objects.update(ai_fallback=AiFallback.TECHNICAL)
    floor.bot.refresh_from_db()
    sim.script("server_error")
    done = floor.cycle()
    assert AnalystHealth.objects.get(profile=floor.profile).state == HealthState.SAFE
    # Two tries at the first symbol and one at the second; then nobody asks any more.
    assert len(sim.calls) == 3
    found = "9 of 10 read, 1 unanswered, 9 by the technical rules, $0."
    assert summary(done).startswith(found)
    told = Event.objects.get(kind="bot_analyst")
    assert told.data["state"] == "technical"
    assert "safe mode" in told.text.lower()


def test_an_answer_after_its_deadline_is_discarded_and_says_so(
    open_floor: Callable[..., Floor], sim: OpenAiSim
) -> None:
    # Long enough to be sent before the deadline on a busy machine, too long to be answered.
    floor = open_floor(timeout_s=8)
    slow = SYMBOLS[0]
    floor.answers(slow, "slow", s=10)
    done = floor.cycle()
    assert "1 too late" in summary(done)
    assert outcomes()[slow] == "analysis"

    late = ModelCall.objects.filter(symbol=slow, state=CallState.LATE)
    floor.until(late.exists)
    call = late.get()
    assert "after its deadline and is not used" in call.reason
    assert call.raw_answer
    assert call.cost is not None
    assert call.cost > 0
    floor.settle()
    before = len(sim.calls)
    floor.cycle()
    assert len(sim.calls) == before
    assert not Analysis.objects.filter(symbol=slow).exists()
    assert not Trade.objects.filter(symbol=slow).exists()
