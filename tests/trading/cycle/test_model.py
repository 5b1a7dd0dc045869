"""A bot whose charts a model reads: who pays, who takes over, and what a step says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analysis.budget import Purse, budget_reserve
from analysis.domain import AnalysisInput, Direction, Grounding, Recommendation
from analysis.errors import AnalysisInvalid, AnalystPaused, AnalystUnavailable, BudgetSpent
from analysis.models import Analysis, PromptVersion
from analysis.services import TECHNICAL_PROFILE
from exchange.ports import Clock
from tests.factories import (
    ModelCallFactory,
    ModelProfileFactory,
    OrderFactory,
    PromptVersionFactory,
    TradeFactory,
)
from tests.trading.cycle.conftest import Desk, ScriptedAnalyst
from trading.choices import AiFallback, CycleState, EventLevel, OrderState, TradeState
from trading.cycle.readers import deadline_s
from trading.cycle.run import CyclePorts, cycle_run
from trading.models import Bot, Command, Cycle, CycleStep, Event, RiskLimits, Signal

pytestmark = pytest.mark.django_db

SEEN = Grounding(True, "", {"marker_1": Decimal("0.01")})
BLIND = Grounding(False, "Marker 1 was not read.", {"marker_1": None})


@dataclass
class Reader(ScriptedAnalyst):
    """The scripted analyst with what it read back from the picture and what its calls left."""

    name: str = "reader"
    saw: dict[str, Grounding | None] = field(default_factory=dict)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)

    def analyse(self, given: AnalysisInput) -> Recommendation:
        if given.symbol in self.calls:
            ModelCallFactory.create(
                symbol=given.symbol, candle_time=given.candle_time, **self.calls[given.symbol]
            )
        answer = super().analyse(given)
        return replace(answer, grounding=self.saw.get(given.symbol, SEEN))


@dataclass
class Door:
    """A model that a test scripts."""

    reader: Reader
    prompt_version: PromptVersion
    refused: str = ""
    from_record: bool = False
    given: list[tuple[tuple[Purse, ...], float]] = field(default_factory=list)

    def refusal(self) -> str:
        return self.refused

    def analyst(self, purses: tuple[Purse, ...], deadline_at: float) -> Reader:
        self.given.append((purses, deadline_at))
        return self.reader


@dataclass
class Scene:
    """A desk whose bot asks a model; ``desk.analyst`` are the rules."""

    desk: Desk
    door: Door

    @property
    def says(self) -> dict[str, Direction | Exception]:
        return self.door.reader.says

    def run(self, attempt: int = 0) -> Cycle:
        ports: CyclePorts = replace(self.desk.ports(), model=self.door)
        return cycle_run(self.desk.cycle(attempt).pk, ports)

    def next(self) -> Cycle:
        self.desk.next_bar()
        return self.run()

    def spend(self, dollars: str) -> None:
        clock = self.desk.ports().clock
        key = f"account:{self.desk.account.pk}"
        budget_reserve([Purse(key, Decimal(100))], Decimal(dollars), clock.now().date())


@pytest.fixture
def scene(desk: Desk) -> Scene:
    desk.bot.analyst_profile = ModelProfileFactory.create(max_concurrency=1)
    desk.bot.save()
    return Scene(desk, Door(Reader(), PromptVersionFactory.create()))


def fall_back(scene: Scene) -> None:
    Bot.objects.update(ai_fallback=AiFallback.TECHNICAL)


def rules() -> dict[str, str]:
    return dict(Signal.objects.values_list("symbol", "rule"))


def profiles() -> dict[str, str]:
    rows = Analysis.objects.values_list("symbol", "profile__name")
    return dict(rows)


def told() -> list[str]:
    rows = Event.objects.filter(kind="bot_analyst").order_by("pk")
    return [row.data["state"] for row in rows]


def summary() -> str:
    return CycleStep.objects.filter(number=2).latest("pk").summary


def test_the_model_reads_and_its_bot_and_account_pay(scene: Scene) -> None:
    scene.run()
    assert set(rules().values()) == {""}
    assert scene.desk.analyst.asked == []
    ((purses, _),) = scene.door.given
    assert [purse.key for purse in purses] == [
        f"bot:{scene.desk.bot.pk}",
        f"account:{scene.desk.account.pk}",
    ]
    assert told() == []


def test_a_model_has_its_own_time_and_at_most_a_third_of_a_bar() -> None:
    profile = ModelProfileFactory.create(timeout_s=120)
    assert deadline_s(profile, timedelta(hours=1)) == 120
    assert deadline_s(profile, timedelta(minutes=5)) == 100
    assert deadline_s(profile, timedelta(minutes=1)) == 20


def test_the_deadline_counts_from_the_analysis(scene: Scene) -> None:
    clock = scene.desk.ports().clock
    before = clock.monotonic()
    scene.run()
    ((_, deadline_at),) = scene.door.given
    assert before + 10 <= deadline_at <= clock.monotonic() + 10


def test_what_the_model_did_not_see_is_not_traded(scene: Scene) -> None:
    scene.door.reader.saw = {"BTCUSDT": BLIND, "ETHUSDT": None}
    scene.run()
    assert rules() == {"BTCUSDT": "ungrounded", "ETHUSDT": "ungrounded", "SOLUSDT": ""}


def test_a_step_says_what_became_of_each_symbol_and_what_it_cost(scene: Scene) -> None:
    scene.says["BTCUSDT"] = AnalystUnavailable("No answer in 10 s.")
    scene.door.reader.saw = {"ETHUSDT": BLIND}
    key = f"bot:{scene.desk.bot.pk}"
    scene.door.reader.calls = {
        "BTCUSDT": {
            "reason_code": "timeout",
            "charged_to": key,
            "reserved_cost": Decimal("0.025"),
        },
        "ETHUSDT": {"cost": Decimal("0.0173"), "charged_to": key},
        "SOLUSDT": {"cost": Decimal(1), "charged_to": "bot:0"},
    }
    scene.run()
    assert summary() == "1 of 3 read, 1 too late, 1 ungrounded, $0.0423"
    assert rules() == {"BTCUSDT": "analysis", "ETHUSDT": "ungrounded", "SOLUSDT": ""}


@pytest.mark.parametrize(
    ("error", "code", "what", "rule"),
    [
        (AnalystUnavailable("late"), "late", "too late", "analysis"),
        (AnalystUnavailable("no"), "refused", "refused", "analysis"),
        (AnalystUnavailable("down"), "connection", "unanswered", "analysis"),
        (AnalysisInvalid("no", "refused"), "refused", "refused", "analysis"),
        (AnalysisInvalid("no JSON", "syntax"), "syntax", "unusable", "analysis"),
        (AnalysisInvalid("other", "chart_id"), "chart_id", "about another chart", "analysis"),
        (AnalysisInvalid("blind", "ungrounded"), "ungrounded", "ungrounded", "ungrounded"),
        (AnalystPaused("safe mode"), "not_sent", "paused", "analyst_paused"),
        (BudgetSpent("spent"), "", "over budget", "budget"),
    ],
)
def test_every_kind_of_failure_has_its_word_and_its_rule(
    scene: Scene, error: Exception, code: str, what: str, rule: str
) -> None:
    scene.says["ETHUSDT"] = error
    scene.door.reader.calls = {
        "ETHUSDT": {"reason_code": code, "charged_to": f"bot:{scene.desk.bot.pk}", "cost": 0}
    }
    scene.run()
    assert summary() == f"2 of 3 read, 1 {what}, $0.00"
    assert rules() == {"BTCUSDT": "", "ETHUSDT": rule, "SOLUSDT": ""}
    assert Signal.objects.get(symbol="ETHUSDT").state_reason == str(error)


def test_rules_say_nothing_of_cost(desk: Desk) -> None:
    cycle_run(desk.cycle().pk, desk.ports())
    assert summary() == "3 of 3 read"


def test_a_spent_budget_asks_nothing_and_says_how_much(scene: Scene) -> None:
    scene.spend("1")
    done = scene.run()
    assert (done.state, scene.door.given) == (CycleState.SKIPPED, [])
    assert done.reason == "$1.00 of $1.00 of AI cost of this account are spent this day (UTC)."
    assert set(rules().values()) == {"budget"}
    verdict = next(v for v in Signal.objects.all()[0].verdicts if v["rule"] == "budget")
    assert (verdict["value"], verdict["limit"]) == ("$1.00", "$1.00")
    assert told() == ["stopped"]


def test_limits_of_the_account_and_the_bot_count(scene: Scene) -> None:
    scene.spend("1")
    RiskLimits.objects.update(ai_daily_cap=Decimal("1.5"))
    assert set(_ran(scene)) == {""}
    Bot.objects.update(ai_daily_cap=Decimal(0))
    assert set(_ran(scene)) == {"budget"}


def _ran(scene: Scene) -> list[str]:
    Signal.objects.update(state="dropped")
    cycle = scene.next()
    return list(Signal.objects.filter(cycle=cycle).values_list("rule", flat=True))


def test_with_a_spent_budget_the_rules_take_over_where_the_bot_says_so(scene: Scene) -> None:
    fall_back(scene)
    scene.spend("1")
    scene.run()
    assert scene.door.given == []
    assert set(profiles().values()) == {TECHNICAL_PROFILE}
    assert set(rules().values()) == {""}
    assert summary() == "3 of 3 read, 3 by the technical rules, $0.00"


@pytest.mark.parametrize("error", [BudgetSpent("It is spent."), AnalystPaused("Safe mode.")])
def test_the_rules_read_the_symbols_that_the_model_could_not_be_asked_about(
    scene: Scene, error: Exception
) -> None:
    fall_back(scene)
    scene.says["ETHUSDT"] = error
    scene.run()
    assert scene.desk.analyst.asked == ["ETHUSDT"]
    assert profiles()["ETHUSDT"] == TECHNICAL_PROFILE
    assert profiles()["BTCUSDT"] != TECHNICAL_PROFILE
    signal = Signal.objects.select_related("analysis__profile").get(symbol="ETHUSDT")
    assert signal.analysis is not None
    assert signal.analysis.profile.name == TECHNICAL_PROFILE
    assert set(rules().values()) == {""}


@pytest.mark.parametrize(
    "error", [AnalystUnavailable("Timed out."), AnalysisInvalid("No JSON.", "syntax")]
)
def test_nobody_takes_over_for_a_bad_or_missing_answer(scene: Scene, error: Exception) -> None:
    fall_back(scene)
    scene.says["ETHUSDT"] = error
    scene.run()
    assert scene.desk.analyst.asked == []
    assert rules()["ETHUSDT"] == "analysis"
    assert told() == []


def test_a_change_of_hands_is_told_once_each_way(scene: Scene) -> None:
    fall_back(scene)
    for symbol in scene.desk.bot.symbols:
        scene.says[symbol] = AnalystPaused("Safe mode until 12:30.")
    scene.run()
    scene.next()
    assert told() == ["technical"]
    first = Event.objects.get(kind="bot_analyst")
    assert first.level == EventLevel.WARNING
    assert first.text == "Bot: the technical rules read its charts for now. Safe mode until 12:30."
    scene.says.clear()
    Signal.objects.update(state="dropped")
    scene.next()
    scene.next()
    assert told() == ["technical", "model"]


def test_a_bot_without_a_stand_in_is_told_to_have_stopped(scene: Scene) -> None:
    for symbol in scene.desk.bot.symbols:
        scene.says[symbol] = BudgetSpent("It is spent.")
    scene.run()
    assert told() == ["stopped"]
    assert set(rules().values()) == {"budget"}


def test_a_cycle_that_half_of_its_budget_paid_for_is_no_change_yet(scene: Scene) -> None:
    scene.says["ETHUSDT"] = BudgetSpent("It is spent.")
    scene.run()
    assert told() == []
    assert rules()["ETHUSDT"] == "budget"


def test_a_refused_model_is_not_asked(scene: Scene) -> None:
    fall_back(scene)
    scene.door.refused = "It has no eye test."
    done = scene.run()
    assert (done.reason, scene.door.given) == ("It has no eye test.", [])
    assert set(rules().values()) == {"analyst"}


def test_looking_for_answers_on_record_needs_no_budget(scene: Scene) -> None:
    scene.spend("1")
    scene.door.from_record = True
    scene.run()
    ((purses, _),) = scene.door.given
    assert purses == ()
    assert set(rules().values()) == {""}


def test_an_answer_stored_after_its_time_is_not_traded_on(scene: Scene) -> None:
    class Behind:
        """A clock by which everything is stored a minute too late."""

        def __init__(self, clock: Clock) -> None:
            self._clock = clock

        def now(self) -> datetime:
            return self._clock.now() - timedelta(minutes=1)

        def monotonic(self) -> float:
            return self._clock.monotonic()

    ports = scene.desk.ports()
    cycle_run(scene.desk.cycle().pk, replace(ports, model=scene.door, clock=Behind(ports.clock)))
    assert set(rules().values()) == {"analysis"}
    reason = Signal.objects.all()[0].state_reason
    assert reason == "The answer came after the 10 s it had."


def pending(scene: Scene) -> int:
    """An unfilled entry on BTCUSDT that the model's reading led to."""
    scene.run()
    signal = Signal.objects.get(symbol="BTCUSDT")
    Signal.objects.exclude(pk=signal.pk).update(state="dropped")
    Signal.objects.filter(pk=signal.pk).update(state="executing")
    trade = TradeFactory.create(signal=signal, state=TradeState.PENDING, entry_qty=0)
    OrderFactory.create(trade=trade, state=OrderState.ACKNOWLEDGED, filled_qty=0)
    return int(trade.pk)


def test_the_model_takes_its_own_entry_back(scene: Scene) -> None:
    trade = pending(scene)
    scene.says["BTCUSDT"] = Direction.NONE
    scene.next()
    assert Command.objects.get().target == trade


def test_a_reading_that_saw_nothing_takes_no_entry_back(scene: Scene) -> None:
    pending(scene)
    scene.says["BTCUSDT"] = Direction.SHORT
    scene.door.reader.saw = {"BTCUSDT": BLIND}
    scene.next()
    assert not Command.objects.exists()


def test_rules_that_stand_in_do_not_take_the_models_entry_back(scene: Scene) -> None:
    pending(scene)
    fall_back(scene)
    scene.says["BTCUSDT"] = AnalystPaused("Safe mode.")
    scene.desk.analyst.says["BTCUSDT"] = Direction.NONE
    scene.next()
    assert Signal.objects.filter(symbol="BTCUSDT").latest("pk").rule == "none"
    assert not Command.objects.exists()
