"""Candles of a market as the input of an analysis."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from analysis.chart_source import MarketChartSource
from analysis.errors import NotEnoughCandles
from analysis.indicators import INPUT_BARS
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.market.clock import SteppedClock
from exchange.market.simulated import SimulatedMarket
from exchange.market.simulated_path import EPOCH

QUARTER = timedelta(minutes=15)
NOW = EPOCH + timedelta(days=30, minutes=15)


def source(now: datetime = NOW) -> MarketChartSource:
    return MarketChartSource(SimulatedMarket(7, SteppedClock(now), 0, ["BTCUSDT"]))


def test_input_ends_with_the_candle_asked_for() -> None:
    found = source().chart_input("BTCUSDT", "15m", candle_time=NOW)
    assert found.candle_time == NOW
    assert len(found.window) == INPUT_BARS
    assert found.window.interval == QUARTER
    assert found.instrument.symbol == found.symbol == "BTCUSDT"


def test_same_moment_asked_later_gives_the_same_candles() -> None:
    at_once = source().chart_input("BTCUSDT", "15m", candle_time=NOW)
    later = source(NOW + timedelta(days=1)).chart_input("BTCUSDT", "15m", candle_time=NOW)
    assert at_once.window.close.tolist() == later.window.close.tolist()


def test_start_of_history_is_not_enough() -> None:
    moment = EPOCH + 20 * QUARTER
    with pytest.raises(NotEnoughCandles, match="20 candles"):
        source(moment).chart_input("BTCUSDT", "15m", candle_time=moment)


def test_older_candles_do_not_pass_for_this_moment() -> None:
    with pytest.raises(CandlesUnavailable):
        source().chart_input("BTCUSDT", "15m", candle_time=NOW + QUARTER)
    with pytest.raises(CandlesUnavailable, match="not at"):
        source().chart_input("BTCUSDT", "15m", candle_time=NOW - timedelta(minutes=5))


def test_unknown_symbol_is_told_by_the_market() -> None:
    with pytest.raises(UnknownSymbol):
        source().chart_input("NOPEUSDT", "15m", candle_time=NOW)
