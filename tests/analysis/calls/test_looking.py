"""One look at one chart: asked at most twice in its life, checked every time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analysis.budget import spent_today
from analysis.calls.asking import Asking
from analysis.calls.looking import Look, look, question_of
from analysis.choices import CallState
from analysis.copies import Copy
from analysis.domain import AnalysisInput, Direction
from analysis.errors import AnalysisInvalid, AnalystUnavailable, BudgetSpent
from analysis.models import ChartImage, ModelCall
from analysis.picture_store import picture_bytes
from tests.analysis.calls.asking_kit import (
    MIRROR,
    STRAIGHT,
    asking_of,
    chart_input,
    in_seconds,
    plant,
    profile_at,
    today,
)
from tests.factories.analysis import ModelCallFactory
from tests.simulators.openai.server import OpenAiSim

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shown(sim: OpenAiSim) -> AnalysisInput:
    chart = chart_input()
    plant(sim, chart, 2, direction="long")
    return chart


def taken(asking: Asking, shown: AnalysisInput, copy: Copy = STRAIGHT, seconds: float = 10) -> Look:
    return look(asking, shown, copy, in_seconds(seconds))


def calls() -> list[ModelCall]:
    return list(ModelCall.objects.order_by("attempt"))


def test_look_is_grounded_and_its_picture_is_kept(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    found = taken(asking, shown)
    assert found.grounding.grounded
    assert found.recommendation.direction is Direction.LONG
    assert not found.from_record
    image = ChartImage.objects.get()
    assert found.chart == image
    assert sim.calls[0].images == (image.sha256,)
    assert len(picture_bytes(image)) > 1000
    [call] = calls()
    assert call.state == CallState.ACCEPTED
    assert call.chart == image
    assert call.renderer_version == image.renderer_version
    assert call.grounding is not None
    assert call.grounding["grounded"] is True
    assert found.cost == call.cost == spent_today("bot:1", today())


def test_second_look_at_the_same_is_from_record(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    first, second = taken(asking, shown), taken(asking, shown)
    assert len(sim.calls) == 1
    assert second.from_record
    assert second.cost == 0
    assert second.recommendation == first.recommendation


def test_refused_answer_is_asked_for_once_more_with_the_complaint(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    sim.script("scripted", text='{"direction": "long"}', times=1)
    found = taken(asking, shown)
    first, second = calls()
    assert (first.state, second.state) == (CallState.REJECTED, CallState.ACCEPTED)
    assert first.reason_code
    assert first.reason in json.dumps(sim.calls[1].body)
    assert found.cost == first.cost + second.cost
    assert found.call == second


def test_reading_that_failed_twice_fails_again_for_nothing(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    sim.script("scripted", text="I think it goes up.")
    told = []
    for _ in range(2):
        with pytest.raises(AnalysisInvalid) as caught:
            taken(asking, shown)
        told.append((str(caught.value), caught.value.code))
    assert told[0] == told[1]
    assert [call.state for call in calls()] == [CallState.REJECTED] * 2
    assert len(sim.calls) == 2


def test_answer_about_another_chart_is_not_used(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    sim.script("wrong_chart")
    with pytest.raises(AnalysisInvalid) as caught:
        taken(asking, shown)
    assert caught.value.code == "question_id"
    assert {call.reason_code for call in calls()} == {"question_id"}


def test_refusal_of_the_model_is_not_asked_again(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    sim.script("refusing")
    for _ in range(2):
        with pytest.raises(AnalysisInvalid) as caught:
            taken(asking, shown)
        assert caught.value.code == "refused"
    assert len(sim.calls) == 1


@pytest.mark.parametrize("mode", ["server_error", "reset", "empty"])
def test_failure_of_the_server_is_tried_once_more(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput, mode: str
) -> None:
    sim.script(mode, times=1)
    assert taken(asking, shown).recommendation.direction is Direction.LONG
    assert [call.state for call in calls()] == [CallState.FAILED, CallState.ACCEPTED]


def test_server_that_fails_twice_is_no_answer(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    sim.script("server_error")
    for _ in range(2):
        with pytest.raises(AnalystUnavailable, match="HTTP 500"):
            taken(asking, shown)
    assert len(sim.calls) == 2


def test_answer_cut_off_gets_twice_the_room(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    sim.script("truncated", times=1)
    taken(asking, shown)
    limits = [call.body["max_output_tokens"] for call in sim.calls]
    assert limits == [6000, 12000]


def test_answer_cut_off_is_not_tried_again_where_room_is_too_dear(
    sim: OpenAiSim, shown: AnalysisInput
) -> None:
    asking = asking_of(profile_at(sim, max_call_cost=Decimal("0.15")))
    sim.script("truncated")
    with pytest.raises(AnalysisInvalid) as caught:
        taken(asking, shown)
    assert caught.value.code == "truncated"
    assert len(sim.calls) == 1


def test_answer_that_takes_too_long_is_not_asked_for_again(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    sim.script("slow", s=5)
    with pytest.raises(AnalystUnavailable, match="No answer within"):
        taken(asking, shown, seconds=0.5)
    sim.clear_scripts()
    with pytest.raises(AnalystUnavailable, match="No answer within"):
        taken(asking, shown)
    assert len(sim.calls) == 1


def test_second_attempt_follows_a_sender_that_died(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    ModelCallFactory.create(
        question=question_of(asking, shown, STRAIGHT),
        profile=asking.profile,
        state=CallState.SENT,
        sent_at=datetime.now(UTC) - timedelta(minutes=5),
    )
    assert taken(asking, shown).recommendation.direction is Direction.LONG
    assert [call.reason_code for call in calls()] == ["sender_died", ""]
    assert len(sim.calls) == 1


def test_answer_stored_before_a_crash_is_read_after_it(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    taken(asking, shown)
    ModelCall.objects.update(raw_answer="{", grounding=None)
    found = taken(asking, shown)
    assert [call.state for call in calls()] == [CallState.REJECTED, CallState.ACCEPTED]
    assert found.recommendation.direction is Direction.LONG
    assert len(sim.calls) == 2


def test_second_try_over_budget_is_not_made(sim: OpenAiSim, shown: AnalysisInput) -> None:
    asking = asking_of(profile_at(sim), cap="0.13")
    sim.script("scripted", text="{}", usage={"input_tokens": 8000, "output_tokens": 3000})
    with pytest.raises(BudgetSpent):
        taken(asking, shown)
    assert [call.state for call in calls()] == [CallState.REJECTED]
    assert len(sim.calls) == 1


def test_ungrounded_look_keeps_what_it_read(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    sim.script("ungrounded", share=0.2)
    found = taken(asking, shown)
    assert not found.grounding.grounded
    assert found.recommendation.grounding == found.grounding
    assert calls()[0].grounding == {
        "grounded": False,
        "reason": found.grounding.reason,
        "errors": {
            item: str(error) if error is not None else None
            for item, error in found.grounding.errors.items()
        },
    }
    assert len(sim.calls) == 1


def test_look_at_the_mirror_is_turned_back(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    found = taken(asking, shown, MIRROR)
    assert found.answer.direction is Direction.LONG
    turned = found.recommendation
    assert turned.direction is Direction.SHORT
    assert turned.stop_loss is not None
    assert turned.entry_price is not None
    assert turned.take_profit is not None
    assert turned.take_profit < turned.entry_price < turned.stop_loss
    assert abs(turned.entry_price / turned.last_price - 1) < 1
    assert {call.variant for call in calls()} == {"mirror"}


def test_every_copy_is_a_question_of_its_own(asking: Asking, shown: AnalysisInput) -> None:
    names = {question_of(asking, shown, copy) for copy in (STRAIGHT, MIRROR)}
    assert len(names) == 2


@pytest.mark.parametrize("change", [{"version": 2}, {"model": "another"}])
def test_changed_profile_is_another_question(
    asking: Asking, shown: AnalysisInput, change: dict[str, Any]
) -> None:
    before = question_of(asking, shown, STRAIGHT)
    for name, value in change.items():
        setattr(asking.profile, name, value)
    assert question_of(asking, shown, STRAIGHT) != before


def test_no_prompt_means_no_look(sim: OpenAiSim, asking: Asking, shown: AnalysisInput) -> None:

    with pytest.raises(AnalystUnavailable, match="no prompt"):
        taken(replace(asking, prompt_version=None), shown)
    assert not sim.calls


def test_answer_whose_text_was_let_go_stays_what_it_was(
    sim: OpenAiSim, asking: Asking, shown: AnalysisInput
) -> None:
    taken(asking, shown)
    ModelCall.objects.update(raw_answer="", request={})
    with pytest.raises(AnalystUnavailable, match="no longer kept"):
        taken(asking, shown)
    [call] = calls()
    assert (call.state, call.reason) == (CallState.ACCEPTED, "")
    assert len(sim.calls) == 1
