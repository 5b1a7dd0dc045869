"""Whether the machine works: lease, trading states, bots, and what it does next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboard import format as fmt
from dashboard.selectors.market import MarketReading, market_runs
from dashboard.selectors.protection import SILENT_S, Protection, protection_read
from exchange.candles import floor_time
from exchange.domain import TIMEFRAMES
from exchange.models import ExchangeAccount
from trading.choices import BotState, CycleState, TradingStateName
from trading.models import Bot, Cycle
from trading.selectors import trading_state_effective

LATE_S = 5


@dataclass(frozen=True, slots=True)
class Engine:
    """State in one word with its tone, the age of the trader's heartbeat, what comes next, and
    whether the positions are covered.

    ``next_cycle`` is empty on a market that is stepped or has ended.
    """

    state: str
    tone: str
    detail: str
    heartbeat: str
    heartbeat_tone: str
    next_cycle: str
    trading_state: str
    protection: Protection


def engine_read(account: ExchangeAccount, market: MarketReading, now: datetime) -> Engine:
    """Read the engine of ``account`` at wall time ``now``."""
    bots = list(Bot.objects.filter(account=account, state=BotState.RUNNING))
    running = Cycle.objects.filter(bot__account=account, state=CycleState.RUNNING).exists()
    state, reason = trading_state_effective(account)
    age_s = _heartbeat_age(account, now)
    word, tone, detail = _state(account, state, bool(bots), age_s)
    if reason and word in ("HALTED", "PAUSED"):
        detail = f"{detail} Reason: {reason}"
    return Engine(
        state=word,
        tone=tone,
        detail=detail,
        heartbeat=fmt.age(age_s),
        heartbeat_tone=_heartbeat_tone(age_s),
        next_cycle=_next_words(account, bots, market, running),
        trading_state=state,
        protection=protection_read(account, now),
    )


def next_cycle(bots: list[Bot], market: MarketReading) -> str:
    """Wall time until the next candle of a running bot closes, as a clock; the market runs."""
    if not bots:
        return "no bot running"
    if market.now is None:
        return fmt.UNKNOWN
    spans = {TIMEFRAMES[bot.timeframe] for bot in bots}
    left = min(floor_time(market.now, span) + span - market.now for span in spans)
    return fmt.countdown(left.total_seconds() / market.speed)


def _next_words(
    account: ExchangeAccount, bots: list[Bot], market: MarketReading, running: bool
) -> str:
    """Empty where no clock says when the next cycle comes."""
    if not market_runs(account):
        return ""
    return "running" if running else next_cycle(bots, market)


def _heartbeat_age(account: ExchangeAccount, now: datetime) -> float | None:
    lease = getattr(account, "lease", None)
    if lease is None or not lease.holder:
        return None
    return float((now - lease.heartbeat_at).total_seconds())


def _heartbeat_tone(age_s: float | None) -> str:
    if age_s is None or age_s > SILENT_S:
        return "bad"
    return "warn" if age_s > LATE_S else "good"


def _state(
    account: ExchangeAccount, state: str, has_bots: bool, age_s: float | None
) -> tuple[str, str, str]:
    if age_s is None or age_s > SILENT_S:
        return "STOPPED", "bad", "No trader gives a sign of life."
    if state == TradingStateName.HALTED:
        return "HALTED", "bad", "No entries; working entries are cancelled."
    if not account.lease.reconciled:
        return "ERROR", "warn", "Not reconciled with the exchange yet: no entries."
    if account.lease.doubts:
        return "ERROR", "warn", fmt.one_stop(f"No entries: {'; '.join(account.lease.doubts)}.")
    if state == TradingStateName.REDUCING:
        return "PAUSED", "warn", "No entries; positions are managed."
    if not has_bots:
        return "PAUSED", "warn", "No bot is running; positions are managed."
    return "RUNNING", "good", account.lease.status
