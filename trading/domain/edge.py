"""Calibrated confidence in the decision: is the chance of winning above break-even, and how much
does confidence weigh in the size?"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from trading.choices import RiskProfile
from trading.domain.verdict import Factor, Verdict, number, percent

if TYPE_CHECKING:
    from trading.domain.settings import BotSettings
    from trading.domain.signal import Proposal

EDGE_RULE = "edge"
# (confidence, weight), straight lines between; the last weight depends on the profile.
WEIGHTS = (
    (Decimal("0.55"), Decimal("0.50")),
    (Decimal("0.65"), Decimal("0.80")),
    (Decimal("0.75"), Decimal("0.93")),
)
FULL_CONFIDENCE = Decimal("0.90")
FULL_WEIGHT = {RiskProfile.CONSERVATIVE: Decimal("1.00"), RiskProfile.CLASSIC: Decimal("1.20")}


def break_even(rr_net: Decimal) -> Decimal:
    """Chance of winning at which bets of ``rr_net`` against 1 come to nothing: 1 / (1 + rr_net),
    from p x rr_net = 1 - p. A trade without reward never breaks even."""
    return 1 / (1 + rr_net) if rr_net > 0 else Decimal(1)


def edge_rules(proposal: Proposal, settings: BotSettings) -> tuple[Verdict, ...]:
    """The calibrated chance less one standard error must lie above the chance that breaks even,
    where the bot asks for it; unknown while too few of its trades have closed."""
    if not settings.entries.calibrated:
        return ()
    curve, needed = settings.calibration, break_even(proposal.rr_net)
    found = curve.chance(proposal.confidence.value) if curve else None
    if found is None:
        words = f"uncalibrated (n = {curve.count if curve else 0})"
        text = f"The chance of winning is {words}: too few trades have closed."
        return (Verdict(EDGE_RULE, None, words, percent(needed, 1), text),)
    least = found.chance - found.error
    return (
        Verdict(
            EDGE_RULE,
            least > needed,
            percent(least, 1),
            percent(needed, 1),
            f"The chance of winning is {percent(found.chance, 1)} from {found.count} trades, "
            f"{percent(least, 1)} less one standard error; a reward of {number(proposal.rr_net)} "
            f"breaks even at {percent(needed, 1)}.",
        ),
    )


def edge_factors(proposal: Proposal, settings: BotSettings) -> tuple[Factor, ...]:
    """The weight that confidence gives the size; none until it is calibrated."""
    return weight_factors(proposal.confidence.value, settings)


def weight_factors(confidence: Decimal, settings: BotSettings) -> tuple[Factor, ...]:
    """The weight of ``confidence`` where the bot asks for it, once at least 100 trades have closed
    and the reliability slope lies above 0 with its 95 % interval: until then confidence ranks
    and gates only."""
    curve = settings.calibration
    if not settings.entries.calibrated or curve is None or not curve.points or not curve.reliable:
        return ()
    weight = confidence_weight(confidence, settings.profile)
    text = f"confidence {percent(confidence, 1)}, calibrated on {curve.count} trades"
    return (Factor("confidence_weight", weight, text),)


def confidence_weight(confidence: Decimal, profile: RiskProfile) -> Decimal:
    """Straight lines through the points, level before the first and after the last."""
    points = (*WEIGHTS, (FULL_CONFIDENCE, FULL_WEIGHT[profile]))
    if confidence <= points[0][0]:
        return points[0][1]
    for (low, first), (high, second) in pairwise(points):
        if confidence <= high:
            return first + (second - first) * (confidence - low) / (high - low)
    return points[-1][1]
