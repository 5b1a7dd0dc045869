"""How sure a signal may be: a weighted sum of two scores and the reward it offers.

Uncalibrated until enough trades closed: it ranks and gates, it does not touch size.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from analysis.domain import ScoreParts

FULL_REWARD = Decimal(3)
THREE_PLACES = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the three parts: none below 0, together 1."""

    setup_quality: Decimal = Decimal("0.40")
    reward: Decimal = Decimal("0.25")
    market_environment: Decimal = Decimal("0.35")

    def __post_init__(self) -> None:
        total = self.setup_quality + self.reward + self.market_environment
        if total != 1:
            raise ValueError(f"confidence weights sum to {total}, not 1")
        if min(self.setup_quality, self.reward, self.market_environment) < 0:
            raise ValueError("confidence weights must not be below 0")


@dataclass(frozen=True, slots=True)
class Confidence:
    """``value`` 0..1 with 3 places; the parts 0..1 before weighting."""

    value: Decimal
    setup_quality: Decimal
    reward: Decimal
    market_environment: Decimal


def confidence(scores: ScoreParts, rr_net: Decimal, weights: Weights) -> Confidence:
    """0.40 setup quality + 0.25 min(net R/R / 3, 1) + 0.35 market environment by default."""
    reward = min(max(rr_net / FULL_REWARD, Decimal(0)), Decimal(1))
    value = (
        weights.setup_quality * scores.setup_quality
        + weights.reward * reward
        + weights.market_environment * scores.market_environment
    )
    return Confidence(
        value=value.quantize(THREE_PLACES),
        setup_quality=scores.setup_quality,
        reward=reward.quantize(THREE_PLACES),
        market_environment=scores.market_environment,
    )
