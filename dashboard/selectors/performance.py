"""The performance page: what closed trades amount to, with intervals and counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from analysis.models import AnalystProfile
from dashboard import figures as fig
from dashboard import format as fmt
from dashboard.plot import Plot
from dashboard.selectors.performance_calibration import Calibration, calibration_read
from dashboard.selectors.performance_charts import curve_plots, excursion_plot, histogram_plot
from dashboard.selectors.performance_tables import (
    HeatTable,
    Table,
    dimension_tables,
    heat_table,
    mode_table,
)
from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from trading.ai import ai_cost_of, bot_key
from trading.calibration import calibration_of
from trading.domain.statistics.curve import Curve, curve_of_trades
from trading.domain.statistics.figures import Statistics, figures
from trading.models import Bot, Trade
from trading.results import Chosen, Results, equity_curve, results_read

PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "a year"}
SIDES = {"buy": "long", "sell": "short"}
FEW_TRADES, FEW_DAYS = 30, 30


@dataclass(frozen=True, slots=True)
class Given:
    """The filters as the address holds them; empty takes all."""

    bot: str = ""
    symbol: str = ""
    side: str = ""
    analyst: str = ""
    period: str = ""

    @property
    def any(self) -> bool:
        return bool(self.bot or self.symbol or self.side or self.analyst or self.period)

    @property
    def some_trades(self) -> bool:
        """Whether trades of the period are left out, so that the account's equity is not theirs."""
        return bool(self.bot or self.symbol or self.side or self.analyst)


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure with what stands beside it: its interval, its number, its meaning."""

    label: str
    value: str
    beside: str = ""
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters offer, as (value, label)."""

    bots: list[tuple[str, str]]
    symbols: list[tuple[str, str]]
    sides: list[tuple[str, str]]
    analysts: list[tuple[str, str]]
    periods: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Performance:
    """Everything on the page. ``count`` is how many trades it speaks of."""

    count: int
    warnings: list[str]
    headline: list[Fact]
    groups: list[tuple[str, list[Fact]]]
    curves: list[Plot]
    plots: list[Plot]
    heat: HeatTable | None
    tables: list[Table]
    modes: Table | None
    calibration: Calibration


def choices_read(account: ExchangeAccount) -> Choices:
    """What there is to filter by in the account."""
    trades = Trade.objects.filter(account=account)
    symbols = trades.order_by("symbol").values_list("symbol", flat=True).distinct()
    bots = Bot.objects.filter(account=account)
    return Choices(
        bots=[(str(bot.pk), bot.name) for bot in bots],
        symbols=[(symbol, symbol) for symbol in symbols],
        sides=list(SIDES.items()),
        analysts=[(str(row.pk), row.name) for row in AnalystProfile.objects.order_by("name")],
        periods=list(PERIODS.items()),
    )


def performance_read(
    account: ExchangeAccount, given: Given, now: datetime, *, real_time: bool
) -> Performance:
    """Figures of the account's closed trades under the filters. ``now`` is market time; without
    ``real_time`` the days of AI spending are not those of the market."""
    since = now - timedelta(days=int(given.period)) if given.period else None
    chosen = _chosen([account.pk], given, since)
    results = results_read(chosen)
    curve, note = _curve(account, given, results, since)
    found = figures(results.columns, results.left_out, equity=curve)
    ai_cost = _ai_cost(account, given, since, now) if real_time or since is None else None
    bot = Bot.objects.filter(account=account, pk=given.bot or 0).first()
    plots = [histogram_plot(results.columns), excursion_plot(results.columns, results.ids)]
    return Performance(
        count=found.trades,
        warnings=_warnings(found),
        headline=_headline(found),
        groups=[
            ("Result", _result(found)),
            ("Risk", _risk(found)),
            ("Costs", _costs(found, ai_cost)),
        ],
        curves=curve_plots(curve, note) if curve is not None else [],
        plots=[plot for plot in plots if plot is not None],
        heat=heat_table(results),
        tables=dimension_tables(results, account.start_equity),
        modes=mode_table(_all_accounts(given, since, account)),
        calibration=calibration_read(results.columns, calibration_of(bot, now) if bot else None),
    )


def _chosen(accounts: list[int], given: Given, since: datetime | None) -> Chosen:
    return Chosen(
        accounts,
        bot=int(given.bot) if given.bot else None,
        symbol=given.symbol,
        side=given.side,
        analyst=int(given.analyst) if given.analyst else None,
        since=since,
    )


def _all_accounts(given: Given, since: datetime | None, account: ExchangeAccount) -> Results | None:
    """Trades of every account, where another one than ``account`` has any; a bot has only one."""
    others = Trade.objects.exclude(account=account).exclude(net_pnl=None)
    if given.bot or not others.exists():
        return None
    accounts = list(ExchangeAccount.objects.values_list("pk", flat=True))
    return results_read(_chosen(accounts, given, since))


def _curve(
    account: ExchangeAccount, given: Given, results: Results, since: datetime | None
) -> tuple[Curve | None, str]:
    """The account's equity, or what the chosen trades alone made of the start."""
    if not given.some_trades:
        curve, every = equity_curve(account, since)
        if len(curve) > 1:
            return curve, "" if every == 1 else f"Every {every}. stored value is read."
    if len(results.columns) == 0:
        return None, ""
    start = account.start_equity
    return curve_of_trades(results.columns, start), (
        f"As if only these trades had moved a start of {fmt.number(start)} USDT."
    )


def _ai_cost(
    account: ExchangeAccount, given: Given, since: datetime | None, now: datetime
) -> Decimal | None:
    """What all analyses of the chosen bots cost; None where a filter cuts through them."""
    if given.symbol or given.side or given.analyst:
        return None
    bots = Bot.objects.filter(account=account)
    if given.bot:
        bots = bots.filter(pk=given.bot)
    first, last = (since.date(), now.date()) if since else (date.min, date.max)
    return sum((ai_cost_of(bot_key(bot.pk), first, last) for bot in bots), ZERO)


def _warnings(found: Statistics) -> list[str]:
    """What the figures can't carry, in words."""
    told = []
    if found.left_out:
        told.append(
            f"{found.left_out} closed trade{'s' * (found.left_out > 1)} can't be verified, because "
            "prices were missing while they were open. They are in no figure."
        )
    if 0 < found.trades < FEW_TRADES:
        told.append(
            f"Only {found.trades} trade{'s' * (found.trades > 1)}: too few to tell skill from "
            "luck. Read the intervals, not the figures."
        )
    if 0 < found.ratios.days < FEW_DAYS:
        told.append(
            f"Sharpe, Sortino and Calmar come from {found.ratios.days} "
            f"day{'s' * (found.ratios.days > 1)}: a month is the least that says anything."
        )
    reach = found.expectancy_r_interval
    if found.trades >= FEW_TRADES and reach is not None and reach[0] <= 0 <= reach[1]:
        told.append(
            "The interval of the expectancy holds 0: these trades show neither an edge nor the "
            "lack of one."
        )
    return told


def _headline(found: Statistics) -> list[Fact]:
    fall = found.drawdown
    return [
        Fact("Trades", f"{found.trades:,}", f"{found.wins:,} won, {found.losses:,} lost"),
        Fact("Win rate", fig.percent(found.win_rate), fig.share_interval(found.win_rate_interval)),
        Fact("Net P&L", fmt.number(found.net_pnl, signed=True), "USDT", signed=True),
        Fact(
            "Expectancy",
            fig.r(found.expectancy_r),
            fig.interval(found.expectancy_r_interval),
            signed=True,
        ),
        Fact("Profit factor", fig.number(found.profit_factor), "wins / losses"),
        Fact(
            "Max drawdown",
            fig.percent(fall.share if fall else None),
            f"{fmt.number(fall.amount)} USDT" if fall else "",
        ),
    ]


def _result(found: Statistics) -> list[Fact]:
    reach = fig.interval(found.expectancy_interval)
    return [
        Fact("Gross P&L", fmt.number(found.gross_pnl, signed=True), "before fees and funding"),
        Fact("Net P&L", fmt.number(found.net_pnl, signed=True)),
        Fact("Expectancy", fig.number(found.expectancy, signed=True), reach),
        Fact("Average win", fig.number(found.average_win, signed=True)),
        Fact("Average loss", fig.number(found.average_loss, signed=True)),
        Fact("Largest win", fmt.number(found.largest_win, signed=True)),
        Fact("Largest loss", fmt.number(found.largest_loss, signed=True)),
        Fact("SQN", fig.number(found.sqn), "system quality"),
        Fact("Longest streak", f"{found.streaks.wins} won", f"{found.streaks.losses} lost"),
        Fact("Running streak", _streak(found.streaks.current)),
    ]


def _streak(current: int) -> str:
    if current == 0:
        return fmt.UNKNOWN
    return f"{abs(current)} {'won' if current > 0 else 'lost'}"


def _risk(found: Statistics) -> list[Fact]:
    fall, ratios = found.drawdown, found.ratios
    days = f"{ratios.days} days" if ratios.days else ""
    return [
        Fact("Max drawdown", fmt.number(fall.amount if fall else None), "USDT"),
        Fact("of the peak", fig.percent(fall.share if fall else None, 2)),
        Fact("Longest drawdown", fig.span(fall.longest if fall else None)),
        Fact("Sharpe", fig.number(ratios.sharpe), days),
        Fact("Sortino", fig.number(ratios.sortino), days),
        Fact("Calmar", fig.number(ratios.calmar), days),
        Fact("Exposure", fig.percent(found.exposure), "of the time"),
        Fact("Average hold", fig.span(found.average_hold), f"median {fig.span(found.median_hold)}"),
        Fact("Best price", fig.r(found.mfe_r), "mean MFE"),
        Fact("Worst price", fig.r(found.mae_r), "mean MAE"),
    ]


def _costs(found: Statistics, ai_cost: Decimal | None) -> list[Fact]:
    known = f"of {found.slippage_known:,} trades" if found.slippage_known else "not kept yet"
    after = found.net_pnl - ai_cost if ai_cost is not None else None
    return [
        Fact("Fees", fmt.number(found.fees)),
        Fact("Funding", fmt.number(-found.funding, signed=True), "below 0 is paid"),
        Fact("Slippage", fmt.number(found.slippage), known),
        Fact("AI, these trades", fmt.number(found.ai_cost, 4), "US dollars"),
        Fact("AI, all analyses", fmt.number(ai_cost, 4), "US dollars"),
        Fact("Net after AI", fmt.number(after, signed=True), "1 USDT = 1 US dollar"),
    ]


def given_of(query: Mapping[str, str], choices: Choices) -> Given:
    """The filters of an address; what is not on offer is as if it were not there."""

    def known(name: str, offered: Iterable[tuple[str, str]]) -> str:
        value = query.get(name, "")
        return value if value in {each for each, _ in offered} else ""

    return Given(
        bot=known("bot", choices.bots),
        symbol=known("symbol", choices.symbols),
        side=known("side", choices.sides),
        analyst=known("analyst", choices.analysts),
        period=known("period", choices.periods),
    )
