"""The few statistics that the examination is judged by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from analysis.intervals import Z95, wilson_interval


class Interval(NamedTuple):
    low: float
    high: float


def wilson(hits: int, count: int) -> Interval:
    """95 % interval of a share. Without a count everything is possible."""
    found = wilson_interval(hits, count)
    return Interval(*found) if found else Interval(0.0, 1.0)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0..1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """Standard deviation of a sample; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def mean_interval(values: Sequence[float]) -> Interval:
    """95 % interval of a mean by the normal approximation; unbounded under two values."""
    if len(values) < 2:
        return Interval(-math.inf, math.inf)
    half = Z95 * deviation(values) / math.sqrt(len(values))
    return Interval(mean(values) - half, mean(values) + half)


def two_proportion_z(hits: int, count: int, base_hits: int, base_count: int) -> float:
    """How many standard errors a share lies from the one it is compared with; 0 without data."""
    if count == 0 or base_count == 0:
        return 0.0
    pooled = (hits + base_hits) / (count + base_count)
    error = math.sqrt(pooled * (1 - pooled) * (1 / count + 1 / base_count))
    return 0.0 if error == 0 else (hits / count - base_hits / base_count) / error


def macro_f1(pairs: Sequence[tuple[Hashable, Hashable]]) -> float:
    """Mean F1 over the classes that truly occur, of pairs (truth, answer)."""
    truths = Counter(truth for truth, _ in pairs)
    answers = Counter(answer for _, answer in pairs)
    right = Counter(truth for truth, answer in pairs if truth == answer)
    if not truths:
        return 0.0
    return mean([2 * right[each] / (truths[each] + answers[each]) for each in truths])


def modal_share(values: Sequence[Hashable]) -> float:
    """Share of the commonest value."""
    return Counter(values).most_common(1)[0][1] / len(values)
