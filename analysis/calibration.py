"""From a raw confidence to the probability that past trades of that confidence had of winning.

A trade is won when its net result is above 0. A curve is fitted on trades that closed before the
decision it serves; whoever calls ``fit`` must give no others.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from analysis.reliability import reliability_slope

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_LABELS = 100
ISOTONIC_LABELS = 1000
PLATT = "platt"
ISOTONIC = "isotonic"
# Platt's curve is kept as points this far apart; a straight line between them misses it by less
# than a thousandth of a point.
STEPS = 200
ITERATIONS = 100
FOUR_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class CalibratedChance:
    """``chance`` 0..1 of winning and its standard error, from ``count`` closed trades."""

    chance: Decimal
    error: Decimal
    count: int
    method: str


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """A fitted curve as points (raw confidence, chance, standard error), rising in the first.

    ``count`` trades, all closed before ``until``; ``method`` is platt or isotonic, and empty with
    no points while there are fewer than 100 of them. ``reliable`` says that the reliability slope
    lies above 0 with its 95 % interval.
    """

    points: tuple[tuple[Decimal, Decimal, Decimal], ...]
    count: int
    until: datetime
    method: str
    reliable: bool

    def chance(self, raw: Decimal) -> CalibratedChance | None:
        """The chance at ``raw``, on the straight line between the two points around it; beyond
        the last point that point's. None while uncalibrated."""
        if not self.points:
            return None
        after = bisect_right(self.points, raw, key=lambda point: point[0])
        if after in (0, len(self.points)):
            _, chance, error = self.points[min(after, len(self.points) - 1)]
        else:
            (low, *first), (high, *second) = self.points[after - 1], self.points[after]
            part = (raw - low) / (high - low)
            chance, error = (a + (b - a) * part for a, b in zip(first, second, strict=True))
        return CalibratedChance(
            chance.quantize(FOUR_PLACES), error.quantize(FOUR_PLACES), self.count, self.method
        )


def fit(confidence: Floats, won: Flags, until: datetime) -> CalibrationCurve:
    """The curve of closed trades: none under 100, Platt's under 1,000, then isotonic."""
    count = len(confidence)
    if count < MIN_LABELS:
        return CalibrationCurve((), count, until, "", False)
    slope = reliability_slope(confidence, won)
    reliable = slope is not None and slope.low > 0
    if count < ISOTONIC_LABELS:
        points, method = platt_points(confidence, won), PLATT
    else:
        points, method = isotonic_points(confidence, won), ISOTONIC
    exact = tuple(tuple(Decimal(str(round(value, 8))) for value in point) for point in points)
    return CalibrationCurve(
        tuple((raw, chance, error) for raw, chance, error in exact), count, until, method, reliable
    )


@dataclass(frozen=True, slots=True)
class PlattFit:
    """p(x) = 1 / (1 + exp(-(intercept + slope x))) with the covariance of both."""

    intercept: float
    slope: float
    covariance: Floats

    def chance(self, raw: float) -> tuple[float, float]:
        """Probability and standard error at ``raw``, by the delta method:
        se(p) = p (1 - p) sqrt(v' C v) with v = (1, x) and C the covariance."""
        chance = float(_logistic(np.array([self.intercept + self.slope * raw]))[0])
        v = np.array([1.0, raw])
        return chance, chance * (1 - chance) * math.sqrt(max(0.0, float(v @ self.covariance @ v)))


def platt_fit(confidence: Floats, won: Flags) -> PlattFit:
    """Maximum likelihood of a logistic curve, by Newton's method with halved steps.

    Outcomes are drawn a little towards the middle, wins to (N+ + 1) / (N+ + 2) and losses to
    1 / (N- + 2), so that even a list without losses has a finite curve. The covariance is the
    inverse of the information at the optimum. Sources: Platt, "Probabilistic outputs for support
    vector machines" (1999); Lin, Lin and Weng, Machine Learning 68 (2007) 267-276.
    """
    wins = int(won.sum())
    losses = len(won) - wins
    target = np.where(won, (wins + 1) / (wins + 2), 1 / (losses + 2))
    centre = float(confidence.mean())
    design = np.column_stack((np.ones(len(confidence)), confidence - centre))
    weights = np.array([math.log((wins + 1) / (losses + 1)), 0.0])
    loss = _log_loss(design @ weights, target)
    # The hair keeps the information invertible where all confidences are equal.
    ridge = 1e-10 * np.eye(2)
    for _ in range(ITERATIONS):
        chance = _logistic(design @ weights)
        gradient = design.T @ (chance - target)
        step = np.linalg.solve(_information(design, chance) + ridge, gradient)
        stride = 1.0
        while _log_loss(design @ (weights - stride * step), target) > loss and stride > 1e-10:
            stride /= 2
        weights = weights - stride * step
        loss = _log_loss(design @ weights, target)
        if float(np.abs(stride * step).max()) < 1e-12:
            break
    covariance = np.linalg.pinv(_information(design, _logistic(design @ weights)))
    # Back from the centred to the raw confidence.
    back = np.array([[1.0, -centre], [0.0, 1.0]])
    intercept, slope = back @ weights
    return PlattFit(float(intercept), float(slope), back @ covariance @ back.T)


def platt_points(confidence: Floats, won: Flags) -> list[tuple[float, float, float]]:
    """Points of the logistic curve from 0 to 1."""
    fitted = platt_fit(confidence, won)
    return [(raw, *fitted.chance(raw)) for raw in np.linspace(0, 1, STEPS + 1).tolist()]


def isotonic_points(confidence: Floats, won: Flags) -> list[tuple[float, float, float]]:
    """Both ends of every block of the isotonic fit, each with the block's chance and error.

    The error is that of a share with two wins and two losses added, so that a block of wins only
    is not certain: sqrt(q (1 - q) / (n + 4)) with q = (wins + 2) / (n + 4). Source: Agresti and
    Coull, The American Statistician 52 (1998) 119-126.
    """
    points = []
    for low, high, wins, count in isotonic_blocks(confidence, won):
        share = (wins + 2) / (count + 4)
        error = math.sqrt(share * (1 - share) / (count + 4))
        points.append((low, wins / count, error))
        if high > low:
            points.append((high, wins / count, error))
    return points


def isotonic_blocks(confidence: Floats, won: Flags) -> list[tuple[float, float, int, int]]:
    """Blocks (lowest, highest confidence, wins, count) with a share of wins that never falls.

    Pool adjacent violators: trades of one confidence form a block, and neighbours whose shares
    fall are joined until none does. It is the least-squares fit among all rising ones. Source:
    Ayer et al., Annals of Mathematical Statistics 26 (1955) 641-647.
    """
    levels, position = np.unique(confidence, return_inverse=True)
    counts = np.bincount(position)
    wins = np.bincount(position, weights=won).astype(np.int64)
    blocks: list[tuple[float, float, int, int]] = []
    for level, hits, count in zip(levels.tolist(), wins.tolist(), counts.tolist(), strict=True):
        block = (level, level, hits, count)
        while blocks and blocks[-1][2] * block[3] >= block[2] * blocks[-1][3]:
            low, _, more_hits, more = blocks.pop()
            block = (low, block[1], more_hits + block[2], more + block[3])
        blocks.append(block)
    return blocks


def _logistic(values: Floats) -> Floats:
    # Both branches are finite for every finite value.
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1 / (1 + small), small / (1 + small))


def _information(design: Floats, chance: Floats) -> Floats:
    weighted: Floats = design.T * (chance * (1 - chance))
    return weighted @ design


def _log_loss(values: Floats, target: Floats) -> float:
    return float((np.logaddexp(0, values) - target * values).sum())
