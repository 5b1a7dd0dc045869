from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from exchange.candles import floor_time
from tests.exchange.bybit.market_bench import SYMBOL, open_venue
from tests.exchange.conformance.market_data import HOUR, Bench, MarketDataConformance

NOW = datetime(2026, 5, 3, 10, 37, 21, tzinfo=UTC)


class TestConformance(MarketDataConformance):
    @pytest.fixture
    def bench(self) -> Bench:
        venue = open_venue(NOW)
        return Bench(venue.market(), venue.clock, SYMBOL, speed=1)

    def test_quote_at_a_close_is_the_closing_price(self, bench: Bench) -> None:
        """A venue trades on: the price at the instant of the close opens the next candle, so the
        closing price is that of the instant before."""
        close_time = floor_time(bench.market.now(), HOUR) + HOUR
        bench.clock.move_to(close_time - timedelta(milliseconds=1))
        last = bench.market.quote(bench.symbol).last
        bench.clock.move_to(close_time)
        assert bench.candles(HOUR, 1).candle(0).close == last
