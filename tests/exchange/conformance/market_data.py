"""What every ``MarketData`` promises; a market runs it by subclassing ``MarketDataConformance``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

import numpy as np
import pytest

from exchange.candles import CandleWindow, floor_time, to_ms
from exchange.domain import TIMEFRAMES, ZERO, PriceStep
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.ports import MarketData

COLUMNS = ("times", "open", "high", "low", "close", "volume")
HOUR = timedelta(hours=1)


class HandTurnedClock(Protocol):
    """The time of a market under test, which moves when the test moves it."""

    def now(self) -> datetime: ...

    def move_to(self, moment: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Bench:
    """A market with at least ten days of history and one day ahead of its clock, which stands
    within an hour, on no boundary. ``speed`` is the one the market was made with."""

    market: MarketData
    clock: HandTurnedClock
    symbol: str
    speed: float = 60

    def candles(self, interval: timedelta, limit: int) -> CandleWindow:
        return self.market.candles(self.symbol, interval, end=self.market.now(), limit=limit)


def same(left: CandleWindow, right: CandleWindow) -> bool:
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in COLUMNS)


def total_volume(steps: list[PriceStep]) -> object:
    return sum((step.volume for step in steps), ZERO)


class MarketDataConformance:
    """Subclasses give a fixture ``bench``."""

    def test_candles_end_at_the_last_boundary_and_not_after_now(self, bench: Bench) -> None:
        window = bench.candles(HOUR, 10)
        assert len(window) == 10
        assert window.last_close_time == floor_time(bench.market.now(), HOUR)

    def test_candles_are_aligned_and_consecutive(self, bench: Bench) -> None:
        window = bench.candles(HOUR, 50)
        assert set(np.diff(window.times)) == {3_600_000}
        assert window.times[0] % 3_600_000 == 0

    def test_candles_are_possible(self, bench: Bench) -> None:
        window = bench.candles(bench.market.monitor_interval(bench.symbol), 500)
        assert (window.high >= np.maximum(window.open, window.close)).all()
        assert (window.low <= np.minimum(window.open, window.close)).all()
        assert (window.low > 0).all()
        assert (window.volume >= 0).all()

    def test_a_candle_that_is_not_closed_is_refused(self, bench: Bench) -> None:
        with pytest.raises(CandlesUnavailable):
            bench.market.candles(bench.symbol, HOUR, end=bench.market.now() + HOUR, limit=1)

    def test_an_unknown_interval_is_refused(self, bench: Bench) -> None:
        with pytest.raises(CandlesUnavailable):
            bench.candles(timedelta(minutes=7), 1)

    def test_a_candle_appears_at_the_instant_it_closes(self, bench: Bench) -> None:
        close_time = floor_time(bench.market.now(), HOUR) + HOUR
        bench.clock.move_to(close_time - timedelta(milliseconds=1))
        before = bench.candles(HOUR, 1)
        bench.clock.move_to(close_time)
        assert before.last_close_time == close_time - HOUR
        assert bench.candles(HOUR, 1).last_close_time == close_time

    def test_the_past_stays_as_it_was(self, bench: Bench) -> None:
        end = bench.market.now()
        before = bench.candles(HOUR, 100)
        bench.clock.move_to(end + 20 * HOUR)
        assert same(before, bench.market.candles(bench.symbol, HOUR, end=end, limit=100))

    @pytest.mark.parametrize("limit", [1, 7, 30])
    def test_candles_are_equal_however_asked(self, bench: Bench, limit: int) -> None:
        assert same(bench.candles(HOUR, limit), bench.candles(HOUR, 200).tail(limit))

    def test_long_candles_are_made_of_short_ones(self, bench: Bench) -> None:
        long = bench.candles(4 * HOUR, 6)
        start = int(long.times[0])
        short = bench.candles(HOUR, 40)
        short = short.slice(int(np.searchsorted(short.times, start)), len(short)).slice(0, 24)
        rows = {name: getattr(short, name).reshape(6, 4) for name in COLUMNS}
        assert np.array_equal(long.open, rows["open"][:, 0])
        assert np.array_equal(long.high, rows["high"].max(axis=1))
        assert np.array_equal(long.low, rows["low"].min(axis=1))
        assert np.array_equal(long.close, rows["close"][:, -1])
        assert long.volume == pytest.approx(rows["volume"].sum(axis=1))

    def test_history_begins_somewhere(self, bench: Bench) -> None:
        day = TIMEFRAMES["1d"]
        window = bench.candles(day, 5000)
        assert 0 < len(window) < 5000
        before = bench.market.candles(bench.symbol, day, end=window.candle(0).open_time, limit=10)
        assert len(before) == 0

    def test_steps_agree_with_the_candles_they_cover(self, bench: Bench) -> None:
        window = bench.candles(HOUR, 5)
        start, end = window.candle(0).open_time, window.last_close_time
        steps = list(bench.market.steps(bench.symbol, start, end))
        assert (steps[0].start, steps[-1].end) == (start, end)
        assert float(steps[0].open) == window.open[0]
        assert float(max(step.high for step in steps)) == window.high.max()
        assert float(min(step.low for step in steps)) == window.low.min()
        assert float(steps[-1].close) == window.close[-1]
        assert float(str(total_volume(steps))) == pytest.approx(window.volume.sum())

    def test_steps_join_without_gap_and_stay_within_a_monitor_candle(self, bench: Bench) -> None:
        interval = bench.market.monitor_interval(bench.symbol)
        end = floor_time(bench.market.now(), HOUR)
        steps = list(bench.market.steps(bench.symbol, end - 3 * HOUR, end))
        assert all(left.end == right.start for left, right in pairwise(steps))
        assert {floor_time(step.start, interval) + interval for step in steps} == {
            step.end for step in steps
        }

    def test_steps_are_told_once_whatever_the_moments_asked_at(self, bench: Bench) -> None:
        end = floor_time(bench.market.now(), HOUR)
        start, middle = end - 3 * HOUR, end - timedelta(minutes=71, seconds=13)
        whole = list(bench.market.steps(bench.symbol, start, end))
        parts = [
            *bench.market.steps(bench.symbol, start, middle),
            *bench.market.steps(bench.symbol, middle, end),
        ]
        assert all(left.end <= right.start for left, right in pairwise(parts))
        assert total_volume(parts) == total_volume(whole)
        assert max(step.high for step in parts) == max(step.high for step in whole)
        assert min(step.low for step in parts) == min(step.low for step in whole)

    def test_steps_are_possible_and_have_a_spread(self, bench: Bench) -> None:
        now = bench.market.now()
        for step in bench.market.steps(bench.symbol, now - 2 * HOUR, now):
            assert step.start < step.end <= now
            assert ZERO < step.low <= min(step.open, step.close)
            assert max(step.open, step.close) <= step.high
            assert step.spread > 0

    def test_the_future_has_no_steps(self, bench: Bench) -> None:
        now = bench.market.now()
        with pytest.raises(CandlesUnavailable):
            list(bench.market.steps(bench.symbol, now, now + timedelta(seconds=1)))

    def test_quote_is_on_ticks_around_the_last_price(self, bench: Bench) -> None:
        quote = bench.market.quote(bench.symbol)
        tick = bench.market.instrument(bench.symbol).tick_size
        assert quote.time == bench.market.now()
        assert quote.bid <= quote.last <= quote.ask
        assert quote.bid < quote.ask
        assert quote.bid % tick == quote.ask % tick == 0

    def test_quote_at_a_close_is_the_closing_price(self, bench: Bench) -> None:
        bench.clock.move_to(floor_time(bench.market.now(), HOUR) + HOUR)
        close = bench.candles(HOUR, 1).candle(0).close
        assert bench.market.quote(bench.symbol).last == close

    def test_ticker_gives_exactly_the_facts_it_declares(self, bench: Bench) -> None:
        ticker, facts = bench.market.ticker(bench.symbol), bench.market.facts
        assert (ticker.turnover_24h is not None) == facts.turnover
        assert (ticker.funding_rate is not None) == facts.funding
        assert (ticker.next_funding is not None) == facts.funding
        assert (ticker.listed_at is not None) == facts.listing
        assert (ticker.mark is not None) == facts.mark
        assert ticker.last == bench.market.quote(bench.symbol).last

    def test_turnover_is_that_of_the_last_day(self, bench: Bench) -> None:
        turnover = bench.market.ticker(bench.symbol).turnover_24h
        hours = bench.candles(HOUR, 24)
        assert turnover is not None
        assert float(turnover) == pytest.approx((hours.volume * hours.close).sum(), rel=0.2)

    def test_funding_settles_every_eight_hours_once(self, bench: Bench) -> None:
        end = floor_time(bench.market.now(), 8 * HOUR)
        start, middle = end - timedelta(days=2), end - timedelta(days=1)
        events = bench.market.funding(bench.symbol, start, end)
        parts = [
            *bench.market.funding(bench.symbol, start, middle),
            *bench.market.funding(bench.symbol, middle, end),
        ]
        assert [to_ms(event.time) for event in events] == [
            to_ms(start + 8 * HOUR * count) for count in range(1, 7)
        ]
        assert parts == list(events)
        assert all(event.mark > 0 for event in events)

    def test_unknown_symbol_is_named_with_those_that_exist(self, bench: Bench) -> None:
        market, now = bench.market, bench.market.now()
        for ask in (
            lambda: market.instrument("NOPEUSDT"),
            lambda: market.candles("NOPEUSDT", HOUR, end=now, limit=1),
            lambda: market.quote("NOPEUSDT"),
            lambda: market.ticker("NOPEUSDT"),
            lambda: market.monitor_interval("NOPEUSDT"),
            lambda: list(market.steps("NOPEUSDT", now - HOUR, now)),
            lambda: market.funding("NOPEUSDT", now - HOUR, now),
        ):
            with pytest.raises(UnknownSymbol, match=rf"NOPEUSDT.*{bench.symbol}"):
                ask()

    def test_instrument_has_usable_rules(self, bench: Bench) -> None:
        rules = bench.market.instrument(bench.symbol)
        assert rules.symbol == bench.symbol
        assert ZERO < rules.qty_step <= rules.min_qty < rules.max_qty
        assert rules.tick_size > 0
        assert rules.min_notional > 0

    def test_market_time_is_that_of_its_clock(self, bench: Bench) -> None:
        assert bench.market.now() == bench.clock.now()
        assert bench.symbol in bench.market.symbols()
        assert bench.market.speed == bench.speed
