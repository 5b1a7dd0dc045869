"""The simulated market: repeatable, made day by day, candles that add up exactly."""

from __future__ import annotations

import statistics
from decimal import Decimal

import pytest

from tests.simulators.bybit.feed import candle_bounds
from tests.simulators.bybit.prices import DAY_MS, Kline, SeededPrices
from tests.simulators.bybit.rules import Prices

START_MS = 20_400 * DAY_MS + 9 * 3_600_000 + 34_567
HOUR_MS = 3_600_000


def merged(klines: list[Kline]) -> tuple[Decimal, ...]:
    return (
        klines[0].open,
        max(each.high for each in klines),
        min(each.low for each in klines),
        klines[-1].close,
        sum((each.volume for each in klines), Decimal(0)),
        sum((each.turnover for each in klines), Decimal(0)),
    )


def values(kline: Kline) -> tuple[Decimal, ...]:
    return (kline.open, kline.high, kline.low, kline.close, kline.volume, kline.turnover)


def test_a_seed_gives_one_market_whatever_is_asked_first() -> None:
    one: Prices = SeededPrices(3, START_MS)
    for days in range(5):
        one.last("ETHUSDT", START_MS + days * DAY_MS)
    other = SeededPrices(3, START_MS)
    later = START_MS + 3 * DAY_MS
    assert one.last("ETHUSDT", later) == other.last("ETHUSDT", later)
    assert other.last("ETHUSDT", later) != SeededPrices(4, START_MS).last("ETHUSDT", later)


def test_midnight_is_a_second_like_any_other() -> None:
    prices = SeededPrices(3, START_MS)
    for day in range(20_380, 20_400):
        before = prices.last("BTCUSDT", day * DAY_MS - 1)
        after = prices.last("BTCUSDT", day * DAY_MS)
        assert abs(after / before - 1) < Decimal("0.002")


def test_there_are_ten_symbols_with_a_year_of_history_and_prices_on_ticks() -> None:
    prices = SeededPrices(3, START_MS)
    assert len(prices.symbols()) >= 10
    for rules in prices.symbols():
        assert rules.launch_ms <= START_MS - 400 * DAY_MS
        assert prices.last(rules.symbol, START_MS) % rules.tick_size == 0
        touch = prices.touch(rules.symbol, START_MS)
        assert touch.ask - touch.bid == rules.tick_size
        assert prices.last(rules.symbol, START_MS) in (touch.bid, touch.ask)
        assert prices.liquidity(rules.symbol, START_MS) >= rules.min_order_qty
        for reference in (prices.mark, prices.index):
            near = reference(rules.symbol, START_MS) / prices.last(rules.symbol, START_MS)
            assert abs(near - 1) < Decimal("0.001")


@pytest.mark.parametrize("volatility", [1.0, 3.0])
def test_bitcoin_moves_about_as_much_in_an_hour_as_the_real_one(volatility: float) -> None:
    prices = SeededPrices(3, START_MS, volatility=volatility)
    first = (START_MS // HOUR_MS - 480) * HOUR_MS
    hours = [prices.kline("BTCUSDT", 3600, first + n * HOUR_MS, START_MS) for n in range(480)]
    spread = statistics.pstdev(float(each.close / each.open - 1) for each in hours)
    assert 0.004 * volatility < spread < 0.009 * volatility


@pytest.mark.parametrize(
    ("short_s", "long_s"), [(60, 300), (60, 3600), (300, 14400), (3600, 86400)]
)
def test_long_candles_are_made_of_short_ones(short_s: int, long_s: int) -> None:
    prices = SeededPrices(3, START_MS)
    start = (START_MS // (long_s * 1000) - 1) * long_s * 1000
    parts = [
        prices.kline("SOLUSDT", short_s, start + n * short_s * 1000, START_MS)
        for n in range(long_s // short_s)
    ]
    assert values(prices.kline("SOLUSDT", long_s, start, START_MS)) == merged(parts)


def test_an_open_candle_knows_only_what_has_happened() -> None:
    prices = SeededPrices(3, START_MS)
    start = START_MS // HOUR_MS * HOUR_MS
    kline = prices.kline("BTCUSDT", 3600, start, START_MS)
    seen = [price for _, price in prices.path("BTCUSDT", start - 1001, START_MS)]
    assert kline.close == prices.last("BTCUSDT", START_MS) == seen[-1]
    assert (kline.high, kline.low) == (max(seen), min(seen))


def test_the_path_has_every_second_once() -> None:
    prices = SeededPrices(3, START_MS)
    steps = list(prices.path("XRPUSDT", START_MS, START_MS + 5_000))
    assert [ms for ms, _ in steps] == [START_MS // 1000 * 1000 + 1000 * n for n in range(1, 6)]
    assert all(price == prices.last("XRPUSDT", ms) for ms, price in steps)


def test_an_ordered_price_is_there_at_once_and_walks_on() -> None:
    prices = SeededPrices(3, START_MS, clock=lambda: START_MS)
    before = prices.last("BTCUSDT", START_MS - 1000)
    prices.override("BTCUSDT", Decimal("50000"))
    assert prices.last("BTCUSDT", START_MS) == 50_000
    assert prices.last("BTCUSDT", START_MS - 1000) == before
    assert (START_MS, Decimal("50000.00")) in list(
        prices.path("BTCUSDT", START_MS - 1000, START_MS + 1000)
    )
    later = prices.last("BTCUSDT", START_MS + 60_000)
    assert abs(later / 50_000 - 1) < Decimal("0.01")
    assert later != 50_000


def test_candles_add_up_over_an_ordered_price() -> None:
    now_ms = START_MS
    prices = SeededPrices(3, START_MS, clock=lambda: now_ms)
    natural = prices.last("BTCUSDT", START_MS + HOUR_MS)
    prices.override("BTCUSDT", Decimal("90000"))
    now_ms += 20_300
    prices.override("BTCUSDT", None)
    start = START_MS // HOUR_MS * HOUR_MS
    end = start + HOUR_MS
    parts = [prices.kline("BTCUSDT", 60, start + n * 60_000, end) for n in range(60)]
    whole = prices.kline("BTCUSDT", 3600, start, end)
    assert values(whole) == merged(parts)
    assert whole.high >= 90_000
    assert prices.last("BTCUSDT", START_MS + HOUR_MS) == natural


def test_a_price_under_one_tick_is_refused() -> None:
    with pytest.raises(ValueError, match="one tick"):
        SeededPrices(3, START_MS).override("BTCUSDT", Decimal("0.01"))


def test_weeks_start_on_monday_and_months_on_the_first() -> None:
    # 2026-12-31 13:00 UTC, a Thursday.
    ms = 1_798_722_000_000
    assert candle_bounds("W", ms) == (1_798_416_000_000, 1_799_020_800_000)
    assert candle_bounds("M", ms) == (1_796_083_200_000, 1_798_761_600_000)
    assert candle_bounds("D", ms) == (1_798_675_200_000, 1_798_761_600_000)
    assert candle_bounds("15", ms + 61_000)[0] == ms
