"""Figures over closed trades: what they are made of, and how far they can be trusted."""

from analysis.intervals import bootstrap_mean, wilson_interval
from trading.domain.statistics.figures import Statistics, statistics, statistics_by
from trading.domain.statistics.trades import ClosedTrade, Dimension

__all__ = [
    "ClosedTrade",
    "Dimension",
    "Statistics",
    "bootstrap_mean",
    "statistics",
    "statistics_by",
    "wilson_interval",
]
