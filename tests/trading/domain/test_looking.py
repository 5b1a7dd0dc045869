"""What an analyst that looks at a picture must have shown before it may be traded on."""

from __future__ import annotations

from decimal import Decimal

from analysis.domain import Grounding
from tests.trading.domain.made import (
    NOW,
    Number,
    dec,
    portfolio,
    reading,
    recommendation,
    settings,
    verdict_of,
)
from trading.domain.pipeline import decide
from trading.domain.portfolio import PurseState
from trading.domain.risk import ai_budget
from trading.domain.signal import Reading, agreed, grounded

SEEN = Grounding(True, "", {"marker_1": Decimal("0.004"), "marker_2": Decimal("0.0123")})
BLIND = Grounding(
    False,
    "Marker 1 was read 31 % of the range off; 2.5 % is allowed.",
    {"marker_1": Decimal("0.31"), "marker_2": None},
)


def rule_of(read: Reading) -> str:
    (decision,) = decide([read], portfolio(), settings(), NOW)
    return decision.rule


def purse(spent: Number, cap: Number, name: str = "this bot") -> PurseState:
    return PurseState(name, dec(spent), dec(cap))


def test_who_works_on_numbers_is_not_asked_what_it_saw() -> None:
    verdict = grounded(reading())
    assert verdict.passed is None
    assert verdict.text.startswith("Not applicable")
    assert rule_of(reading()) == ""


def test_a_picture_that_was_read_back_passes_with_its_worst_error() -> None:
    verdict = grounded(reading(looked=True, grounding=SEEN))
    assert (verdict.passed, verdict.value) == (True, "1.23 %")


def test_an_ungrounded_answer_is_refused_before_its_confidence() -> None:
    read = reading(looked=True, grounding=BLIND, setup=0, environment=0)
    (decision,) = decide([read], portfolio(), settings(), NOW)
    assert decision.rule == "ungrounded"
    verdict = verdict_of(decision.verdicts, "ungrounded")
    assert (verdict.value, verdict.text) == ("31.00 %", BLIND.reason)
    assert verdict_of(decision.verdicts, "confidence").passed is False


def test_prices_out_of_order_are_named_first() -> None:
    assert rule_of(reading(looked=True, grounding=BLIND, stop=104)) == "prices_ordered"


def test_who_was_shown_a_picture_and_proves_nothing_did_not_see_it() -> None:
    assert rule_of(reading(looked=True)) == "ungrounded"


def test_a_veto_of_mirror_or_copies_refuses_with_its_sentence() -> None:
    read = reading(looked=True, grounding=SEEN, veto="The mirror did not flip the answer.")
    (decision,) = decide([read], portfolio(), settings(), NOW)
    assert decision.rule == "agreement"
    assert decision.verdicts[3].text == "The mirror did not flip the answer."
    assert agreed(recommendation()).passed is True


def test_a_budget_is_spent_at_its_cap_and_not_a_cent_before() -> None:
    assert ai_budget([purse("0.99", 1)]).passed is True
    verdict = ai_budget([purse(1, 1)])
    assert verdict.passed is False
    assert (verdict.value, verdict.limit) == ("$1.00", "$1.00")
    assert verdict.text == "$1.00 of $1.00 of AI cost of this bot are spent this day (UTC)."


def test_of_several_purses_the_emptiest_is_named() -> None:
    verdict = ai_budget([purse("0.1", 1), purse("2.5", "2.5", "the account")])
    assert (verdict.passed, verdict.value) == (False, "$2.50")
    assert "the account" in verdict.text


def test_a_purse_without_a_cap_pays_for_nothing() -> None:
    assert ai_budget([purse(0, 0)]).passed is False


def test_nothing_is_asked_of_a_budget_where_nothing_is_paid_for() -> None:
    assert ai_budget([]).passed is None
