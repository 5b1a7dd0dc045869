"""How well stated probabilities meet what came true: curve, slope, and Brier score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.intervals import Z95, Interval, wilson_interval

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS = 20


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Forecasts of one bin [low, high): how many, their mean, and the share that was won with its
    95 % interval (Wilson)."""

    low: float
    high: float
    count: int
    forecast: float
    won: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Slope:
    """A slope with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BrierScore:
    """``score`` = ``reliability`` - ``resolution`` + ``uncertainty`` + ``within_bins``.

    Lower is better: 0 is foresight, 0.25 a coin. Reliability is how far forecasts are from what
    came true (0 is best), resolution how far the bins differ from the average (more is better),
    uncertainty that of the outcomes themselves; within_bins is what forecasts that differ within
    a bin leave over.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float
    count: int


def reliability_bins(forecast: Floats, won: Flags, bins: int = BINS) -> list[ReliabilityBin]:
    """Bins of equal width that hold forecasts, lowest first; 1 belongs to the last bin."""
    numbers = _bin_of(forecast, bins)
    found = []
    for number in np.unique(numbers).tolist():
        rows = numbers == number
        count, wins = int(rows.sum()), int(won[rows].sum())
        interval = wilson_interval(wins, count)
        if interval is not None:
            mean = float(forecast[rows].mean())
            low, high = number / bins, (number + 1) / bins
            found.append(ReliabilityBin(low, high, count, mean, wins / count, interval))
    return found


def reliability_slope(forecast: Floats, won: Flags) -> Slope | None:
    """Slope of the straight line through outcomes (1 won, 0 lost) over forecasts: 1 where they
    are right, 0 where they say nothing; None without two different forecasts.

    b = sum((x - mean x)(y - mean y)) / S with S = sum((x - mean x)^2). Outcomes of 0 and 1 spread
    differently along the line, so the error is the one that allows for it, HC1:
    se^2 = n / (n - 2) x sum((x - mean x)^2 e^2) / S^2, interval b -+ 1.96 se. Sources: Wilks,
    "Statistical Methods in the Atmospheric Sciences" (4th ed., 2019), section 9.4; White,
    Econometrica 48 (1980) 817-838; MacKinnon and White, Journal of Econometrics 29 (1985).
    """
    count = len(forecast)
    if count < 3:
        return None
    x = forecast - forecast.mean()
    spread = float(x @ x)
    if spread <= 1e-12:
        return None
    y = won.astype(np.float64)
    y = y - y.mean()
    value = float(x @ y) / spread
    residuals = y - value * x
    variance = count / (count - 2) * float((x**2) @ (residuals**2)) / spread**2
    reach = Z95 * math.sqrt(variance)
    return Slope(value, value - reach, value + reach)


def brier_score(forecast: Floats, won: Flags, bins: int = BINS) -> BrierScore | None:
    """Mean squared difference of forecast and outcome, and its parts; None without forecasts.

    Over bins k with n_k forecasts of mean f_k and share won o_k, and o the share won of all:
    reliability = sum n_k (f_k - o_k)^2 / n, resolution = sum n_k (o_k - o)^2 / n, uncertainty =
    o (1 - o). Sources: Brier, Monthly Weather Review 78 (1950) 1-3; Murphy, Journal of Applied
    Meteorology 12 (1973) 595-600; for forecasts that differ within a bin Stephenson et al.,
    Weather and Forecasting 23 (2008) 752-757.
    """
    count = len(forecast)
    if count == 0:
        return None
    outcome = won.astype(np.float64)
    numbers = _bin_of(forecast, bins)
    sizes = np.bincount(numbers, minlength=bins)
    held = sizes > 0
    n = sizes[held]
    mean_forecast = np.bincount(numbers, weights=forecast, minlength=bins)[held] / n
    mean_outcome = np.bincount(numbers, weights=outcome, minlength=bins)[held] / n
    base = float(outcome.mean())
    score = float(((forecast - outcome) ** 2).mean())
    reliability = float((n * (mean_forecast - mean_outcome) ** 2).sum()) / count
    resolution = float((n * (mean_outcome - base) ** 2).sum()) / count
    uncertainty = base * (1 - base)
    return BrierScore(
        score,
        reliability,
        resolution,
        uncertainty,
        score - reliability + resolution - uncertainty,
        count,
    )


def _bin_of(forecast: Floats, bins: int) -> NDArray[np.int64]:
    # The hair keeps a forecast on an edge in the bin that begins there.
    numbers = np.minimum(np.floor(forecast * bins + 1e-9), bins - 1)
    return numbers.astype(np.int64)
