from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.candles import Floats
from exchange.domain import TIMEFRAMES
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.market.clock import SteppedClock
from exchange.market.simulated import SimulatedMarket
from exchange.market.simulated_minute import KNOTS, minute_knots, stretch
from exchange.market.simulated_path import EPOCH, HORIZON
from tests.exchange.conformance.market_data import Bench, MarketDataConformance, same

NOW = datetime(2023, 5, 3, 10, 37, 21, tzinfo=UTC)
PINNED = "25e8d9d2c9a9b9d5"


def simulated(seed: int = 7, now: datetime = NOW) -> SimulatedMarket:
    return SimulatedMarket(seed, SteppedClock(now), 60)


def closes(market: SimulatedMarket, symbol: str, timeframe: str, limit: int) -> Floats:
    return market.candles(symbol, TIMEFRAMES[timeframe], end=market.now(), limit=limit).close


class TestConformance(MarketDataConformance):
    @pytest.fixture
    def bench(self) -> Bench:
        clock = SteppedClock(NOW)
        return Bench(SimulatedMarket(7, clock, 60), clock, "ETHUSDT")


def test_candles_of_a_seed_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256()
    market = simulated()
    for symbol in ("BTCUSDT", "DOGEUSDT"):
        window = market.candles(symbol, TIMEFRAMES["1m"], end=NOW, limit=360)
        for column in (window.open, window.high, window.low, window.close, window.volume):
            digest.update(column.astype("<f8").tobytes())
    assert digest.hexdigest()[:16] == PINNED


def test_what_was_asked_before_changes_nothing() -> None:
    wandered = simulated()
    for symbol in reversed(wandered.symbols()):
        closes(wandered, symbol, "4h", 50)
    hour = TIMEFRAMES["1h"]
    assert same(
        wandered.candles("SOLUSDT", hour, end=NOW, limit=100),
        simulated().candles("SOLUSDT", hour, end=NOW, limit=100),
    )


def test_another_seed_is_another_market() -> None:
    assert not np.array_equal(
        closes(simulated(1), "BTCUSDT", "1h", 24), closes(simulated(2), "BTCUSDT", "1h", 24)
    )


def test_a_negative_seed_is_a_seed() -> None:
    assert closes(simulated(-5), "BTCUSDT", "1h", 24).min() > 0


def test_days_join_at_midnight() -> None:
    window = simulated().candles("XRPUSDT", TIMEFRAMES["1m"], end=NOW, limit=3 * 1440)
    assert np.array_equal(window.open[1:], window.close[:-1])


def test_prices_stay_sane_over_decades() -> None:
    market = simulated(now=HORIZON)
    for symbol in ("BTCUSDT", "DOGEUSDT"):
        prices = np.concatenate(
            [
                market.candles(
                    symbol, TIMEFRAMES["1d"], end=EPOCH + timedelta(days=365 * year), limit=2
                ).close
                for year in range(1, 41)
            ]
        )
        assert prices.max() / prices.min() < 40


def test_prices_lie_on_ticks_and_volumes_on_steps() -> None:
    market = simulated()
    rules = market.instrument("BTCUSDT")
    window = market.candles("BTCUSDT", TIMEFRAMES["15m"], end=NOW, limit=50)
    for index in range(len(window)):
        candle = window.candle(index)
        assert candle.high % rules.tick_size == candle.close % rules.tick_size == 0
        assert candle.volume % rules.qty_step == 0


def test_symbols_move_together_and_each_on_its_own() -> None:
    market = simulated()
    moves = [np.diff(np.log(closes(market, name, "1h", 1500))) for name in market.symbols()]
    correlation = np.corrcoef(moves)[0, 1:]
    assert (correlation > 0.4).all()
    assert (correlation < 0.95).all()


def test_moves_have_fat_tails_and_calm_and_wild_days() -> None:
    moves = np.diff(np.log(closes(simulated(), "BTCUSDT", "1h", 4000)))
    kurtosis = (moves**4).mean() / moves.var() ** 2
    daily = moves[: len(moves) // 24 * 24].reshape(-1, 24).std(axis=1)
    assert kurtosis > 4
    assert np.percentile(daily, 90) > 2 * np.percentile(daily, 10)


def test_volume_rises_with_the_size_of_the_move() -> None:
    window = simulated().candles("BTCUSDT", TIMEFRAMES["15m"], end=NOW, limit=3000)
    assert np.corrcoef(np.abs(window.close - window.open), window.volume)[0, 1] > 0.3


def test_funding_follows_the_trend() -> None:
    market = simulated()
    events = market.funding("SOLUSDT", NOW - timedelta(days=60), NOW)
    trends = []
    for event in events:
        known = event.time - timedelta(hours=8)
        window = market.candles("SOLUSDT", TIMEFRAMES["1h"], end=known, limit=24)
        trends.append(window.close[-1] / window.open[0])
    assert np.corrcoef([float(event.rate) for event in events], trends)[0, 1] > 0.99


def test_ticker_announces_the_rate_that_is_settled_next() -> None:
    clock = SteppedClock(NOW)
    market = SimulatedMarket(7, clock, 60)
    ticker = market.ticker("ADAUSDT")
    assert ticker.next_funding is not None
    clock.move_to(ticker.next_funding)
    assert market.funding("ADAUSDT", NOW, clock.now())[0].rate == ticker.funding_rate


def test_partial_minutes_add_up_to_their_candle() -> None:
    market = simulated()
    start = NOW.replace(second=0) - timedelta(minutes=1)
    moments = [start + timedelta(seconds=second) for second in (0, 7.25, 23, 24, 51.5, 60)]
    parts = [
        step for left, right in pairwise(moments) for step in market.steps("BTCUSDT", left, right)
    ]
    candle = market.candles("BTCUSDT", TIMEFRAMES["1m"], end=NOW, limit=1).candle(0)
    assert sum((part.volume for part in parts), Decimal(0)) == candle.volume
    assert max(part.high for part in parts) == candle.high
    assert min(part.low for part in parts) == candle.low
    assert all(left.close == right.open for left, right in pairwise(parts))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 3600 * 1000 - 1), st.integers(1, 600 * 1000))
def test_a_quote_lies_on_the_path_that_the_steps_tell(start_ms: int, length_ms: int) -> None:
    start = NOW + timedelta(milliseconds=start_ms)
    end = start + timedelta(milliseconds=length_ms)
    market = simulated(now=end)
    steps = list(market.steps("LTCUSDT", start, end))
    assert (steps[0].start, steps[-1].end) == (start, end)
    assert steps[0].open == simulated(now=start).quote("LTCUSDT").last
    assert steps[-1].close == market.quote("LTCUSDT").last


@given(st.integers(1, 10**6), st.integers(0, 500), st.data())
def test_a_minute_touches_its_extremes_and_never_leaves_them(
    low: int, span: int, data: st.DataObject
) -> None:
    inside = st.integers(low, low + span)
    open_, close = data.draw(inside), data.draw(inside)
    knots = minute_knots(open_, low + span, low, close, key=data.draw(st.integers(0, 2**64)))
    assert len(knots) == KNOTS + 1
    assert (knots[0], knots[-1]) == (open_, close)
    assert (min(knots), max(knots)) == (low, low + span)
    assert max(stretch(knots, 0, 60_000)) == low + span


def test_a_moment_before_the_first_or_after_the_last_day_is_refused() -> None:
    with pytest.raises(CandlesUnavailable, match="from 2018-01-01 to"):
        simulated(now=HORIZON + timedelta(days=1)).quote("BTCUSDT")
    with pytest.raises(CandlesUnavailable, match="from 2018-01-01 to"):
        simulated(now=EPOCH - timedelta(days=1)).quote("BTCUSDT")


def test_an_unknown_symbol_is_refused_at_once() -> None:
    with pytest.raises(UnknownSymbol, match=r"BTCUSD .*BTCUSDT"):
        SimulatedMarket(7, SteppedClock(NOW), 1, ["BTCUSD"])


def test_a_market_can_be_narrowed_without_changing_its_prices() -> None:
    narrow = SimulatedMarket(7, SteppedClock(NOW), 1, ["SOLUSDT"])
    assert narrow.symbols() == ("SOLUSDT",)
    assert narrow.quote("SOLUSDT") == simulated().quote("SOLUSDT")
