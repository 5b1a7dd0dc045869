"""Guards: what stops or shrinks entries after losses, in crowds and at weekends.

Pure functions of the portfolio and the limits. They never touch an exit or a stop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from analysis.domain import Direction
from trading.choices import BotState
from trading.domain.groups import MAJORS
from trading.domain.portfolio import PastTrade, Portfolio
from trading.domain.settings import BotSettings, Limits
from trading.domain.verdict import Factor, Verdict, percent

HALF = Decimal("0.5")
LOSSES_REST = timedelta(hours=24)
FRIDAY, SATURDAY, SUNDAY = 4, 5, 6
WEEKEND_HOUR = 22


def loss_rule(rule: str, span: str, worst: Decimal, start: Decimal, limit: Decimal) -> Verdict:
    """wallet + results at stops - risk of working entries - risk of the new one - start -
    transfers (``worst``) must stay above minus ``limit`` x start."""
    if start <= 0:
        text = f"The {span} began without equity, so nothing may be lost."
        return Verdict(rule, False, "–", percent(-limit), text)
    share = percent(worst / start)
    return Verdict(
        rule,
        worst >= -limit * start,
        share,
        percent(-limit),
        f"If every stop is hit, the {span} ends at {share}.",
    )


def daily_loss(portfolio: Portfolio, limits: Limits, new_risk: Decimal) -> Verdict:
    """The day from 00:00 UTC, with everything lost that can be lost at the stops."""
    worst, start = portfolio.worst_day_result(new_risk), portfolio.day_start_equity
    return loss_rule("daily_loss", "day", worst, start, limits.max_daily_loss)


def weekly_loss(portfolio: Portfolio, limits: Limits, new_risk: Decimal) -> Verdict:
    """The week from Monday 00:00 UTC, by the same sum."""
    worst, start = portfolio.worst_week_result(new_risk), portfolio.week_start_equity
    if worst is None or start is None:
        limit = percent(-limits.max_weekly_loss)
        text = "Not applicable: the week's start is not known here."
        return Verdict("weekly_loss", None, "–", limit, text)
    return loss_rule("weekly_loss", "week", worst, start, limits.max_weekly_loss)


def drawdown(portfolio: Portfolio, limits: Limits) -> Verdict:
    """How far equity is below its highest since the peak was last re-based, transfers apart."""
    value, limit = percent(portfolio.drawdown), percent(limits.max_drawdown)
    return Verdict(
        "drawdown",
        portfolio.drawdown <= limits.max_drawdown,
        value,
        limit,
        f"Equity is {value} below its peak.",
    )


@dataclass(frozen=True, slots=True)
class Streak:
    """Losses in a row, and when the newest was booked."""

    count: int = 0
    newest: datetime | None = None

    @property
    def over_at(self) -> datetime | None:
        """From when on the count is 0 again."""
        return self.newest + LOSSES_REST if self.newest else None


def losing_streak(trades: Iterable[PastTrade], now: datetime) -> Streak:
    """Losses (net P&L below 0) in a row over trades that are given oldest first. A trade without
    loss ends the row, and so do 24 hours without a loss: the count begins at 0 again."""
    count, newest = 0, None
    for trade in trades:
        if trade.net_pnl >= 0:
            count, newest = 0, None
            continue
        rested = newest is not None and trade.closed_at - newest >= LOSSES_REST
        count, newest = (1 if rested else count + 1), trade.closed_at
    if newest is None or now - newest >= LOSSES_REST:
        return Streak()
    return Streak(count, newest)


def bot_streak(portfolio: Portfolio) -> Streak:
    """The row of the asking bot's own losses."""
    mine = [trade for trade in portfolio.past_trades if trade.bot_id == portfolio.bot_id]
    return losing_streak(mine, portfolio.time)


def account_streak(portfolio: Portfolio) -> Streak:
    """The row of losses of all bots together."""
    return losing_streak(portfolio.past_trades, portfolio.time)


def _worse_streak(portfolio: Portfolio) -> tuple[Streak, str]:
    own, all_bots = bot_streak(portfolio), account_streak(portfolio)
    if own.count > all_bots.count:
        return own, "this bot"
    return all_bots, "the account"


def consecutive_losses(portfolio: Portfolio, limits: Limits) -> Verdict:
    """After too many losses in a row, of the bot or of the account, entries pause until 24 hours
    after the newest one."""
    streak, whose = _worse_streak(portfolio)
    most = limits.pause_losses
    paused = 0 < most <= streak.count
    text = f"{streak.count} losses of {whose} in a row."
    if paused and streak.over_at:
        text = f"{text} Entries pause until {streak.over_at:%m-%d %H:%M} UTC."
    limit = f"fewer than {most}" if most else "no limit"
    return Verdict("consecutive_losses", not paused, str(streak.count), limit, text)


def one_per_group(symbol: str, portfolio: Portfolio, limits: Limits) -> Verdict:
    """Symbols that move together are one bet."""
    rule, most = "group", limits.max_per_group
    name = portfolio.groups.get(symbol, "")
    if not name or not most:
        why = f"{symbol} is in no group." if not name else "Groups are not limited."
        return Verdict(rule, True, "0", str(most) if most else "no limit", why)
    held = sorted(
        {
            item.symbol
            for item in portfolio.committed
            if item.symbol != symbol and portfolio.groups.get(item.symbol) == name
        }
    )
    text = f"{name}: {len(held)} of {most} taken" + (f" ({', '.join(held)})." if held else ".")
    return Verdict(rule, len(held) < most, str(len(held)), str(most), text)


def bot_state(portfolio: Portfolio) -> Verdict:
    """A paused bot enters nothing."""
    running = portfolio.bot_state is BotState.RUNNING
    return Verdict(
        "bot_state",
        running,
        portfolio.bot_state.value,
        BotState.RUNNING.value,
        f"The bot is {portfolio.bot_state.label.lower()}.",
    )


def own_room(portfolio: Portfolio, settings: BotSettings) -> tuple[Verdict, ...]:
    """Slots and entries of the day that the bot itself may take, where it has limits of its own."""
    own = settings.own
    asked = (
        ("bot_slots", len({item.symbol for item in portfolio.own()}), own.max_slots, "slots"),
        (
            "bot_entries_per_day",
            portfolio.bot_entries_today,
            own.max_entries_per_day,
            "entries of this day (UTC)",
        ),
    )
    return tuple(
        _own(rule, used, most, what) for rule, used, most, what in asked if most is not None
    )


def own_direction(
    direction: Direction, portfolio: Portfolio, settings: BotSettings
) -> tuple[Verdict, ...]:
    """The same for one side."""
    most = settings.own.max_same_direction
    if most is None:
        return ()
    used = len({item.symbol for item in portfolio.own() if item.direction is direction})
    return (_own("bot_same_direction", used, most, f"{direction} slots"),)


def _own(rule: str, used: int, most: int, what: str) -> Verdict:
    text = f"The bot has taken {used} of its {most} {what}."
    return Verdict(rule, used < most, str(used), str(most), text)


def is_weekend(moment: datetime) -> bool:
    """From Friday 22:00 up to Sunday 22:00 UTC."""
    day = moment.weekday()
    return (
        day == SATURDAY
        or (day == FRIDAY and moment.hour >= WEEKEND_HOUR)
        or (day == SUNDAY and moment.hour < WEEKEND_HOUR)
    )


def size_factors(symbol: str, portfolio: Portfolio, limits: Limits) -> tuple[Factor, ...]:
    """What guards take off the size: a row of losses, and the weekend for all but majors."""
    factors = []
    streak, whose = _worse_streak(portfolio)
    if 0 < limits.half_size_losses <= streak.count:
        text = f"{streak.count} losses of {whose} in a row"
        factors.append(Factor("consecutive_losses", HALF, text))
    major = portfolio.groups.get(symbol) == MAJORS
    if limits.weekend_half_size and not major and is_weekend(portfolio.time):
        factors.append(Factor("weekend", HALF, "weekend, not a major"))
    return tuple(factors)
