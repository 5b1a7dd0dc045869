"""The rules of trading as four pure functions over frozen values.

``decide`` runs in the cycle, ``admit`` right before the POST, ``fold`` on each report of the
venue, ``manage`` on each closed monitor candle. The live, stepped and backtest drivers call the
same four; none of them compares a price, a size or a limit itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import Quote
from trading.domain.edge import edge_factors, weight_factors
from trading.domain.exits import manage
from trading.domain.filters import (
    MarketView,
    market_factors,
    signal_rules,
    size_rules,
    symbol_rules,
)
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.replacement import replaceable, would_replace
from trading.domain.risk import account_factors, direction_rules, gate, money_rules
from trading.domain.settings import BotSettings, Limits
from trading.domain.signal import (
    Proposal,
    Reading,
    agreed,
    drifted,
    grounded,
    no_setup,
    prices_ordered,
    propose,
    still_ordered,
    validate,
)
from trading.domain.sizing import Sizing, bot_factors, loss_allowed, size
from trading.domain.trade import fold
from trading.domain.verdict import Verdict, first_failure, number, percent, plain, product

__all__ = ["Admission", "ApprovedSignal", "Decision", "admit", "decide", "fold", "manage"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one symbol. ``rule`` is the first rule that said no, empty when accepted;
    ``rank`` counts accepted signals from 1."""

    symbol: str
    proposal: Proposal | None
    sizing: Sizing | None
    verdicts: tuple[Verdict, ...]
    rank: int | None = None

    @property
    def rule(self) -> str:
        failed = first_failure(self.verdicts)
        return failed.rule if failed else ""

    @property
    def accepted(self) -> bool:
        return self.rank is not None


def decide(
    readings: Sequence[Reading], portfolio: Portfolio, settings: BotSettings, now: datetime
) -> tuple[Decision, ...]:
    """Validate, rank and size; the best signals take the free slots one after the other.

    Each accepted signal counts as held when the next one is sized, so together they keep every
    limit. One of them may count on the slot of an unfilled entry that is worse. Rank:
    confidence, then net reward to risk, then symbol.
    """
    settled = [_judge(reading, portfolio, settings, now) for reading in readings]
    passed = sorted(
        (index for index, item in enumerate(settled) if not item.rule),
        key=lambda index: _rank_key(settled[index]),
    )
    held, rank, replaced = portfolio, 0, False
    for index in passed:
        old = None if replaced else _slot_for(settled[index].proposal, held, settings)
        room = held if old is None else held.without_entry(old.symbol)
        decision, exposure = _size(settled[index], room, settings, readings[index])
        if exposure is not None:
            rank += 1
            held, replaced = room.with_signal(exposure), replaced or old is not None
            decision = replace(decision, rank=rank)
        settled[index] = decision
    return tuple(settled)


def _judge(
    reading: Reading, portfolio: Portfolio, settings: BotSettings, now: datetime
) -> Decision:
    rec = reading.recommendation
    found = no_setup(rec)
    if not found.passed:
        return Decision(rec.symbol, None, None, (found,))
    ordered = prices_ordered(rec.direction, rec.stop_loss, rec.entry_price, rec.take_profit)
    if not ordered.passed:
        return Decision(rec.symbol, None, None, (found, ordered))
    proposal = propose(reading, settings)
    ordered = still_ordered(proposal)
    if not ordered.passed:
        return Decision(rec.symbol, proposal, None, (found, ordered))
    old = _slot_for(proposal, portfolio, settings)
    swap: tuple[Verdict, ...] = ()
    if old is not None:
        swap = (would_replace(proposal.confidence.value, old, settings),)
        portfolio = portfolio.without_entry(old.symbol)
    verdicts = (
        found,
        ordered,
        grounded(reading),
        agreed(rec),
        *swap,
        *validate(proposal, reading, portfolio, settings, now),
        *gate(rec.symbol, portfolio, settings),
        *direction_rules(rec.symbol, rec.direction, portfolio, settings),
        *symbol_rules(reading.view, settings),
        *signal_rules(proposal.direction, proposal.stop_distance, reading.view, settings),
    )
    return Decision(rec.symbol, proposal, None, verdicts)


def _slot_for(
    proposal: Proposal | None, portfolio: Portfolio, settings: BotSettings
) -> Exposure | None:
    """The working entry that the signal would replace, if any."""
    if proposal is None:
        return None
    return replaceable(proposal.symbol, proposal.confidence.value, portfolio, settings)


def _rank_key(decision: Decision) -> tuple[Decimal, Decimal, str]:
    proposal = decision.proposal
    assert proposal is not None
    return (-proposal.confidence.value, -proposal.rr_net, decision.symbol)


def _size(
    decision: Decision, held: Portfolio, settings: BotSettings, reading: Reading
) -> tuple[Decision, Exposure | None]:
    """Size against what is held by now; the account's rules are asked again with it."""
    proposal = decision.proposal
    assert proposal is not None
    instrument = reading.instrument
    factors = (
        *bot_factors(held, settings),
        *account_factors(proposal.symbol, held, settings),
        *market_factors(reading.view, settings),
        *edge_factors(proposal, settings),
    )
    sizing = size(proposal, held, settings, instrument, factors)
    exposure = sizing.exposure(proposal, settings, instrument.taker_fee)
    account = {
        verdict.rule: verdict
        for verdict in (
            *gate(proposal.symbol, held, settings),
            *direction_rules(proposal.symbol, proposal.direction, held, settings),
        )
    }
    verdicts = (
        *(account.get(verdict.rule, verdict) for verdict in decision.verdicts),
        *sizing.verdicts,
        *size_rules(exposure.notional, reading.view, settings),
    )
    if not first_failure(verdicts):
        money = money_rules(exposure, held, settings)
        asked_again = {verdict.rule for verdict in money}
        verdicts = (*(v for v in verdicts if v.rule not in asked_again), *money)
    sized = replace(decision, sizing=sizing, verdicts=verdicts)
    return sized, None if first_failure(verdicts) else exposure


@dataclass(frozen=True, slots=True)
class ApprovedSignal:
    """Exactly the payload that was approved; ``admit`` sends it or drops it. ``smallest`` says
    that the venue would take no smaller order."""

    symbol: str
    direction: Direction
    entry_price: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    rr_net: Decimal
    confidence: Decimal
    risk_amount: Decimal
    exposure: Exposure
    candle_time: datetime
    smallest: bool = False

    @property
    def stop_distance(self) -> Decimal:
        """From the worst price the entry may fill at."""
        return abs(self.exposure.price - self.stop_loss)


@dataclass(frozen=True, slots=True)
class Admission:
    """The last check before the POST."""

    verdicts: tuple[Verdict, ...]

    @property
    def refused_by(self) -> Verdict | None:
        return first_failure(self.verdicts)


def admit(
    signal: ApprovedSignal,
    portfolio: Portfolio,
    quote: Quote,
    quote_age_s: Decimal,
    settings: BotSettings,
    now: datetime,
    view: MarketView,
) -> Admission:
    """Ask every rule again that may have changed since the decision: the account's rules with
    the limits as they are now, the market, the age of analysis and quote, and how far price has
    moved.

    ``portfolio`` must not hold the signal itself; ``quote_age_s`` is wall time.
    """
    factors = (
        *bot_factors(portfolio, settings),
        *account_factors(signal.symbol, portfolio, settings),
        *market_factors(view, settings),
        *weight_factors(signal.confidence, settings),
    )
    share = settings.capital_share * settings.limits.risk_per_trade
    planned = portfolio.wallet * share * product(factors)
    allowed = loss_allowed(planned, portfolio.equity, settings, smallest=signal.smallest)
    verdicts = (
        *gate(signal.symbol, portfolio, settings),
        *direction_rules(signal.symbol, signal.direction, portfolio, settings),
        *symbol_rules(view, settings),
        *signal_rules(signal.direction, signal.stop_distance, view, settings),
        *size_rules(signal.exposure.notional, view, settings),
        *_fresh(now - signal.candle_time, quote_age_s, settings),
        drifted(signal.direction, signal.entry_price, signal.stop_loss, quote.last, settings.rules),
        *_still_wanted(signal, allowed, settings.limits),
        *money_rules(signal.exposure, portfolio, settings),
    )
    return Admission(verdicts)


def _fresh(age: timedelta, quote_age_s: Decimal, settings: BotSettings) -> tuple[Verdict, ...]:
    """Whether analysis and quote are young enough."""
    most_s = settings.rules.max_quote_age_s
    return (
        Verdict(
            "analysis_age",
            age <= settings.timeframe,
            str(age),
            str(settings.timeframe),
            f"The analysis is {age} old.",
        ),
        Verdict(
            "quote_age",
            quote_age_s <= most_s,
            f"{number(quote_age_s, 1)} s",
            f"{number(most_s, 1)} s",
            f"The quote is {number(quote_age_s, 1)} s old.",
        ),
    )


def _still_wanted(signal: ApprovedSignal, allowed: Decimal, limits: Limits) -> tuple[Verdict, ...]:
    """What was approved against the limits as they are now; the stop may take ``allowed`` USDT."""
    return (
        Verdict(
            "confidence",
            signal.confidence >= limits.min_confidence,
            percent(signal.confidence, 1),
            percent(limits.min_confidence, 1),
            "Confidence against the limit as it is now.",
        ),
        Verdict(
            "rr_net",
            signal.rr_net >= limits.min_rr_net,
            number(signal.rr_net),
            number(limits.min_rr_net),
            "Reward to risk against the limit as it is now.",
        ),
        Verdict(
            "loss_at_stop",
            signal.risk_amount <= allowed,
            plain(signal.risk_amount),
            number(allowed),
            "Loss at the stop against the wallet and limits as they are now.",
        ),
    )
