"""The result of an account in words and figures, for a terminal."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count

from exchange.models import ExchangeAccount
from trading.choices import ExitReason, TradeState
from trading.domain.statistics import Statistics
from trading.domain.statistics.figures import figures
from trading.funnel import FunnelQuery, funnel_get, funnel_words
from trading.models import Cycle, Trade
from trading.results import Chosen, equity_curve, results_read
from trading.selectors import LIVE_TRADES


def run_report(account: ExchangeAccount, took_s: float) -> str:
    """Cycles, funnel, trades and money of one run, as lines."""
    cycles = Cycle.objects.filter(bot__account=account).count()
    results = results_read(Chosen([account.pk]))
    curve, _ = equity_curve(account)
    result = figures(results.columns, results.left_out, equity=curve)
    reasons = (
        Trade.objects.filter(account=account, state=TradeState.CLOSED)
        .values_list("exit_reason")
        .annotate(count=Count("pk"))
        .order_by("-count")
    )
    lines = [
        f"{account}: {cycles} cycles in {took_s:.0f} s",
        f"funnel: {funnel_words(funnel_get(FunnelQuery(account)))}",
        *_money_lines(result, account),
        "exits: " + (", ".join(f"{n} {_exit_label(key)}" for key, n in reasons) or "none"),
        f"still open: {Trade.objects.filter(account=account, state__in=LIVE_TRADES).count()}",
    ]
    fall = result.drawdown
    if fall is not None:
        share = "–" if fall.share is None else f"{fall.share:.2%}"
        lines.append(f"max drawdown: {fall.amount:.2f} USDT ({share})")
    if result.left_out:
        lines.append(f"left out: {result.left_out} trades that cannot be verified")
    return "\n".join(lines)


def _exit_label(reason: str) -> str:
    return ExitReason(reason).label.lower() if reason else "unknown"


def _span_text(span: timedelta) -> str:
    """``6 h 21 min``; minutes are enough, the shortest candle lasts one."""
    hours, minutes = divmod(round(span.total_seconds() / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _money_lines(result: Statistics, account: ExchangeAccount) -> list[str]:
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
