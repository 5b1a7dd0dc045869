"""Analyses of several symbols by a model: nothing twice, nobody lost, whatever the server does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from analysis.analysts.openai import OpenAiAnalyst
from analysis.calls.asking import Asking
from analysis.choices import CallState
from analysis.domain import AnalysisInput
from analysis.errors import AnalysisInvalid, AnalystError, AnalystUnavailable
from analysis.models import Analysis, ModelCall
from analysis.services import analysis_obtain, recommendation_of
from exchange.market.clock import WallClock
from tests.analysis.calls.asking_kit import (
    chart_input,
    in_seconds,
    plant,
)
from tests.simulators.openai.server import OpenAiSim

pytestmark = pytest.mark.django_db(transaction=True)

SYMBOLS = 4


@pytest.fixture
def shown(sim: OpenAiSim) -> list[AnalysisInput]:
    charts = [chart_input(seed, f"S{seed}USDT") for seed in range(SYMBOLS)]
    for chart in charts:
        plant(sim, chart, 2, direction="long")
    return charts


def obtained(
    asking: Asking, shown: list[AnalysisInput], seconds: float = 30
) -> dict[str, Analysis | AnalystError]:
    return analysis_obtain(
        profile=asking.profile,
        analyst=OpenAiAnalyst(asking, in_seconds(seconds)),
        source="SIM",
        inputs=shown,
        prompt_version=asking.prompt_version,
        workers=SYMBOLS,
    )


def test_every_symbol_is_looked_at_once(
    sim: OpenAiSim, asking: Asking, shown: list[AnalysisInput]
) -> None:
    found = obtained(asking, shown)
    assert len(sim.calls) == SYMBOLS
    for given in shown:
        row = found[given.symbol]
        assert isinstance(row, Analysis)
        [call] = row.calls.all()
        assert (row.cost, row.chart) == (call.cost, call.chart)
        assert row.grounding is not None
        assert row.grounding["grounded"]
        assert row.answer["direction"] == "long"
    again = obtained(asking, shown)
    assert again == found
    assert len(sim.calls) == SYMBOLS


def test_restart_before_analyses_are_stored_asks_nothing_again(
    sim: OpenAiSim, asking: Asking, shown: list[AnalysisInput]
) -> None:
    before = obtained(asking, shown)
    ModelCall.objects.update(analysis=None)
    Analysis.objects.all().delete()
    after = obtained(asking, shown)
    assert len(sim.calls) == SYMBOLS
    for symbol, row in after.items():
        earlier = before[symbol]
        assert isinstance(row, Analysis)
        assert isinstance(earlier, Analysis)
        assert recommendation_of(row) == recommendation_of(earlier)
        assert (row.cost, row.chart) == (earlier.cost, earlier.chart)
        assert row.calls.count() == 1


def test_troubles_of_some_symbols_leave_the_others_alone(
    sim: OpenAiSim, asking: Asking, shown: list[AnalysisInput]
) -> None:
    charts = [plant(sim, chart, direction="long").sha256 for chart in shown]
    sim.script("slow", s=10, image=charts[0])
    sim.script("refusing", image=charts[1])
    sim.script("wrong_chart", image=charts[2])
    for _ in range(2):
        found = obtained(asking, shown, seconds=4)
        assert isinstance(found["S0USDT"], AnalystUnavailable)
        assert isinstance(found["S1USDT"], AnalysisInvalid)
        assert isinstance(found["S2USDT"], AnalysisInvalid)
        assert isinstance(found["S3USDT"], Analysis)
    assert len(sim.calls) == 5


def test_failed_reading_gives_the_same_reason_again(
    sim: OpenAiSim, asking: Asking, shown: list[AnalysisInput]
) -> None:
    sim.script("scripted", text='{"direction": "moon"}')
    first, second = (obtained(asking, shown[:1])["S0USDT"] for _ in range(2))
    assert isinstance(first, AnalysisInvalid)
    assert isinstance(second, AnalysisInvalid)
    assert (str(first), first.code) == (str(second), second.code)
    assert len(sim.calls) == 2


def test_storm_of_refusals_loses_no_symbol(
    sim: OpenAiSim, asking: Asking, shown: list[AnalysisInput]
) -> None:
    sim.script("rate_limited", retry_after=0.5, for_s=1.5)
    found = obtained(asking, shown)
    assert all(isinstance(row, Analysis) for row in found.values())
    assert set(ModelCall.objects.values_list("attempt", "state")) == {(1, CallState.ACCEPTED)}


def test_two_bots_pay_for_one_question_once(
    sim: OpenAiSim, asking: Asking, shown: list[AnalysisInput]
) -> None:
    other = replace(asking, charged_to="bot:2")
    first, second = obtained(asking, shown), obtained(other, shown)
    assert first == second
    assert set(ModelCall.objects.values_list("charged_to", flat=True)) == {"bot:1"}


@dataclass(frozen=True)
class StalledClock(WallClock):
    """Ten minutes pass in this process while the server answers."""

    sim: OpenAiSim

    def monotonic(self) -> float:
        return super().monotonic() + (600 if self.sim.calls else 0)


def test_answer_that_is_noticed_after_the_deadline_is_late(
    sim: OpenAiSim, asking: Asking, shown: list[AnalysisInput]
) -> None:
    found = obtained(replace(asking, clock=StalledClock(sim)), shown[:1])
    assert isinstance(found[shown[0].symbol], AnalystUnavailable)
    call = ModelCall.objects.get()
    assert (call.state, call.reason_code) == (CallState.LATE, "late")
    assert call.raw_answer
    assert call.cost is not None
