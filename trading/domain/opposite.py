"""What a valid signal for the other side does to an open trade: close it, and perhaps turn it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from analysis.domain import Direction
from trading.choices import OppositeSignal
from trading.domain.pipeline import Decision, decide
from trading.domain.portfolio import Portfolio
from trading.domain.settings import BotSettings
from trading.domain.signal import Reading

# Rules that say no only because positions are held. A signal that fails no other one is as good
# as any that would be entered.
POSITION_RULES = frozenset(
    {"occupied", "slots", "same_direction", "group", "bot_slots", "bot_same_direction"}
)


@dataclass(frozen=True, slots=True)
class HeldTrade:
    """An open trade whose settings let an opposite signal end it."""

    trade_id: int
    symbol: str
    direction: Direction
    rule: OppositeSignal


def only_positions(failed: Sequence[str]) -> bool:
    """Whether nothing but positions that are held says no."""
    return set(failed) <= POSITION_RULES


def turned(decisions: Sequence[Decision], held: Mapping[str, HeldTrade]) -> tuple[HeldTrade, ...]:
    """The trades that must close, because a signal for the other side fails no rule but those on
    positions."""
    return tuple(
        held[decision.symbol]
        for decision in decisions
        if decision.symbol in held and _turns(decision, held[decision.symbol])
    )


def _turns(decision: Decision, trade: HeldTrade) -> bool:
    if decision.proposal is None or decision.proposal.direction is trade.direction:
        return False
    failed = [verdict.rule for verdict in decision.verdicts if verdict.passed is False]
    return only_positions(failed)


def with_reversals(
    decisions: Sequence[Decision],
    closing: Sequence[HeldTrade],
    readings: Sequence[Reading],
    portfolio: Portfolio,
    settings: BotSettings,
    now: datetime,
) -> tuple[Decision, ...]:
    """The same decisions, where each signal that turns a trade is decided again as if that trade
    were gone. What was accepted before keeps its place; together they keep every limit."""
    turning = {trade.symbol for trade in closing if trade.rule is OppositeSignal.REVERSE}
    by_symbol = {reading.recommendation.symbol: reading for reading in readings}
    held, rank = portfolio, 0
    for decision in decisions:
        if decision.accepted:
            held, rank = _with(held, decision, by_symbol, settings), rank + 1
    settled = []
    for decision in decisions:
        if decision.symbol in turning:
            free = held.without(decision.symbol)
            (decision,) = decide([by_symbol[decision.symbol]], free, settings, now)
            if decision.accepted:
                rank += 1
                decision = replace(decision, rank=rank)
                held = _with(free, decision, by_symbol, settings)
        settled.append(decision)
    return tuple(settled)


def _with(
    held: Portfolio, decision: Decision, readings: Mapping[str, Reading], settings: BotSettings
) -> Portfolio:
    if decision.sizing is None or decision.proposal is None:
        raise ValueError(f"{decision.symbol} was accepted without a size")
    fee = readings[decision.symbol].instrument.taker_fee
    return held.with_signal(decision.sizing.exposure(decision.proposal, settings, fee))
