"""Rules of the account: may a symbol be traded at all, in this direction, with this much risk?

Each rule answers with a ``Verdict``; a refusal is a value, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import ZERO
from trading.choices import TradingStateName
from trading.domain import guards
from trading.domain.blackouts import blackout_factors, blackout_rule
from trading.domain.portfolio import Exposure, Portfolio, PurseState
from trading.domain.protections import side_pauses, symbol_pauses
from trading.domain.settings import NOTIONAL_CAP, BotSettings
from trading.domain.verdict import Factor, Verdict, dollars, percent, times

DAY = timedelta(days=1)


def gate(symbol: str, portfolio: Portfolio, settings: BotSettings) -> tuple[Verdict, ...]:
    """Every rule that needs no signal, asked before anything is paid for."""
    return (
        _trading_state(portfolio),
        guards.bot_state(portfolio),
        _doubts(portfolio),
        _slots(portfolio, settings),
        _entries_today(portfolio, settings),
        *guards.own_room(portfolio, settings),
        guards.daily_loss(portfolio, settings.limits, ZERO),
        guards.weekly_loss(portfolio, settings.limits, ZERO),
        guards.drawdown(portfolio, settings.limits),
        guards.consecutive_losses(portfolio, settings.limits),
        _occupied(symbol, portfolio),
        guards.one_per_group(symbol, portfolio, settings.limits),
        blackout_rule(symbol, portfolio.blackouts, portfolio.time),
        _cooldown(symbol, portfolio, settings),
        *symbol_pauses(settings.protections, symbol, portfolio.past_trades, portfolio.time),
    )


def direction_rules(
    symbol: str, direction: Direction, portfolio: Portfolio, settings: BotSettings
) -> tuple[Verdict, ...]:
    """Rules that need to know the side."""
    return (
        _same_direction(direction, portfolio, settings),
        *guards.own_direction(direction, portfolio, settings),
        _same_side_cooldown(symbol, direction, portfolio, settings),
        *side_pauses(
            settings.protections, symbol, direction, portfolio.past_trades, portfolio.time
        ),
    )


def money_rules(
    exposure: Exposure, portfolio: Portfolio, settings: BotSettings
) -> tuple[Verdict, ...]:
    """Rules on what the new trade adds to risk and exposure."""
    limits, equity, side = settings.limits, portfolio.equity, exposure.direction
    position_limit = min(limits.max_position_notional, NOTIONAL_CAP)
    return (
        _of_equity(
            "open_risk",
            portfolio.open_risk + exposure.risk,
            equity,
            limits.max_open_risk,
            "All trades together would risk {} of equity.",
        ),
        _of_equity(
            "same_direction_risk",
            portfolio.direction_risk(side) + exposure.risk,
            equity,
            limits.max_same_direction_risk,
            f"All {side} trades together would risk {{}} of equity.",
        ),
        # A position that was sized to its cap must not fall to a breath of equity since then.
        _of_equity(
            "position_notional",
            exposure.notional,
            equity,
            position_limit * settings.rules.stop_loss_tolerance,
            "The position would be {} equity.",
            times,
        ),
        _of_equity(
            "gross_exposure",
            portfolio.gross_notional + exposure.notional,
            equity,
            min(limits.max_gross_exposure, NOTIONAL_CAP),
            "All positions together would be {} equity.",
            times,
        ),
        guards.daily_loss(portfolio, limits, exposure.risk),
        guards.weekly_loss(portfolio, limits, exposure.risk),
    )


def account_factors(symbol: str, portfolio: Portfolio, settings: BotSettings) -> tuple[Factor, ...]:
    """What the account's guards and blackouts take off the size."""
    return (
        *guards.size_factors(symbol, portfolio, settings.limits),
        *blackout_factors(symbol, portfolio.blackouts, portfolio.time),
    )


def ai_budget(purses: Sequence[PurseState]) -> Verdict:
    """Whether a model may be asked at all: no purse that would pay for it is empty. Asked before
    analyses only; a signal that was paid for is not dropped for having cost something."""
    fullest = max(purses, key=lambda purse: purse.spent - purse.cap, default=None)
    if fullest is None:
        return Verdict("budget", None, "–", "–", "Not applicable: nothing is paid for.")
    spent, cap = dollars(fullest.spent), dollars(fullest.cap)
    return Verdict(
        "budget",
        fullest.spent < fullest.cap,
        spent,
        cap,
        f"{spent} of {cap} of AI cost of {fullest.name} are spent this day (UTC).",
    )


def _of_equity(
    rule: str,
    amount: Decimal,
    equity: Decimal,
    limit: Decimal,
    text: str,
    show: Callable[[Decimal], str] = percent,
) -> Verdict:
    """``amount`` is at most ``limit`` x equity; without equity there is room for nothing."""
    if equity <= 0:
        return Verdict(rule, False, "–", show(limit), "The account has no equity.")
    share = show(amount / equity)
    return Verdict(rule, amount <= limit * equity, share, show(limit), text.format(share))


def _trading_state(portfolio: Portfolio) -> Verdict:
    active = portfolio.trading_state is TradingStateName.ACTIVE
    reason = f" ({portfolio.state_reason})" if portfolio.state_reason else ""
    return Verdict(
        "trading_state",
        active,
        portfolio.trading_state.value,
        TradingStateName.ACTIVE.value,
        "Entries are allowed."
        if active
        else f"Entries are off: {portfolio.trading_state}{reason}.",
    )


def _doubts(portfolio: Portfolio) -> Verdict:
    return Verdict(
        "health",
        not portfolio.doubts,
        "; ".join(portfolio.doubts) or "none",
        "none",
        f"In doubt: {'; '.join(portfolio.doubts)}." if portfolio.doubts else "Nothing is in doubt.",
    )


def _slots(portfolio: Portfolio, settings: BotSettings) -> Verdict:
    used, limit = portfolio.slots_used, settings.limits.max_slots
    return Verdict(
        "slots", used < limit, str(used), str(limit), f"{used} of {limit} slots are taken."
    )


def _entries_today(portfolio: Portfolio, settings: BotSettings) -> Verdict:
    done, limit = portfolio.entries_today, settings.limits.max_entries_per_day
    return Verdict(
        "entries_per_day",
        done < limit,
        str(done),
        str(limit),
        f"{done} of {limit} entries of this day (UTC) are used.",
    )


def _occupied(symbol: str, portfolio: Portfolio) -> Verdict:
    if symbol in portfolio.external_symbols:
        return Verdict(
            "occupied", False, "external", "free", f"{symbol} has a position that is not ours."
        )
    taken = symbol in portfolio.occupied
    return Verdict(
        "occupied",
        not taken,
        "taken" if taken else "free",
        "free",
        f"{symbol} already has a trade, an entry or a signal." if taken else f"{symbol} is free.",
    )


def _cooldown(symbol: str, portfolio: Portfolio, settings: BotSettings) -> Verdict:
    pause = settings.rules.cooldown(settings.timeframe)
    last = max((s.time for s in portfolio.stop_outs if s.symbol == symbol), default=None)
    since = None if last is None else portfolio.time - last
    return Verdict(
        "cooldown",
        since is None or since >= pause,
        "never" if since is None else str(since),
        str(pause),
        f"No stop-out of {symbol} in memory."
        if since is None
        else f"The last stop-out of {symbol} was {since} ago; the pause is {pause}.",
    )


def _same_direction(direction: Direction, portfolio: Portfolio, settings: BotSettings) -> Verdict:
    held, limit = portfolio.same_direction(direction), settings.limits.max_same_direction
    return Verdict(
        "same_direction",
        held < limit,
        str(held),
        str(limit),
        f"{held} of {limit} {direction} slots are taken.",
    )


def _same_side_cooldown(
    symbol: str, direction: Direction, portfolio: Portfolio, settings: BotSettings
) -> Verdict:
    """After a stop-out the same side waits 8 bars. Two within 24 hours of each other close it
    for the rest of the day of the second."""
    outs = [s.time for s in portfolio.stop_outs if (s.symbol, s.direction) == (symbol, direction)]
    pause = settings.rules.same_side_cooldown_bars * settings.timeframe
    midnight = portfolio.time.replace(hour=0, minute=0, second=0, microsecond=0)
    most = max((_within_a_day(outs, last) for last in outs if last >= midnight), default=0)
    locked = most >= settings.rules.same_side_stop_outs
    waiting = any(portfolio.time - moment < pause for moment in outs)
    if locked:
        text = f"{symbol} {direction} was stopped out {most} times in 24 h: off until 00:00."
    elif waiting:
        text = f"{symbol} {direction} was stopped out less than {pause} ago."
    else:
        text = f"No recent stop-out of {symbol} {direction}."
    return Verdict(
        "same_side_cooldown",
        not (locked or waiting),
        f"{most} in 24 h",
        f"{settings.rules.same_side_stop_outs} in 24 h; {pause}",
        text,
    )


def _within_a_day(moments: Sequence[datetime], last: datetime) -> int:
    """How many lie in the 24 hours that end with ``last``."""
    return sum(last - DAY < moment <= last for moment in moments)
