"""The technical analyst on made candles, and what holds for every chart."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given as given_that
from hypothesis import settings
from hypothesis import strategies as st

from analysis.analysts.technical import TechnicalAnalyst
from analysis.domain import Direction, Environment, Recommendation
from analysis.errors import NotEnoughCandles
from analysis.indicators import NEEDED_BARS
from exchange.candles import CandleWindow
from exchange.domain import TIMEFRAMES
from tests.analysis.candle_makers import given, random_window, window

STEPS = {Decimal(quarter) / 4 for quarter in range(5)}


def pullback_closes() -> list[float]:
    """A rise in steps, a pullback to the fast average, and one bar that turns up again."""
    rise = [100 + 0.4 * bar + (0.6 if bar % 4 < 2 else -0.6) for bar in range(190)]
    top = rise[-1]
    return [*rise, top - 1.0, top - 2.2, top - 3.4, top - 4.2, top - 2.6]


def reflected(candles: CandleWindow) -> CandleWindow:
    """The chart turned upside down about its last close."""
    twice = 2 * float(candles.close[-1])
    return CandleWindow(
        candles.symbol,
        candles.interval,
        candles.times,
        twice - candles.open,
        twice - candles.low,
        twice - candles.high,
        twice - candles.close,
        candles.volume,
    )


def analyse(candles: CandleWindow) -> Recommendation:
    return TechnicalAnalyst().analyse(given(candles))


def test_pullback_in_a_rise_is_bought_with_ordered_prices() -> None:
    found = analyse(window(pullback_closes()))
    assert found.direction is Direction.LONG
    assert found.stop_loss is not None
    assert found.entry_price is not None
    assert found.take_profit is not None
    assert found.stop_loss < found.entry_price < found.take_profit
    assert found.environment is Environment.TREND_UP
    assert found.scores.setup_quality > 0
    assert found.invalidation.startswith("A trade at or below")


def test_same_chart_upside_down_is_sold() -> None:
    found = analyse(reflected(window(pullback_closes())))
    assert found.direction is Direction.SHORT
    assert found.stop_loss is not None
    assert found.entry_price is not None
    assert found.take_profit is not None
    assert found.take_profit < found.entry_price < found.stop_loss
    assert found.environment is Environment.TREND_DOWN


def test_stop_lies_behind_the_low_of_the_pullback() -> None:
    candles = window(pullback_closes())
    stop = analyse(candles).stop_loss
    assert stop is not None
    assert float(stop) < float(candles.low[-5:].min())


def test_evidence_speaks_for_both_sides_with_numbers() -> None:
    found = analyse(window(pullback_closes()))
    sides = {each.supports for each in found.evidence}
    assert {Direction.LONG, Direction.SHORT} <= sides
    assert {"trend", "structure", "momentum", "volatility", "volume", "level"} == {
        each.kind for each in found.evidence
    }
    assert found.strongest_objection


def test_sideways_market_gives_nothing_and_says_what_is_missing() -> None:
    closes = [100 + (1.0 if bar % 6 < 3 else -1.0) for bar in range(200)]
    found = analyse(window(closes))
    assert found.direction is Direction.NONE
    assert found.environment is Environment.RANGE
    assert found.entry_price is None
    assert found.stop_loss is None
    assert found.take_profit is None
    assert found.scores.setup_quality == 0
    assert "Long: no trend" in found.strongest_objection
    assert "Short: no trend" in found.strongest_objection


def test_price_that_never_moved_gives_nothing() -> None:
    found = analyse(window([100.0] * 200, spread=0.0))
    assert found.direction is Direction.NONE
    assert found.atr == 0
    assert found.last_price == 100


def test_first_move_after_a_standstill_gives_nothing_but_its_range() -> None:
    found = analyse(window([100.0] * 199 + [104.0], spread=0.0))
    assert found.direction is Direction.NONE
    assert found.atr > 0
    assert "hardly moved" in found.strongest_objection


def test_rise_without_a_pullback_is_not_chased() -> None:
    found = analyse(window([100 + 0.5 * bar for bar in range(200)]))
    assert found.direction is Direction.NONE
    assert "touched neither EMA20 nor a proven level" in found.strongest_objection


def test_stop_beyond_the_allowed_band_is_no_plan() -> None:
    closes = pullback_closes()
    candles = window(closes)
    # One low far below the others makes the only sound stop too far away.
    candles.low[-2] -= 9
    found = analyse(candles)
    assert found.direction is Direction.NONE
    assert "beyond the limit" in found.strongest_objection


def test_short_history_is_refused() -> None:
    with pytest.raises(NotEnoughCandles):
        analyse(window([100.0] * (NEEDED_BARS - 1)))


@given_that(st.integers(0, 100_000), st.sampled_from([-0.002, 0.0, 0.002]))
@settings(max_examples=300, deadline=None)
def test_every_plan_is_ordered_and_its_stop_in_bounds(seed: int, drift: float) -> None:
    found = analyse(random_window(seed, drift=drift))
    assert found.scores.setup_quality in STEPS
    assert found.scores.market_environment in STEPS
    assert len(found.strongest_objection) <= 300
    assert all(text.isprintable() for text in (found.strongest_objection, found.invalidation))
    if found.direction is Direction.NONE:
        assert (found.entry_price, found.stop_loss, found.take_profit) == (None, None, None)
        return
    assert found.entry_price is not None
    assert found.stop_loss is not None
    assert found.take_profit is not None
    prices = [found.stop_loss, found.entry_price, found.take_profit][:: found.direction.sign]
    assert all(low < high for low, high in pairwise(prices))
    risk = abs(found.entry_price - found.stop_loss)
    reward = abs(found.take_profit - found.entry_price)
    assert found.atr <= risk <= 4 * found.atr + Decimal("0.00000001")
    assert risk <= Decimal("0.0601") * found.entry_price
    assert Decimal("1.999") <= reward / risk <= Decimal("3.001")
    assert abs(found.entry_price - found.last_price) <= found.atr / 2


def test_random_charts_include_plans_of_both_sides_and_mostly_none() -> None:
    answers = [
        analyse(random_window(seed, drift=drift)).direction
        for seed in range(150)
        for drift in (-0.002, 0.002)
    ]
    assert {Direction.LONG, Direction.SHORT} <= set(answers)
    assert answers.count(Direction.NONE) > 0.7 * len(answers)


@given_that(st.integers(0, 100_000), st.sampled_from([-0.002, 0.002]))
@settings(max_examples=100, deadline=None)
def test_turning_the_chart_upside_down_turns_the_answer(seed: int, drift: float) -> None:
    # Costs and the 6 % cap are shares of price, so prices are kept where neither binds.
    candles = random_window(seed, drift=drift, step=0.01)
    up, down = analyse(candles), analyse(reflected(candles))
    assert up.direction.sign == -down.direction.sign


def test_same_candles_give_the_same_answer() -> None:
    candles = random_window(7, drift=0.002)
    assert analyse(candles) == analyse(candles)


def test_tiny_prices_keep_their_order_after_rounding_to_eight_places() -> None:
    closes = np.array(pullback_closes()) * 1e-6
    found = TechnicalAnalyst().analyse(
        given(window(closes.round(9).tolist(), spread=5e-7), tick="0.00000001")
    )
    assert found.direction is Direction.LONG
    assert found.stop_loss is not None
    assert found.entry_price is not None
    assert found.stop_loss < found.entry_price
    assert found.stop_loss == found.stop_loss.quantize(Decimal("0.00000001"))


def test_timeframe_is_carried_over() -> None:
    candles = random_window(3, timeframe="15m")
    found = TechnicalAnalyst().analyse(given(candles, timeframe="15m"))
    assert found.timeframe == "15m"
    assert found.candle_time == candles.last_close_time
    assert candles.interval == TIMEFRAMES["15m"]
