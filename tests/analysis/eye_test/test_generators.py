from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.eye_test.generators import EXTREMES, ChartSpec, Ending, Made, Market, make
from analysis.indicators import INPUT_BARS, VISIBLE_BARS
from exchange.candles import CandleWindow

SPEC = ChartSpec(Market.MARTINGALE, seed=3, number=5)
ENDINGS = [each for each in Ending if each is not Ending.AS_IT_CAME]


def candles(spec: ChartSpec) -> CandleWindow:
    return make(spec).given.window


def visible_t(spec: ChartSpec) -> float:
    returns = np.diff(np.log(candles(spec).tail(VISIBLE_BARS).close))
    return float(returns.mean() / returns.std(ddof=1) * np.sqrt(len(returns)))


@pytest.mark.parametrize("market", list(Market))
def test_candles_are_whole_and_possible(market: Market) -> None:
    window = candles(replace(SPEC, market=market))
    assert len(window) == INPUT_BARS
    assert (window.low > 0).all()
    assert (window.high >= np.maximum(window.open, window.close)).all()
    assert (window.low <= np.minimum(window.open, window.close)).all()


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_leaves_the_history_as_it_was(ending: Ending) -> None:
    plain, ended = candles(SPEC), candles(replace(SPEC, ending=ending))
    assert (plain.close[:-3] == ended.close[:-3]).all()
    assert not (plain.close[-3:] == ended.close[-3:]).all()
    assert (ended.high >= np.maximum(ended.open, ended.close)).all()
    assert (ended.low <= np.minimum(ended.open, ended.close)).all()


def test_an_engulfing_bar_engulfs() -> None:
    window = candles(replace(SPEC, ending=Ending.BULLISH_ENGULFING))
    assert window.close[-2] < window.open[-2]
    assert window.open[-1] < window.close[-2]
    assert window.close[-1] > window.open[-2]


def test_endings_of_both_sides_mirror_each_other() -> None:
    up = candles(replace(SPEC, ending=Ending.LONG_LOWER_WICK))
    down = candles(replace(SPEC, ending=Ending.LONG_UPPER_WICK))
    before = up.close[-4]
    assert up.low[-1] - before == pytest.approx(-(down.high[-1] - before), abs=0.002)


@pytest.mark.parametrize("drift_t", [0.0, 1.5, -3.0, 5.0])
def test_drift_has_exactly_the_ratio_asked_for(drift_t: float) -> None:
    spec = replace(SPEC, market=Market.DRIFT, drift_t=drift_t)
    assert visible_t(spec) == pytest.approx(drift_t, abs=0.01)


def test_same_spec_same_candles_other_number_others() -> None:
    assert (candles(SPEC).close == candles(SPEC).close).all()
    assert not (candles(SPEC).close == candles(replace(SPEC, number=6)).close).all()


def touched(made: Made, price: float, atr_share: float) -> int:
    window = made.given.window.tail(VISIBLE_BARS)
    zone = atr_share * float((window.high - window.low).mean())
    near = (np.abs(window.high - price) <= zone) | (np.abs(window.low - price) <= zone)
    # Neighbouring bars at a level are one touch.
    return int(np.count_nonzero(np.diff(near.astype(int), prepend=0) == 1))


@pytest.mark.parametrize("number", range(12))
def test_planted_levels_are_touched_at_least_twice(number: int) -> None:
    made = make(ChartSpec(Market.RANGE, 3, number))
    assert made.support is not None
    assert made.resistance is not None
    assert touched(made, float(made.support), 0.1) >= 2
    assert touched(made, float(made.resistance), 0.1) >= 2


def test_a_planted_level_need_not_be_the_extreme() -> None:
    inside = 0
    for number in range(12):
        made = make(ChartSpec(Market.RANGE, 3, number))
        visible = made.given.window.tail(VISIBLE_BARS)
        assert made.support is not None
        assert made.resistance is not None
        inside += visible.high.max() > float(made.resistance)
        inside += visible.low.min() < float(made.support)
    assert inside >= 10


def test_extremes_are_extreme() -> None:
    found = {market: candles(replace(SPEC, market=market)) for market in EXTREMES}
    assert not found[Market.NO_VOLUME].volume.any()
    still, tiny = found[Market.STILL], found[Market.TINY_STEPS]
    assert np.ptp(still.close) / still.close.mean() < 0.001
    assert np.ptp(tiny.close) / tiny.close.mean() < 0.02
    gaps = found[Market.GAPS]
    assert np.abs(gaps.open[1:] / gaps.close[:-1] - 1).max() > 0.02
    wick = found[Market.WICK]
    body_low = np.minimum(wick.open, wick.close)
    assert ((body_low - wick.low) / body_low).max() > 0.08
