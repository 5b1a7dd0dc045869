"""A finished replay beside the same exits on random entries, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exchange.candles import Floats, to_ms
from exchange.domain import TIMEFRAMES
from exchange.errors import MarketDataError
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.backtest.random_entries import OwnTrade, RandomRuns, random_runs, series_of
from trading.choices import TradeState
from trading.domain.exits import ExitSettings
from trading.models import Bot, Trade

SEEDS = 1000
# A strategy beats chance where fewer than 1 in 20 random runs do better.
BEATS, LOSES = 0.95, 0.5


@dataclass(frozen=True, slots=True)
class RandomStudy:
    """``mean_r`` is that of the trades as they were, ``own_mean_r`` that of the same entries at
    market; percentiles are shares of random runs that did worse."""

    runs: RandomRuns
    trades: int
    mean_r: float
    sum_r: float
    own_mean_r: float

    @property
    def percentile(self) -> float:
        return self.runs.share_below(self.mean_r)

    @property
    def own_percentile(self) -> float:
        return self.runs.share_below(self.own_mean_r)

    @property
    def spread(self) -> Floats:
        """Mean R of random runs at the 5th, 25th, 50th, 75th and 95th percentile."""
        quantiles: Floats = np.quantile(self.runs.mean_r, (0.05, 0.25, 0.5, 0.75, 0.95))
        return quantiles

    @property
    def verdict(self) -> str:
        """What the percentile means, in plain words."""
        better = f"{1 - self.percentile:.1%} of {len(self.runs.mean_r):,} random runs did better"
        if self.percentile < LOSES:
            return f"These defaults lose to random entries: {better}."
        if self.percentile < BEATS:
            return f"These defaults can't be told apart from random entries: {better}."
        return f"These defaults beat random entries: only {better}."


def random_study(
    account: ExchangeAccount, market: MarketData, seeds: int = SEEDS
) -> RandomStudy | None:
    """Compare the closed trades of a replay's bot with random entries in the same period, those
    that can't be verified left out; None without trades.

    Raises ``MarketDataError``, and ``KernelUnfit`` where the exits are not plain.
    """
    trades = list(
        Trade.objects.filter(
            account=account,
            state=TradeState.CLOSED,
            unverifiable=False,
            r_multiple__isnull=False,
        ).select_related("signal")
    )
    session = account.market_session
    if not trades:
        return None
    if session.end is None:
        raise MarketDataError("only a replay with an end can be compared")
    bot = Bot.objects.get(account=account)
    timeframe = TIMEFRAMES[bot.timeframe]
    settings = ExitSettings.from_json(trades[0].exit_settings)
    series = {
        symbol: series_of(
            market,
            symbol,
            session.start,
            session.end,
            timeframe,
            settings.max_holding,
            # A profile that was halted in spring is not compared with an autumn it never saw.
            last_entry=max(trade.created_market for trade in trades),
        )
        for symbol in sorted({trade.symbol for trade in trades})
    }
    runs = random_runs([_own(trade) for trade in trades], series, settings, seeds)
    results = [float(trade.r_multiple) for trade in trades if trade.r_multiple is not None]
    return RandomStudy(
        runs=runs,
        trades=len(trades),
        mean_r=float(np.mean(results)),
        sum_r=float(np.sum(results)),
        own_mean_r=float(runs.own_r.mean()) if len(runs.own_r) else float("nan"),
    )


def _own(trade: Trade) -> OwnTrade:
    entry, stop = trade.signal.entry_price, trade.initial_stop
    distance = abs(entry - stop)
    return OwnTrade(
        symbol=trade.symbol,
        sign=1 if trade.side == "buy" else -1,
        placed_ms=to_ms(trade.created_market),
        stop_atr=float(distance / trade.atr),
        target_r=float(abs(trade.initial_target - entry) / distance),
        risk=float(trade.planned_risk),
    )
