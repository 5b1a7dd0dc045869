"""How many trades are followed to their end per second, one by one and in bulk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import perf_counter

import numpy as np

from exchange.candles import CandleWindow, decimal_of, from_ms
from exchange.domain import Instrument, Side
from exchange.market.clock import SteppedClock
from exchange.market.simulated import SimulatedMarket
from trading.backtest.follow import follow
from trading.backtest.followed import FollowedEntry
from trading.backtest.kernel import Bulk, exits_in_bulk
from trading.backtest.prices import CandlePrices
from trading.choices import RiskProfile
from trading.domain.exits import default_exits

SYMBOL = "BTCUSDT"
HOUR = timedelta(hours=1)
END = datetime(2025, 6, 1, tzinfo=UTC)
CANDLES, ALONE, TOGETHER = 4000, 400, 100_000


def run() -> dict[str, float]:
    """Trades per second by ``follow``, by the kernel, their ratio, and the kernel's candles: those
    that its trades were held through."""
    market = SimulatedMarket(11, SteppedClock(END), speed=0, symbols=(SYMBOL,))
    window = market.candles(SYMBOL, HOUR, end=END, limit=CANDLES)
    instrument = market.instrument(SYMBOL)
    settings = default_exits(RiskProfile.CONSERVATIVE, HOUR)
    few, many = _entries(window, ALONE), _entries(window, TOGETHER)
    prices = CandlePrices(window, instrument)
    wishes = [_wish(few, one, window, instrument) for one in range(ALONE)]
    began = perf_counter()
    for wish in wishes:
        follow(wish, prices, settings, instrument)
    alone = ALONE / (perf_counter() - began)
    began = perf_counter()
    exits = exits_in_bulk(many, window, settings, instrument)
    took = perf_counter() - began
    return {
        "followed_trades_per_s": round(alone, 1),
        "kernel_trades_per_s": round(TOGETHER / took, 1),
        "kernel_candles_per_s": round(float((exits.place - many.place + 1).sum()) / took, 1),
        "kernel_to_followed": round(TOGETHER / took / alone, 1),
    }


def _entries(window: CandleWindow, count: int) -> Bulk:
    """Longs and shorts at random opens with stops of 0.5 to 2 % and targets of 1 to 4 R."""
    random = np.random.default_rng(7)
    place = random.integers(0, len(window) - 50, count)
    sign = np.where(random.random(count) < 0.5, 1, -1).astype(np.int64)
    away = np.round(window.open[place] * random.uniform(0.005, 0.02, count), 0)
    return Bulk(
        place=place,
        sign=sign,
        stop=np.round(window.open[place], 0) - sign * away,
        target=np.round(window.open[place], 0) + sign * np.round(away * random.uniform(1, 4), 0),
        qty=np.full(count, 0.01),
    )


def _wish(bulk: Bulk, one: int, window: CandleWindow, instrument: Instrument) -> FollowedEntry:
    return FollowedEntry(
        symbol=SYMBOL,
        side=Side.BUY if bulk.sign[one] > 0 else Side.SELL,
        qty=Decimal("0.01"),
        stop_loss=instrument.floor_price(decimal_of(bulk.stop[one])),
        take_profit=instrument.floor_price(decimal_of(bulk.target[one])),
        placed_at=from_ms(int(window.times[bulk.place[one]])),
    )
