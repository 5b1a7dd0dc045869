"""Confidence: a weighted sum of two scores and the reward after costs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.confidence import Weights, confidence
from analysis.domain import ScoreParts

shares = st.decimals(0, 1, places=3)


def value(setup: str, rr_net: str, environment: str, weights: Weights | None = None) -> Decimal:
    parts = ScoreParts(Decimal(setup), Decimal(environment))
    return confidence(parts, Decimal(rr_net), weights or Weights()).value


@pytest.mark.parametrize(
    ("setup", "rr_net", "environment", "expected"),
    [
        # Parts 0.8, 0.9, 0.7: 0.32 + 0.225 + 0.245.
        ("0.8", "2.7", "0.7", "0.790"),
        ("1", "3", "1", "1.000"),
        # More than 3 adds nothing, less than 0 takes nothing.
        ("1", "50", "1", "1.000"),
        ("0.5", "0", "0.5", "0.375"),
        ("0.5", "-4", "0.5", "0.375"),
        ("0", "0", "0", "0.000"),
        # 0.28 + 0.25 x 0.4166667 + 0.21 = 0.5941667.
        ("0.7", "1.25", "0.6", "0.594"),
    ],
)
def test_confidence_by_hand(setup: str, rr_net: str, environment: str, expected: str) -> None:
    assert str(value(setup, rr_net, environment)) == expected


def test_parts_are_kept_for_the_eye() -> None:
    result = confidence(ScoreParts(Decimal("0.8"), Decimal("0.7")), Decimal(2), Weights())
    assert result.setup_quality == Decimal("0.8")
    assert result.reward == Decimal("0.667")
    assert result.market_environment == Decimal("0.7")


def test_weights_can_be_chosen() -> None:
    equal = Weights(Decimal("0.5"), Decimal("0.25"), Decimal("0.25"))
    assert value("0.8", "3", "0.4", equal) == Decimal("0.750")


@pytest.mark.parametrize(
    "weights", [("0.4", "0.25", "0.36"), ("0", "0", "0"), ("1.5", "-0.5", "0"), ("NaN", "0", "1")]
)
def test_weights_are_shares_that_sum_to_one(weights: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Weights(*(Decimal(each) for each in weights))


@given(shares, st.decimals(-10, 10, places=4), shares)
def test_confidence_is_a_share_with_three_places(
    setup: Decimal, rr_net: Decimal, environment: Decimal
) -> None:
    result = confidence(ScoreParts(setup, environment), rr_net, Weights()).value
    assert 0 <= result <= 1
    assert result == round(result, 3)


@given(shares, shares, st.decimals(0, 4, places=4), st.decimals(0, 4, places=4))
def test_more_reward_is_never_less_confidence(
    setup: Decimal, environment: Decimal, one: Decimal, other: Decimal
) -> None:
    scores, (low, high) = ScoreParts(setup, environment), sorted((one, other))
    assert confidence(scores, low, Weights()).value <= confidence(scores, high, Weights()).value
