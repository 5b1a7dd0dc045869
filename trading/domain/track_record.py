"""What a bot's closed trades say about how much it may risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from exchange.domain import ZERO

# Fewer closed trades say nothing about how often a bot wins.
KELLY_TRADES = 200
# Full Kelly doubles the pain of every error in its two guesses; a quarter is the usual caution.
KELLY_FRACTION = Decimal("0.25")


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """``win_rate`` is the share of closed trades with a net profit; ``payoff`` the average win
    over the average loss, both in R, None while one of them is missing."""

    trades: int = 0
    win_rate: Decimal = ZERO
    payoff: Decimal | None = None


def track_record(results: Sequence[Decimal]) -> TrackRecord:
    """The record of closed trades by their net results in R. What neither won nor lost counts
    as a trade that did not win."""
    if not results:
        return TrackRecord()
    wins = [result for result in results if result > 0]
    losses = [-result for result in results if result < 0]
    payoff = None
    if wins and losses:
        payoff = (sum(wins, ZERO) / len(wins)) / (sum(losses, ZERO) / len(losses))
    return TrackRecord(len(results), Decimal(len(wins)) / len(results), payoff)


def kelly_share(record: TrackRecord) -> Decimal | None:
    """The share of capital to risk: a quarter of p - (1 - p) / b, never below 0, where p is the
    win rate and b the payoff (Kelly 1956). None where there are too few trades, or no loss among
    them to measure b with."""
    if record.trades < KELLY_TRADES:
        return None
    if record.payoff is None:
        return ZERO if record.win_rate == 0 else None
    full = record.win_rate - (1 - record.win_rate) / record.payoff
    return max(ZERO, full) * KELLY_FRACTION
