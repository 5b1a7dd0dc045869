"""How each guard of an account stands now: value, limit, and what lifts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from analysis.domain import Direction
from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import BlackoutAction, BotState, TradingStateName
from trading.domain import guards
from trading.domain.portfolio import Portfolio
from trading.domain.protections import pause_of
from trading.domain.settings import BotSettings, Limits
from trading.domain.verdict import Verdict, number, percent, times
from trading.equity import day_start, week_start
from trading.models import Bot
from trading.portfolio import portfolio_get
from trading.settings_of import account_settings, limits_current

GAP = Decimal("0.20")
BY_ITSELF = "by itself, as trades close or limits rise"
WEEK = timedelta(days=7)
WEEKEND_ENDS = "Sunday 22:00 UTC"


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One guard. ``share`` is how much of the limit is used, 0 and up; None where nothing is
    measured. ``lifts`` says what ends it, and when."""

    rule: str
    name: str
    value: str
    limit: str
    tripped: bool
    lifts: str
    share: Decimal | None = None


@dataclass(frozen=True, slots=True)
class GuardsNow:
    """An account against its limits. ``gap_loss`` is what open positions lose when every price
    jumps 20 % against them, past every stop."""

    rows: tuple[GuardRow, ...]
    portfolio: Portfolio
    gap_loss: Decimal

    @property
    def gap_share(self) -> Decimal | None:
        return self.gap_loss / self.portfolio.equity if self.portfolio.equity > 0 else None


def guards_now(account: ExchangeAccount, market: MarketData) -> GuardsNow:
    """The guards with what they were measured on. Raises ``MarketDataError``, and
    ``SettingsInvalid`` where the stored protections can't be read."""
    settings = account_settings(limits_current(account))
    portfolio = portfolio_get(
        account=account, market=market, settings=settings, wall_now=timezone.now()
    )
    bots = list(Bot.objects.filter(account=account, state=BotState.RUNNING).order_by("name"))
    rows = (
        *_by_hand(portfolio),
        *_room(portfolio, settings.limits),
        *_losses(portfolio, settings.limits),
        *_streaks(portfolio, settings.limits, bots),
        *_exposure(portfolio, settings.limits),
        *_crowd(portfolio, settings.limits),
        *_blackouts(portfolio),
        *_pauses(account, portfolio, settings),
    )
    gap = sum((item.notional for item in portfolio.exposures if not item.working), ZERO) * GAP
    return GuardsNow(rows, portfolio, gap)


def _used(part: Decimal, whole: Decimal) -> Decimal | None:
    return max(ZERO, part / whole) if whole > 0 else None


def _by_hand(portfolio: Portfolio) -> Iterator[GuardRow]:
    state = portfolio.trading_state
    lifts = {
        TradingStateName.ACTIVE: "–",
        TradingStateName.REDUCING: "a person arms again on the kill switch page",
        TradingStateName.HALTED: "a person, in two steps on the kill switch page",
    }[state]
    reason = f" ({portfolio.state_reason})" if portfolio.state_reason and lifts != "–" else ""
    yield GuardRow(
        "trading_state",
        "Trading state",
        f"{state.label}{reason}",
        TradingStateName.ACTIVE.label,
        state is not TradingStateName.ACTIVE,
        lifts,
    )
    doubts = "; ".join(portfolio.doubts)
    yield GuardRow(
        "health", "Doubts", doubts or "none", "none", bool(doubts), "by itself, once they are gone"
    )


def _count(rule: str, name: str, used: int, most: int, lifts: str) -> GuardRow:
    """Full is no loss: it is said, not shouted."""
    share = _used(Decimal(used), Decimal(most))
    return GuardRow(rule, name, str(used), str(most), used >= most, lifts, share)


def _room(portfolio: Portfolio, limits: Limits) -> Iterator[GuardRow]:
    yield _count("slots", "Slots", portfolio.slots_used, limits.max_slots, "when a trade closes")
    for side in (Direction.LONG, Direction.SHORT):
        held = portfolio.same_direction(side)
        name = f"Slots, {side}"
        yield _count("same_direction", name, held, limits.max_same_direction, "when a trade closes")
    midnight = day_start(portfolio.time) + timedelta(days=1)
    yield _count(
        "entries_per_day",
        "Entries today",
        portfolio.entries_today,
        limits.max_entries_per_day,
        f"{midnight:%m-%d} 00:00 UTC",
    )


def _losses(portfolio: Portfolio, limits: Limits) -> Iterator[GuardRow]:
    midnight = day_start(portfolio.time) + timedelta(days=1)
    monday = week_start(portfolio.time) + WEEK
    day = (guards.daily_loss(portfolio, limits, ZERO), portfolio.worst_day_result(ZERO))
    week = (guards.weekly_loss(portfolio, limits, ZERO), portfolio.worst_week_result(ZERO) or ZERO)
    yield _loss(
        "Result of the day, if every stop is hit",
        *day,
        limits.max_daily_loss * portfolio.day_start_equity,
        f"{midnight:%m-%d} 00:00 UTC",
    )
    yield _loss(
        "Result of the week, if every stop is hit",
        *week,
        limits.max_weekly_loss * (portfolio.week_start_equity or ZERO),
        f"Monday {monday:%m-%d} 00:00 UTC",
    )
    drop = guards.drawdown(portfolio, limits)
    yield GuardRow(
        drop.rule,
        "Drawdown from the peak",
        drop.value,
        drop.limit,
        drop.passed is False,
        "a person re-bases the peak below, then arms again in two steps",
        _used(portfolio.drawdown, limits.max_drawdown),
    )


def _loss(name: str, verdict: Verdict, worst: Decimal, most: Decimal, lifts: str) -> GuardRow:
    sign = "+" if worst > 0 else ""
    value = f"{sign}{verdict.value} ({sign}{number(worst)} USDT)"
    limit = f"{verdict.limit} ({number(-most)} USDT)"
    return GuardRow(
        verdict.rule, name, value, limit, verdict.passed is False, lifts, _used(-worst, most)
    )


def _streaks(portfolio: Portfolio, limits: Limits, bots: list[Bot]) -> Iterator[GuardRow]:
    owners: list[tuple[str, guards.Streak]] = [("account", guards.account_streak(portfolio))]
    for bot in bots:
        mine = [trade for trade in portfolio.past_trades if trade.bot_id == bot.pk]
        owners.append((bot.name, guards.losing_streak(mine, portfolio.time)))
    for name, streak in owners:
        yield _streak(f"Losses in a row, {name}", streak, limits)


def _streak(name: str, streak: guards.Streak, limits: Limits) -> GuardRow:
    half, pause = limits.half_size_losses, limits.pause_losses
    words = [f"{half} half size"] if half else []
    words += [f"{pause} pause"] if pause else []
    halved = 0 < half <= streak.count
    paused = 0 < pause <= streak.count
    value = str(streak.count) + (", entries pause" if paused else ", half size" if halved else "")
    over = f"{streak.over_at:%m-%d %H:%M} UTC, or a trade without loss" if streak.over_at else "–"
    share = _used(Decimal(streak.count), Decimal(pause or half))
    return GuardRow(
        "consecutive_losses", name, value, ", ".join(words) or "no limit", paused, over, share
    )


def _exposure(portfolio: Portfolio, limits: Limits) -> Iterator[GuardRow]:
    equity = portfolio.equity
    amounts: list[tuple[str, str, Decimal, Decimal, Callable[[Decimal], str]]] = [
        ("open_risk", "Open risk", portfolio.open_risk, limits.max_open_risk, percent)
    ]
    for side in (Direction.LONG, Direction.SHORT):
        risked = portfolio.direction_risk(side)
        most = limits.max_same_direction_risk
        amounts.append(("same_direction_risk", f"Open risk, {side}", risked, most, percent))
    largest = max((item.notional for item in portfolio.committed), default=ZERO)
    single, gross = limits.max_position_notional, limits.max_gross_exposure
    amounts.append(("position_notional", "Largest position", largest, single, times))
    amounts.append(("gross_exposure", "Gross exposure", portfolio.gross_notional, gross, times))
    for rule, name, amount, limit, show in amounts:
        known = equity > 0
        over = amount > limit * equity
        value = show(amount / equity) if known else "–"
        yield GuardRow(
            rule,
            name,
            f"{value} ({number(amount)} USDT)" + (", over limit" if over else ""),
            f"{show(limit)} ({number(limit * max(equity, ZERO))} USDT)",
            over or not known,
            BY_ITSELF,
            _used(amount, limit * equity),
        )


def _crowd(portfolio: Portfolio, limits: Limits) -> Iterator[GuardRow]:
    held: dict[str, set[str]] = {}
    for item in portfolio.committed:
        name = portfolio.groups.get(item.symbol)
        if name:
            held.setdefault(name, set()).add(item.symbol)
    most = limits.max_per_group
    full = sorted(name for name, symbols in held.items() if 0 < most <= len(symbols))
    yield GuardRow(
        "group",
        "Positions of one group",
        f"full: {', '.join(full)}" if full else "none full",
        str(most) if most else "no limit",
        False,
        "when a trade of the group closes",
    )
    weekend = limits.weekend_half_size and guards.is_weekend(portfolio.time)
    yield GuardRow(
        "weekend",
        "Weekend",
        "half size for all but majors" if weekend else "full size",
        "Fri 22:00 to Sun 22:00 UTC" if limits.weekend_half_size else "off",
        False,
        WEEKEND_ENDS if weekend else "–",
    )


def _blackouts(portfolio: Portfolio) -> Iterator[GuardRow]:
    """Each window that lasts now, or that there is none."""
    lasting = [one for one in portfolio.blackouts if one.start <= portfolio.time < one.end]
    if not lasting:
        yield GuardRow("blackout", "Blackouts", "none now", "none", False, "–")
    for one in lasting:
        symbols = ", ".join(sorted(one.symbols)) or "all symbols"
        yield GuardRow(
            "blackout",
            f"Blackout: {one.name}",
            f"{one.action.label}, {symbols}",
            "none",
            one.action is not BlackoutAction.HALVE,
            f"{one.end:%m-%d %H:%M} UTC",
        )


def _pauses(
    account: ExchangeAccount, portfolio: Portfolio, settings: BotSettings
) -> Iterator[GuardRow]:
    """Pauses of protections that last now, each once however many symbols it stops."""
    seen: dict[tuple[str, str, datetime], GuardRow] = {}
    for one in settings.protections:
        sides: tuple[Direction | None, ...] = (
            (Direction.LONG, Direction.SHORT) if one.scope.by_side else (None,)
        )
        for symbol in account.market_session.symbols:
            for side in sides:
                pause = pause_of(one, symbol, side, portfolio.past_trades, portfolio.time)
                if pause is not None:
                    seen[one.kind, pause.text, pause.until] = GuardRow(
                        one.kind,
                        f"Protection: {one.kind.replace('_', ' ')}",
                        pause.text.rstrip("."),
                        pause.limit,
                        True,
                        f"{pause.until:%m-%d %H:%M} UTC",
                    )
    yield from seen.values()
