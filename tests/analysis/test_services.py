"""Obtaining analyses: once per question, each symbol on its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from analysis.analysts.technical import TechnicalAnalyst
from analysis.domain import AnalysisInput, Grounding, Recommendation
from analysis.errors import AnalysisInvalid, AnalystUnavailable
from analysis.models import Analysis, AnalystProfile
from analysis.services import analysis_obtain, profile_technical, recommendation_of
from tests.analysis.candle_makers import given, random_window, window
from tests.factories.analysis import ModelCallFactory, PromptVersionFactory

pytestmark = pytest.mark.django_db

HALF = Decimal("0.5000")


class ScriptedAnalyst:
    """Passes each input to a function; counts the questions."""

    name = "scripted"
    version = "1"

    def __init__(self, answer: Callable[[AnalysisInput], Recommendation]) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def analyse(self, given: AnalysisInput) -> Recommendation:
        self.asked.append(given.symbol)
        return self._answer(given)


@pytest.fixture
def profile() -> AnalystProfile:
    return profile_technical()


def charts(count: int = 3) -> list[AnalysisInput]:
    return [given(random_window(seed, symbol=f"S{seed}USDT")) for seed in range(count)]


def technical(given: AnalysisInput) -> Recommendation:
    return TechnicalAnalyst().analyse(given)


def test_every_symbol_is_answered_and_stored(profile: AnalystProfile) -> None:
    found = analysis_obtain(
        profile=profile, analyst=TechnicalAnalyst(), source="SIM", inputs=charts()
    )
    assert set(found) == {"S0USDT", "S1USDT", "S2USDT"}
    assert Analysis.objects.count() == 3
    for row in found.values():
        assert isinstance(row, Analysis)
        assert row.pk is not None
        assert row.source == "SIM"


def test_second_call_asks_nobody_and_stores_nothing(profile: AnalystProfile) -> None:
    analyst = ScriptedAnalyst(technical)
    first = analysis_obtain(profile=profile, analyst=analyst, source="SIM", inputs=charts())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        second = analysis_obtain(profile=profile, analyst=analyst, source="SIM", inputs=charts())
    assert second == first
    assert len(analyst.asked) == 3
    assert Analysis.objects.count() == 3
    assert len(queries) == 1


def test_stored_answer_reads_back_as_it_was_given(profile: AnalystProfile) -> None:
    chart = charts(1)[0]
    row = analysis_obtain(
        profile=profile, analyst=TechnicalAnalyst(), source="SIM", inputs=[chart]
    )[chart.symbol]
    assert isinstance(row, Analysis)
    assert recommendation_of(row) == technical(chart)


def test_changed_candle_profile_version_or_analyst_is_a_new_question(
    profile: AnalystProfile,
) -> None:
    analyst = ScriptedAnalyst(technical)
    chart = charts(1)[0]
    moved = random_window(0, symbol=chart.symbol)
    moved.volume[3] += 1
    newer = ScriptedAnalyst(technical)
    newer.version = "2"
    for who, inputs in ((analyst, chart), (analyst, replace(chart, window=moved)), (newer, chart)):
        analysis_obtain(profile=profile, analyst=who, source="SIM", inputs=[inputs])
    profile.version = 2
    analysis_obtain(profile=profile, analyst=analyst, source="SIM", inputs=[chart])
    assert Analysis.objects.count() == 4


def test_failing_symbol_leaves_the_others_alone(profile: AnalystProfile) -> None:
    def answer(given: AnalysisInput) -> Recommendation:
        if given.symbol == "S0USDT":
            raise AnalystUnavailable("no answer in time")
        if given.symbol == "S1USDT":
            raise ZeroDivisionError("a fault in the analyst")
        return technical(given)

    short = given(window([100.0] * 50, symbol="S3USDT"))
    found = analysis_obtain(
        profile=profile,
        analyst=ScriptedAnalyst(answer),
        source="SIM",
        inputs=[*charts(), short],
    )
    assert isinstance(found["S0USDT"], AnalystUnavailable)
    assert isinstance(found["S1USDT"], AnalysisInvalid)
    assert isinstance(found["S2USDT"], Analysis)
    assert "130" in str(found["S3USDT"])
    assert Analysis.objects.count() == 1


def test_failure_is_not_remembered(profile: AnalystProfile) -> None:
    def unavailable(given: AnalysisInput) -> Recommendation:
        raise AnalystUnavailable("no answer in time")

    inputs = charts(1)
    analysis_obtain(
        profile=profile, analyst=ScriptedAnalyst(unavailable), source="SIM", inputs=inputs
    )
    found = analysis_obtain(
        profile=profile, analyst=ScriptedAnalyst(technical), source="SIM", inputs=inputs
    )
    assert isinstance(found["S0USDT"], Analysis)


def test_answer_that_does_not_fit_the_table_fails_alone(profile: AnalystProfile) -> None:
    def wordy(given: AnalysisInput) -> Recommendation:
        text = "x" * 301 if given.symbol == "S0USDT" else "short"
        return replace(technical(given), strongest_objection=text)

    found = analysis_obtain(
        profile=profile, analyst=ScriptedAnalyst(wordy), source="SIM", inputs=charts(2)
    )
    assert isinstance(found["S0USDT"], AnalysisInvalid)
    assert isinstance(found["S1USDT"], Analysis)


def test_row_of_a_faster_caller_is_the_answer_of_both(profile: AnalystProfile) -> None:
    chart = charts(1)[0]
    winner: list[object] = []

    def overtaken(given: AnalysisInput) -> Recommendation:
        # While this caller is still analysing, another one stores the same question.
        faster = ScriptedAnalyst(technical)
        winner.append(
            analysis_obtain(profile=profile, analyst=faster, source="SIM", inputs=[given])[
                given.symbol
            ]
        )
        return technical(given)

    found = analysis_obtain(
        profile=profile, analyst=ScriptedAnalyst(overtaken), source="SIM", inputs=[chart]
    )
    assert found[chart.symbol] == winner[0]
    assert Analysis.objects.count() == 1


def test_built_in_profile_is_made_once() -> None:
    assert profile_technical() == profile_technical()
    assert AnalystProfile.objects.count() == 1


class AskingAnalyst(ScriptedAnalyst):
    """One that looks: its two looks at a chart are named after the symbol."""

    def questions(self, given: AnalysisInput) -> tuple[str, ...]:
        return f"{given.symbol} chart", f"{given.symbol} mirror"


def seen(given: AnalysisInput) -> Recommendation:
    return replace(
        technical(given),
        grounding=Grounding(False, "marker_1 was not read.", {"marker_1": None, "low": HALF}),
        veto="The looks disagree.",
        features={"agreement": "0.5000", "votes": {"chart": "long"}},
        answer={"chart_id": "A7KM", "observations": [{"text": "Lows rise."}]},
    )


def test_what_a_look_showed_reads_back_as_it_was_given(profile: AnalystProfile) -> None:
    chart = charts(1)[0]
    row = analysis_obtain(
        profile=profile, analyst=ScriptedAnalyst(seen), source="SIM", inputs=[chart]
    )[chart.symbol]
    assert isinstance(row, Analysis)
    assert recommendation_of(row) == seen(chart)


def test_analysis_hangs_together_with_its_calls(profile: AnalystProfile) -> None:
    chart, other = charts(2)
    first = ModelCallFactory.create(question="S0USDT chart", cost=Decimal("0.01"))
    unsettled = ModelCallFactory.create(question="S0USDT mirror", reserved_cost=Decimal("0.05"))
    stranger = ModelCallFactory.create(question="another", cost=Decimal(1))
    prompt = PromptVersionFactory.create()
    found = analysis_obtain(
        profile=profile,
        analyst=AskingAnalyst(seen),
        source="SIM",
        inputs=[chart, other],
        prompt_version=prompt,
    )
    row, unasked = found["S0USDT"], found["S1USDT"]
    assert isinstance(row, Analysis)
    assert isinstance(unasked, Analysis)
    assert (row.cost, row.chart, row.prompt_version) == (Decimal("0.06"), first.chart, prompt)
    assert set(row.calls.all()) == {first, unsettled}
    assert (unasked.cost, unasked.chart) == (0, None)
    stranger.refresh_from_db()
    assert stranger.analysis is None


def test_prompt_is_part_of_the_question(profile: AnalystProfile) -> None:
    for prompt in PromptVersionFactory.create_batch(2):
        analysis_obtain(
            profile=profile,
            analyst=ScriptedAnalyst(technical),
            source="SIM",
            inputs=charts(1),
            prompt_version=prompt,
        )
    assert Analysis.objects.count() == 2


def test_veto_is_cut_to_its_field(profile: AnalystProfile) -> None:
    wordy = ScriptedAnalyst(lambda given: replace(seen(given), veto="no " * 100))
    row = analysis_obtain(profile=profile, analyst=wordy, source="SIM", inputs=charts(1))["S0USDT"]
    assert isinstance(row, Analysis)
    assert len(row.veto) == 200


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
def test_characters_that_no_database_takes_fail_alone(profile: AnalystProfile, text: str) -> None:
    def odd(given: AnalysisInput) -> Recommendation:
        answer = {"text": text} if given.symbol == "S0USDT" else {}
        return replace(seen(given), answer=answer)

    found = analysis_obtain(
        profile=profile, analyst=ScriptedAnalyst(odd), source="SIM", inputs=charts(2)
    )
    assert isinstance(found["S0USDT"], AnalysisInvalid)
    assert isinstance(found["S1USDT"], Analysis)


@pytest.mark.django_db(transaction=True)
def test_symbols_are_analysed_side_by_side(profile: AnalystProfile) -> None:
    together = threading.Barrier(3, timeout=20)

    def answer(given: AnalysisInput) -> Recommendation:
        # Passed only by three at a time.
        together.wait()
        if given.symbol == "S1USDT":
            raise AnalystUnavailable("no answer in time")
        AnalystProfile.objects.get(pk=profile.pk)
        return technical(given)

    found = analysis_obtain(
        profile=profile,
        analyst=ScriptedAnalyst(answer),
        source="SIM",
        inputs=charts(3),
        workers=3,
    )
    assert isinstance(found["S1USDT"], AnalystUnavailable)
    assert {row.symbol for row in Analysis.objects.all()} == {"S0USDT", "S2USDT"}


@pytest.mark.django_db(transaction=True)
def test_threads_leave_no_connection_open(profile: AnalystProfile) -> None:
    opened = []

    def answer(given: AnalysisInput) -> Recommendation:
        AnalystProfile.objects.get(pk=profile.pk)
        opened.append(connections["default"])
        return technical(given)

    analysis_obtain(
        profile=profile, analyst=ScriptedAnalyst(answer), source="SIM", inputs=charts(2), workers=2
    )
    assert len(opened) == 2
    assert all(used.connection is None for used in opened)
