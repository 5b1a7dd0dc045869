"""What an answer costs where a server counts oddly: too much rather than too little."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.budget import spent_today
from analysis.calls.asking import Asking, NoAnswer, call_put
from analysis.calls.gateway import ModelGateway
from analysis.choices import ApiStyle
from analysis.cost import cost_of
from analysis.domain import Usage
from analysis.models import AnalystProfile, ModelCall
from tests.analysis.calls.asking_kit import (
    asking_of,
    facts_of_call,
    in_seconds,
    plain_question,
    today,
)
from tests.analysis.calls.model_server import Answer, ModelServer, chat_body, responses_body
from tests.factories.analysis import ModelProfileFactory

pytestmark = pytest.mark.django_db(transaction=True)

COUNTED = Usage(1500, 1000, 700, 300)
NOTHING_CHAT = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
NOTHING_RESPONSES = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


def asking_at(server: ModelServer, style: ApiStyle) -> Asking:
    profile: AnalystProfile = ModelProfileFactory.create(base_url=server.url, api_style=style)
    # Loads the client, which takes longer than the deadlines here.
    ModelGateway(profile, "")
    return asking_of(profile)


def ask(asking: Asking) -> ModelCall:
    call_put(asking, facts_of_call(), plain_question(), in_seconds(3))
    return ModelCall.objects.get()


@pytest.mark.parametrize(
    ("style", "body"),
    [
        pytest.param(ApiStyle.CHAT, chat_body(usage=NOTHING_CHAT), id="chat"),
        pytest.param(ApiStyle.RESPONSES, responses_body(usage=NOTHING_RESPONSES), id="responses"),
    ],
)
def test_server_that_counts_nothing_has_not_counted(
    server: ModelServer, style: ApiStyle, body: dict[str, Any]
) -> None:
    server.answer = Answer(body)
    call = ask(asking_at(server, style))
    assert call.cost == call.reserved_cost > 0
    assert spent_today("bot:1", today()) == call.reserved_cost


@pytest.mark.parametrize("code", [400, 402, 429])
def test_error_with_counted_tokens_is_paid_for_and_not_asked_again(
    server: ModelServer, code: int
) -> None:
    server.answer = Answer(chat_body(error={"code": code, "message": "Upstream said no."}))
    asking = asking_at(server, ApiStyle.CHAT)
    with pytest.raises(NoAnswer):
        ask(asking)
    call = ModelCall.objects.get()
    assert len(server.seen) == 1
    assert call.cost == cost_of(asking.profile, COUNTED)
    assert spent_today("bot:1", today()) == call.cost
