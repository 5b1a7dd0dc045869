"""The analyst with a model: what copies may take away, and what is asked at all."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from analysis.analysts.openai import OpenAiAnalyst
from analysis.analysts.recorded import RecordedAnalyst
from analysis.analysts.technical import TechnicalAnalyst
from analysis.domain import AnalysisInput, Direction, Recommendation
from analysis.errors import AnalysisInvalid, AnalystUnavailable
from analysis.models import Analysis, ModelCall
from analysis.services import analysis_obtain
from tests.analysis.calls.asking_kit import asking_of, chart_input, in_seconds, plant, profile_at
from tests.analysis.candle_makers import given, random_window
from tests.simulators.openai.server import OpenAiSim

pytestmark = pytest.mark.django_db(transaction=True)


# Seeds of charts with and without a set-up by the technical rules.
SETUP, NO_SETUP = 3, 0


def analyst_at(sim: OpenAiSim, seconds: float = 20, **profile: Any) -> OpenAiAnalyst:
    return OpenAiAnalyst(asking_of(profile_at(sim, **profile)), in_seconds(seconds))


def sides_of(found: Recommendation) -> Any:
    return found.features["votes"]


def rising() -> AnalysisInput:
    return given(random_window(5, drift=0.004))


def test_one_look_asks_once(sim: OpenAiSim) -> None:
    shown = chart_input()
    plant(sim, shown, direction="long")
    found = analyst_at(sim).analyse(shown)
    assert found.direction is Direction.LONG
    assert found.grounding is not None
    assert found.grounding.grounded
    assert not found.veto
    assert len(sim.calls) == 1


def test_chart_without_setup_by_the_rules_is_not_asked_about(sim: OpenAiSim) -> None:
    shown = chart_input(NO_SETUP)
    assert TechnicalAnalyst().analyse(shown).direction is Direction.NONE
    found = analyst_at(sim, prescreen=True).analyse(shown)
    assert found.direction is Direction.NONE
    assert "prescreen" in found.features
    assert found.grounding is None
    assert not sim.calls


def test_chart_with_a_setup_is_asked_about_and_the_model_decides(sim: OpenAiSim) -> None:
    shown = chart_input(SETUP)
    plant(sim, shown, direction="none")
    found = analyst_at(sim, prescreen=True).analyse(shown)
    assert found.direction is Direction.NONE
    assert found.features["prescreen"] in {"long", "short"}
    assert len(sim.calls) == 1


def test_reader_whose_answer_turns_with_the_mirror_is_believed(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 2)
    found = analyst_at(sim, copies=2).analyse(shown)
    assert sides_of(found) == {"chart": "long", "mirror": "long"}
    assert not found.veto
    assert found.features["bias"] == "0.0000"
    assert len(sim.calls) == 2


def test_reader_that_always_says_long_is_vetoed(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 6)
    sim.script("always_long")
    found = analyst_at(sim, copies=6).analyse(shown)
    assert found.direction is Direction.LONG
    assert found.veto
    assert found.features["bias"] == "1.0000"
    assert len(sim.calls) == 2


def test_no_copy_is_paid_for_where_the_chart_shows_nothing(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 6)
    sim.script("none")
    found = analyst_at(sim, copies=6).analyse(shown)
    assert found.direction is Direction.NONE
    assert len(sim.calls) == 1


def test_six_looks_that_agree_set_the_prices_by_their_median(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 6)
    found = analyst_at(sim, copies=6).analyse(shown)
    assert not found.veto
    assert set(sides_of(found).values()) == {"long"}
    assert len(sim.calls) == 6
    for item, price in (
        ("entry_atr", found.entry_price),
        ("stop_atr", found.stop_loss),
        ("target_atr", found.take_profit),
    ):
        assert price is not None
        distance = (price - found.last_price) / found.atr
        assert abs(distance - Decimal(found.features[item])) < Decimal("0.0001")
    assert found.stop_loss is not None
    assert found.entry_price is not None
    assert found.take_profit is not None
    assert found.stop_loss < found.entry_price < found.take_profit


def test_late_copy_counts_as_none(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 2)
    sim.script("perfect", times=1)
    sim.script("slow", s=5)
    found = analyst_at(sim, seconds=2, copies=2).analyse(shown)
    assert sides_of(found) == {"chart": "long", "mirror": "none"}
    assert "mirror" in found.features["missed"]
    assert "No answer within" in found.veto


def test_ungrounded_copy_counts_as_none(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 2)
    sim.script("perfect", times=1)
    sim.script("ungrounded", share=0.2)
    found = analyst_at(sim, copies=2).analyse(shown)
    assert sides_of(found)["mirror"] == "none"
    assert found.veto


def test_ungrounded_chart_says_so_and_asks_no_copy(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 2)
    sim.script("ungrounded", share=0.2)
    found = analyst_at(sim, copies=2).analyse(shown)
    assert found.grounding is not None
    assert not found.grounding.grounded
    assert len(sim.calls) == 1


def test_conflict_that_the_model_reports_is_a_veto(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 2, conflict="image_vs_table")
    found = analyst_at(sim, copies=2).analyse(shown)
    assert "contradict" in found.veto
    assert len(sim.calls) == 1


def test_copy_that_reports_a_conflict_counts_as_none(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown, 2)
    assert not analyst_at(sim, copies=2).analyse(shown).veto
    told = json.loads(ModelCall.objects.get(variant="mirror").raw_answer)
    ModelCall.objects.all().delete()
    sim.script("perfect", times=1)
    sim.script("scripted", text=json.dumps(told | {"conflict": "within_image"}))
    found = analyst_at(sim, copies=2).analyse(shown)
    assert sides_of(found) == {"chart": "long", "mirror": "none"}
    assert "contradict itself" in found.veto


def test_unusable_chart_fails_whatever_copies_might_say(sim: OpenAiSim) -> None:
    shown = rising()
    sim.script("scripted", text="up!")
    with pytest.raises(AnalysisInvalid):
        analyst_at(sim, copies=6).analyse(shown)
    assert len(sim.calls) == 2


def test_whole_set_has_one_deadline(sim: OpenAiSim) -> None:
    with pytest.raises(AnalystUnavailable, match="deadline had passed"):
        analyst_at(sim, seconds=-1).analyse(chart_input())
    assert not sim.calls


def test_own_deadline_is_a_third_of_a_candle_at_most(sim: OpenAiSim) -> None:
    shown = rising()
    plant(sim, shown)
    sim.script("slow", s=30)
    profile = profile_at(sim, timeout_s=5)
    profile.timeout_s = 1
    with pytest.raises(AnalystUnavailable, match="No answer within"):
        OpenAiAnalyst(asking_of(profile)).analyse(shown)


def test_analyst_without_a_prompt_is_refused(sim: OpenAiSim) -> None:
    with pytest.raises(ValueError, match="prompt"):
        OpenAiAnalyst(replace(asking_of(profile_at(sim)), prompt_version=None))


def test_recorded_analyst_answers_what_was_asked_before(sim: OpenAiSim) -> None:
    shown, other = rising(), chart_input()
    plant(sim, shown)
    profile = profile_at(sim)
    asking = asking_of(profile)
    asker = OpenAiAnalyst(asking, in_seconds(20))
    prompt = asking.prompt_version
    first = analysis_obtain(
        profile=profile, analyst=asker, source="a", inputs=[shown], prompt_version=prompt
    )[shown.symbol]
    other = replace(other, symbol="OTHERUSDT")
    found = analysis_obtain(
        profile=profile,
        analyst=RecordedAnalyst(asker),
        source="b",
        inputs=[shown, other],
        prompt_version=prompt,
    )
    assert isinstance(first, Analysis)
    assert found[shown.symbol] == first
    assert isinstance(found["OTHERUSDT"], AnalystUnavailable)
    assert "no answer is on record" in str(found["OTHERUSDT"])
    assert ModelCall.objects.count() == 1
