"""Broken and hostile answers on the whole way from a server to a stored row.

``FUZZ_ANSWERS=1500`` sends the whole corpus instead of a sample.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from analysis.calls.asking import Asking
from analysis.calls.looking import Look, look
from analysis.choices import CallState
from analysis.copies import Copy
from analysis.errors import AnalysisInvalid
from analysis.models import ModelCall
from tests.analysis.answer.corpus import generated, injected, mutated
from tests.analysis.answer.invariants import broken_by, broken_by_recommendation
from tests.analysis.calls.asking_kit import (
    STRAIGHT,
    TILE,
    asking_of,
    chart_input,
    in_seconds,
    plant,
    profile_at,
)
from tests.simulators.openai.server import OpenAiSim

pytestmark = pytest.mark.django_db(transaction=True)

WHOLE = 1500
COUNT = int(os.environ.get("FUZZ_ANSWERS", "24"))


def corpus(answer: dict[str, Any]) -> list[str]:
    texts = [
        *mutated(answer, 1000, seed=4),
        *generated(answer, 300, seed=4),
        *(hostile.text for hostile in injected(answer)),
    ]
    return texts[:: max(1, WHOLE // COUNT)]


def outcome(asking: Asking, number: int) -> Look | AnalysisInvalid:
    try:
        return look(asking, chart_input(), Copy(f"text {number}", False, TILE), in_seconds(30))
    except AnalysisInvalid as error:
        return error


@pytest.mark.timeout(60 if COUNT < WHOLE else 3600)
def test_every_answer_is_taken_whole_or_refused_with_a_stored_reason(sim: OpenAiSim) -> None:
    asking = asking_of(profile_at(sim), cap="1000")
    shown = chart_input()
    plant(sim, shown, direction="long")
    good = json.loads(look(asking, shown, STRAIGHT, in_seconds(30)).call.raw_answer)
    texts = corpus(good)
    refused = 0
    for number, text in enumerate(texts):
        sim.clear_scripts()
        sim.script("scripted", text=text)
        found = outcome(asking, number)
        rows = ModelCall.objects.filter(variant=f"text {number}")
        if isinstance(found, Look):
            assert broken_by(found.answer, found.call.raw_answer, found.facts) == []
            assert (
                broken_by_recommendation(found.recommendation, found.answer, shown, found.facts)
                == []
            )
            continue
        refused += 1
        for row in rows:
            assert row.state in (CallState.REJECTED, CallState.FAILED), text
            assert row.reason_code, text
            assert 0 < len(row.reason) <= 300, text
            assert row.cost is not None, text
        assert found.code == rows.order_by("attempt").last().reason_code  # type: ignore[union-attr]
    assert refused > len(texts) / 2
    assert not ModelCall.objects.filter(state__in=(CallState.RESERVED, CallState.SENT)).exists()
