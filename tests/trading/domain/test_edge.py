"""The calibrated chance as a gate, and the weight that confidence gives the size."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.calibration import CalibrationCurve
from tests.trading.domain import made
from trading.choices import RiskProfile
from trading.domain.edge import (
    break_even,
    confidence_weight,
    edge_factors,
    edge_rules,
    weight_factors,
)
from trading.domain.entry_settings import EntrySettings
from trading.domain.settings import BotSettings
from trading.domain.signal import propose

PROPOSAL = propose(made.reading(), made.settings())


def curve(
    chance: str, error: str = "0.05", *, n: int = 140, reliable: bool = True
) -> CalibrationCurve:
    point = (Decimal("0.5"), Decimal(chance), Decimal(error))
    return CalibrationCurve((point,), n, made.NOW, "platt", reliable)


def few(count: int) -> CalibrationCurve:
    return CalibrationCurve((), count, made.NOW, "", False)


def asking(calibration: CalibrationCurve | None, *, calibrated: bool = True) -> BotSettings:
    wanted = EntrySettings(calibrated=calibrated)
    return replace(made.settings(), entries=wanted, calibration=calibration)


def test_break_even_is_where_bets_come_to_nothing() -> None:
    assert break_even(Decimal("1.5")) == Decimal("0.4")
    assert break_even(Decimal(0)) == 1
    assert break_even(Decimal("-0.5")) == 1


def test_a_bot_that_does_not_ask_is_not_judged() -> None:
    settings = asking(curve("0.01"), calibrated=False)
    assert edge_rules(PROPOSAL, settings) == ()
    assert edge_factors(PROPOSAL, settings) == ()


@pytest.mark.parametrize("calibration", [None, few(12)])
def test_too_few_trades_judge_nothing(calibration: CalibrationCurve | None) -> None:
    (verdict,) = edge_rules(PROPOSAL, asking(calibration))
    assert verdict.passed is None
    assert verdict.value == f"uncalibrated (n = {calibration.count if calibration else 0})"
    assert edge_factors(PROPOSAL, asking(calibration)) == ()


def test_the_chance_less_its_error_must_lie_above_break_even() -> None:
    needed = break_even(PROPOSAL.rr_net)
    for over, passed in (("0.001", True), ("0", False), ("-0.001", False)):
        chance = (needed + Decimal("0.05") + Decimal(over)).quantize(Decimal("1e-8"))
        point = (Decimal("0.5"), chance, Decimal("0.05"))
        given_curve = CalibrationCurve((point,), 140, made.NOW, "platt", True)
        (verdict,) = edge_rules(PROPOSAL, asking(given_curve))
        found = given_curve.chance(PROPOSAL.confidence.value)
        assert found is not None
        # The chance has 4 places; at break-even itself there is no edge.
        assert verdict.passed is (found.chance - found.error > needed)
        if over != "0":
            assert verdict.passed is passed


def test_the_sentence_has_every_number() -> None:
    (verdict,) = edge_rules(PROPOSAL, asking(curve("0.61")))
    assert "61.0 % from 140 trades, 56.0 % less one standard error" in verdict.text
    assert verdict.value == "56.0 %"


def test_confidence_that_says_nothing_has_no_weight() -> None:
    assert weight_factors(Decimal("0.7"), asking(curve("0.6", reliable=False))) == ()


def test_reliable_confidence_weighs() -> None:
    (factor,) = weight_factors(Decimal("0.65"), asking(curve("0.6")))
    assert factor.value == Decimal("0.80")


@pytest.mark.parametrize(
    ("confidence", "weight"),
    [
        ("0.30", "0.50"),
        ("0.55", "0.50"),
        ("0.60", "0.65"),
        ("0.65", "0.80"),
        ("0.75", "0.93"),
        ("0.825", "0.965"),
        ("0.90", "1.00"),
        ("0.99", "1.00"),
    ],
)
def test_weights_of_the_conservative_profile(confidence: str, weight: str) -> None:
    assert confidence_weight(Decimal(confidence), RiskProfile.CONSERVATIVE) == Decimal(weight)


def test_the_classic_profile_ends_higher() -> None:
    assert confidence_weight(Decimal("0.90"), RiskProfile.CLASSIC) == Decimal("1.20")
    assert confidence_weight(Decimal("0.75"), RiskProfile.CLASSIC) == Decimal("0.93")


@given(st.decimals(0, 1, places=3), st.decimals(0, 1, places=3), st.sampled_from(RiskProfile))
def test_more_confidence_never_weighs_less(
    first: Decimal, second: Decimal, profile: RiskProfile
) -> None:
    low, high = sorted((first, second))
    weights = confidence_weight(low, profile), confidence_weight(high, profile)
    assert Decimal("0.5") <= weights[0] <= weights[1] <= Decimal("1.2")
