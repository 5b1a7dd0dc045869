"""How far a figure from a few trades may be from the truth: 95 % intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]

# Two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054
SEED = 20_240_101
RESAMPLES = 2_000
MAX_RESAMPLED = 1_000


def wilson_interval(wins: int, count: int) -> Interval | None:
    """95 % interval of a share of ``wins`` in ``count``; None without trades.

    (p + z^2/2n -+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n), with p = wins/n.
    Source: Wilson, "Probable inference", JASA 22 (1927) 209-212.
    """
    if count == 0:
        return None
    share = wins / count
    scale = 1 + Z95**2 / count
    centre = share + Z95**2 / (2 * count)
    reach = Z95 * math.sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2))
    # Floats may miss the ends by a hair: no wins is exactly 0, all wins exactly 1.
    low = 0.0 if wins == 0 else (centre - reach) / scale
    high = 1.0 if wins == count else (centre + reach) / scale
    return low, high


def bootstrap_mean(values: Floats, seed: int = SEED) -> Interval | None:
    """95 % interval of the mean of ``values``; None with fewer than two.

    Percentile bootstrap: the 2.5 % and 97.5 % quantiles of the means of 2,000 samples drawn with
    replacement, always with the same seed, so the same trades give the same interval. Source:
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Of more than 1,000 values the means of the samples are normal beyond what a page can show, so
    the limit they tend to is taken: mean -+ z s/sqrt(n).
    """
    count = len(values)
    if count < 2:
        return None
    if count > MAX_RESAMPLED:
        mean = float(values.mean())
        reach = Z95 * float(values.std(ddof=1)) / math.sqrt(count)
        return mean - reach, mean + reach
    draws = np.random.default_rng(seed).integers(0, count, size=(RESAMPLES, count))
    low, high = np.quantile(values[draws].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)
