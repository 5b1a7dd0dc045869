from __future__ import annotations

from decimal import Decimal

import pytest

from analysis.chart import render
from analysis.domain import ChartFacts
from analysis.eye_test.generators import ChartSpec, Market, make
from analysis.eye_test.plan import Control, Group, Item, Question
from analysis.eye_test.prepare import Examiner
from analysis.eye_test.truth import Truth, touches, truth_of


def read(spec: ChartSpec) -> tuple[Truth, ChartFacts]:
    made = make(spec)
    facts = render(made.given).facts
    return truth_of(spec, made, facts), facts


@pytest.fixture(scope="module")
def rising() -> tuple[Truth, ChartFacts]:
    return read(ChartSpec(Market.DRIFT, 1, 1, 5.0))


def test_printed_numbers_have_the_places_of_the_picture(
    rising: tuple[Truth, ChartFacts],
) -> None:
    truth, facts = rising
    assert truth.printed["last_close"] == facts.last_close
    assert truth.printed["ema20"].as_tuple().exponent == facts.last_close.as_tuple().exponent
    assert truth.printed["rsi"].as_tuple().exponent == -1


def test_relations_of_a_strong_rise(rising: tuple[Truth, ChartFacts]) -> None:
    truth, facts = rising
    assert truth.trend == "up"
    assert truth.relations["ema20_vs_ema50"] == ("above", True)
    higher = "1" if facts.markers[0] > facts.markers[1] else "2"
    assert truth.relations["higher_marker"].word == higher
    assert truth.relations["last_bar"].word == ("hollow" if facts.newest_hollow else "solid")


def test_what_is_too_near_to_call_is_not_clear() -> None:
    seen = set()
    for number in range(12):
        truth, facts = read(ChartSpec(Market.MARTINGALE, 1, number))
        gap = abs(truth.printed["ema20"] - truth.printed["last_close"]) / facts.atr
        clear = truth.relations["close_vs_ema20"].clear
        assert gap > Decimal("0.29") if clear else gap < Decimal("0.31")
        seen.add(clear)
    assert seen == {True, False}


def test_only_drifting_markets_have_a_planted_trend() -> None:
    assert read(ChartSpec(Market.MARTINGALE, 1, 1))[0].trend is None
    assert read(ChartSpec(Market.DRIFT, 1, 1, 0.0))[0].trend == "flat"
    assert read(ChartSpec(Market.DRIFT, 1, 1, -3.0))[0].trend == "down"


def test_planted_levels_have_touches_and_empty_prices_have_none() -> None:
    truth, facts = read(ChartSpec(Market.RANGE, 1, 1))
    assert truth.support is not None
    assert truth.resistance is not None
    assert touches(truth.support, truth, facts) >= 2
    assert touches(truth.resistance, truth, facts) >= 2
    assert touches(facts.visible_high * 2, truth, facts) == 0


def control(examiner: Examiner, kind: Control) -> tuple[str, bytes, ChartFacts]:
    item = Item(
        Group.CONTROL,
        0,
        Question.PRODUCTION,
        kind.value,
        spec=ChartSpec(Market.DRIFT, 7, 1, 3.0),
        control=kind,
    )
    prepared = examiner.prepare(item)
    assert prepared.facts is not None
    return prepared.question.user, prepared.question.images[0], prepared.facts


def test_a_text_conflict_differs_in_the_newest_close_only(examiner: Examiner) -> None:
    honest, picture, facts = control(examiner, Control.NOTHING)
    told, same_picture, same_facts = control(examiner, Control.CONFLICT)
    assert (picture, facts) == (same_picture, same_facts)
    changed = [
        (one, other)
        for one, other in zip(honest.splitlines(), told.splitlines(), strict=True)
        if one != other
    ]
    rows = [row for row, _ in changed if row.startswith("0|")]
    assert rows
    close, off = (Decimal(row.split("|")[4]) for row in changed[0])
    assert close == facts.last_close
    assert off / close == pytest.approx(Decimal("1.03"), abs=Decimal("0.001"))


def test_spoilt_pictures_are_other_pictures_under_the_same_text(examiner: Examiner) -> None:
    honest, picture, facts = control(examiner, Control.NOTHING)
    for kind in (Control.BLANK, Control.WRONG, Control.INVERTED, Control.TRUNCATED):
        text, spoilt, same_facts = control(examiner, kind)
        assert text == honest
        assert same_facts == facts
        assert spoilt != picture


def test_the_text_of_an_exam_question_tells_nothing_of_the_picture(examiner: Examiner) -> None:
    item = Item(Group.READING, 0, Question.READING, spec=ChartSpec(Market.DRIFT, 7, 1, 3.0))
    prepared = examiner.prepare(item)
    assert prepared.facts is not None
    text = prepared.question.system + prepared.question.user
    assert prepared.facts.chart_id not in text
    assert str(prepared.facts.last_close) not in text
