"""The result of an account in words and figures, for a terminal."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from django.db.models import Count

from exchange.models import ExchangeAccount
from trading.choices import ExitReason, SignalState, TradeState
from trading.domain.performance import (
    ClosedTrade,
    Performance,
    max_drawdown,
    performance,
)
from trading.models import Cycle, EquityPoint, Signal, Trade
from trading.selectors import LIVE_TRADES


def closed_trades(account: ExchangeAccount) -> list[ClosedTrade]:
    """Results of the account's closed trades, oldest first."""
    rows = Trade.objects.filter(account=account, state=TradeState.CLOSED).order_by("closed_market")
    return [
        ClosedTrade(
            net_pnl=row.net_pnl,
            fees=row.fees,
            funding=row.funding,
            r_multiple=row.r_multiple,
            held=row.closed_market - row.opened_market
            if row.closed_market and row.opened_market
            else timedelta(),
        )
        for row in rows
    ]


def funnel(account: ExchangeAccount) -> list[tuple[str, int]]:
    """How many signals each rule stopped, largest first; what no rule stopped goes by its state,
    and "traded" is what became an order."""
    rows = Signal.objects.filter(account=account)
    counts = Counter(
        rule or ("traded" if state == SignalState.EXECUTING else state)
        for rule, state in rows.values_list("rule", "state")
    )
    return counts.most_common()


def run_report(account: ExchangeAccount, took_s: float) -> str:
    """Cycles, funnel, trades and money of one run, as lines."""
    cycles = Cycle.objects.filter(bot__account=account).count()
    stages = ", ".join(f"{count} {_stage_label(stage)}" for stage, count in funnel(account))
    curve = [p.equity for p in EquityPoint.objects.filter(account=account).order_by("time")]
    reasons = (
        Trade.objects.filter(account=account, state=TradeState.CLOSED)
        .values_list("exit_reason")
        .annotate(count=Count("pk"))
        .order_by("-count")
    )
    lines = [
        f"{account}: {cycles} cycles in {took_s:.0f} s",
        f"funnel: {stages}",
        *_money_lines(performance(closed_trades(account)), account),
        "exits: " + (", ".join(f"{n} {_exit_label(key)}" for key, n in reasons) or "none"),
        f"still open: {Trade.objects.filter(account=account, state__in=LIVE_TRADES).count()}",
    ]
    drawdown = max_drawdown(curve)
    if drawdown is not None:
        lines.append(f"max drawdown: {drawdown.amount:.2f} USDT ({drawdown.share:.2%})")
    return "\n".join(lines)


def _stage_label(stage: str) -> str:
    """A stage of the funnel in the words of the console."""
    words = {"rr_net": "net reward/risk", "none": "no setup", "": "accepted"}
    return words.get(stage, stage.replace("_", " "))


def _exit_label(reason: str) -> str:
    return ExitReason(reason).label.lower() if reason else "unknown"


def _span_text(span: timedelta) -> str:
    """``6 h 21 min``; minutes are enough, the shortest candle lasts one."""
    hours, minutes = divmod(round(span.total_seconds() / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _money_lines(result: Performance, account: ExchangeAccount) -> list[str]:
    hold = result.average_hold
    if result.win_rate is None or result.win_rate_interval is None or hold is None:
        return ["no closed trades"]
    low, high = result.win_rate_interval
    factor = "–" if result.profit_factor is None else f"{result.profit_factor:.2f}"
    expectancy = "–" if result.expectancy_r is None else f"{result.expectancy_r:+.3f} R"
    share = result.net_pnl / account.start_equity if account.start_equity else None
    return [
        f"trades: {result.trades}, win rate {result.win_rate:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%})",
        f"net P&L: {result.net_pnl:+.2f} USDT"
        + (f" ({share:+.2%} of {account.start_equity:.0f})" if share is not None else "")
        + f", fees {result.fees:.2f}, funding {result.funding:.2f}",
        f"profit factor {factor}, expectancy {expectancy}, average hold {_span_text(hold)}",
    ]
