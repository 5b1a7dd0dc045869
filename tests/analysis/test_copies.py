"""Copies of a chart, and what a trade needs of their answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given as given_that
from hypothesis import settings
from hypothesis import strategies as st

from analysis.chart import ChartStyle
from analysis.chart_layout import PATCH_SCALE
from analysis.copies import (
    Copy,
    Vote,
    agreement_of,
    copies_of,
    flipped,
    mirrored,
    straight_price,
    vote_of,
    wants_more,
)
from analysis.domain import (
    AnalysisInput,
    Direction,
    Environment,
    Grounding,
    Recommendation,
    ScoreParts,
)
from analysis.errors import AnalysisInvalid
from analysis.indicators import indicators
from tests.analysis.candle_makers import given, random_window, window

LONG, SHORT, NONE = Direction.LONG, Direction.SHORT, Direction.NONE
VARIANTS = ("", "mirror", "bars70", "mirror95", "dark", "mirror-dark")
SIGNS = {"L": LONG, "S": SHORT, "-": NONE}
STYLE = ChartStyle(scale=PATCH_SCALE)


def market(seed: int, price: float = 100.0) -> AnalysisInput:
    digits = 8 if price < 1 else 2
    return given(random_window(seed, price=price, digits=digits))


def votes(sides: str, *, stop: str = "-1", target: str = "2") -> list[Vote]:
    """Votes by their side on the original chart: ``votes("LL-")``."""
    return [vote(place, SIGNS[sign], stop, target) for place, sign in enumerate(sides)]


def vote(place: int, side: Direction, stop: str = "-1", target: str = "2") -> Vote:
    turned = place % 2 == 1
    answered = flipped(side) if turned else side
    if side is NONE:
        return Vote(VARIANTS[place], turned, answered)
    return Vote(VARIANTS[place], turned, answered, Decimal(0), Decimal(stop), Decimal(target))


def columns(made: AnalysisInput) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    candles = made.window
    return [candles.open, candles.high, candles.low, candles.close, candles.volume]


@given_that(st.integers(0, 10_000), st.sampled_from([0.0000123, 0.9, 100.0, 97431.5]))
@settings(max_examples=40, deadline=None)
def test_mirrored_twice_is_the_same_market(seed: int, price: float) -> None:
    made = market(seed, price)
    for column, again in zip(columns(made), columns(mirrored(mirrored(made))), strict=True):
        assert np.allclose(again, column, rtol=1e-9, atol=0)


@given_that(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_mirror_swaps_highs_and_lows_and_keeps_the_last_close(seed: int) -> None:
    made = market(seed)
    candles, other = made.window, mirrored(made).window
    close = candles.close[-1]
    assert other.close[-1] == close
    np.testing.assert_allclose(other.high, close * close / candles.low, rtol=1e-12)
    np.testing.assert_allclose(other.low, close * close / candles.high, rtol=1e-12)
    assert (other.high >= np.maximum(other.open, other.close)).all()
    assert (other.low <= np.minimum(other.open, other.close)).all()
    assert np.array_equal(other.volume, candles.volume)
    assert np.array_equal(other.times, candles.times)


def test_what_rose_falls_by_the_same_share() -> None:
    made = given(window([100.0] * 198 + [104.0, 110.0]))
    closes = mirrored(made).window.close
    assert closes[-2] / closes[-1] == pytest.approx(110 / 104)


def test_mirror_turns_momentum_round() -> None:
    made = market(7)
    rsi, turned = indicators(made.window).rsi[-1], indicators(mirrored(made).window).rsi[-1]
    assert rsi + turned == pytest.approx(100, abs=2)


@given_that(st.integers(0, 1000), st.decimals(min_value="0.0001", max_value="99999", places=4))
@settings(max_examples=50, deadline=None)
def test_straightened_twice_is_the_same_price(seed: int, price: Decimal) -> None:
    made = market(seed)
    again = straight_price(straight_price(price, made), mirrored(made))
    assert abs(again / price - 1) < Decimal("1e-9")


def test_prices_of_the_mirrored_chart_lie_on_the_other_side_of_the_last_close() -> None:
    made = given(window([100.0] * 200))
    assert straight_price(Decimal(125), made) == Decimal(80)
    assert straight_price(Decimal(100), made) == Decimal(100)


@pytest.mark.parametrize("price", ["0", "-3", "NaN", "Infinity"])
def test_price_that_no_market_has_is_refused(price: str) -> None:
    with pytest.raises(AnalysisInvalid):
        straight_price(Decimal(price), market(1))


@pytest.mark.parametrize(("count", "names"), [(0, 1), (1, 1), (2, 2), (4, 4), (6, 6)])
def test_looks_come_in_their_order(count: int, names: int) -> None:
    assert tuple(copy.variant for copy in copies_of(STYLE, count)) == VARIANTS[:names]


def test_copies_differ_by_one_thing_each() -> None:
    chart, mirror, fewer, more, dark, mirrored_dark = copies_of(STYLE, 6)
    assert (chart.style, mirror.style) == (STYLE, STYLE)
    assert [copy.mirrored for copy in (chart, mirror, fewer, more, dark, mirrored_dark)] == [
        *(False, True),
        *(False, True),
        *(False, True),
    ]
    assert (fewer.style.bars, more.style.bars) == (70, 95)
    assert dark.style == mirrored_dark.style == ChartStyle(scale=PATCH_SCALE, dark=True)


@pytest.mark.parametrize("count", [-1, 7])
def test_unknown_number_of_looks_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="up to 6"):
        copies_of(STYLE, count)


@pytest.mark.parametrize(
    ("sides", "planned", "more"),
    [
        ("", 1, True),
        ("L", 1, False),
        # Nothing a copy says can make a trade of it.
        ("-", 2, False),
        ("-", 6, False),
        ("L", 2, True),
        ("LL", 2, False),
        ("LS", 6, False),
        ("L-", 6, False),
        ("SS", 6, True),
        ("LL-", 6, True),
        ("LL--", 6, True),
        ("LL---", 6, False),
        ("LLS", 6, False),
        ("LLLL", 6, True),
        ("LLLLLL", 6, False),
    ],
)
def test_looking_stops_when_nothing_can_change(sides: str, planned: int, more: bool) -> None:
    assert wants_more(votes(sides), planned) is more


@pytest.mark.parametrize(
    ("sides", "planned", "reason"),
    [
        ("L", 1, ""),
        ("LL", 2, ""),
        ("SS", 2, ""),
        ("LS", 2, "1 of 2 looks say short, the chart long"),
        ("L-", 2, "on the mirrored chart the answer did not turn round"),
        # A look that was planned and never came counts as none.
        ("L", 2, "on the mirrored chart the answer did not turn round"),
        ("LL", 3, ""),
        ("LL", 6, "only 2 of 6 looks say long"),
        ("LLL---", 6, "only 3 of 6 looks say long"),
        ("LLLL--", 6, ""),
        ("LLLL", 6, ""),
        ("LLLLLS", 6, "1 of 6 looks say short, the chart long"),
        ("SSSSS-", 6, ""),
        ("L-LLLL", 6, "on the mirrored chart the answer did not turn round"),
        ("-LLLLL", 6, ""),
    ],
)
def test_a_trade_needs_four_of_six_and_nobody_against(
    sides: str, planned: int, reason: str
) -> None:
    found = agreement_of(votes(sides), planned)
    assert found.veto == reason
    assert found.direction is SIGNS[sides[0]]


@given_that(st.text("LS-", min_size=1, max_size=6), st.integers(1, 6))
def test_whoever_stops_early_would_not_have_traded(sides: str, planned: int) -> None:
    told = votes(sides)[:planned]
    found = agreement_of(told, planned)
    if len(told) < planned and not wants_more(told, planned):
        assert found.veto or found.direction is NONE
    if not found.veto and found.direction is not NONE:
        agreement = Decimal(str(found.features["agreement"]))
        assert abs(agreement) >= Decimal("0.6666")
        assert (agreement > 0) == (found.direction is LONG)


@pytest.mark.parametrize(
    ("stops", "veto"),
    [
        (("-1", "-1", "-1", "-1", "-1", "-3"), ""),
        (("-1", "-1", "-1.2", "-1.4", "-1.5", "-1.5"), ""),
        (("-1", "-1", "-1", "-2", "-2", "-2"), "the looks differ by 1.00 ATR over the stop"),
    ],
)
def test_looks_that_want_other_stops_are_vetoed(stops: Sequence[str], veto: str) -> None:
    told = [vote(place, LONG, stop) for place, stop in enumerate(stops)]
    assert agreement_of(told, 6).veto == veto


def test_pair_that_wants_other_targets_is_vetoed() -> None:
    told = [vote(0, LONG, target="2"), vote(1, LONG, target="3.2")]
    assert agreement_of(told, 2).veto == "the looks differ by 0.60 ATR over the target"


@pytest.mark.parametrize(
    ("told", "bias"),
    [
        # The one that looks says the contrary on the mirror, the biased one the same.
        ([Vote("", False, LONG), Vote("mirror", True, SHORT)], "0.0000"),
        ([Vote("", False, LONG), Vote("mirror", True, LONG)], "1.0000"),
        ([Vote("", False, SHORT), Vote("mirror", True, SHORT)], "-1.0000"),
        ([Vote("", False, LONG), Vote("mirror", True, NONE)], "0.5000"),
        ([Vote("", False, LONG)], None),
    ],
)
def test_bias_is_what_the_mirror_does_not_turn(told: list[Vote], bias: str | None) -> None:
    assert agreement_of(told, 2).features["bias"] == bias


def test_features_are_ready_for_json_and_hold_medians() -> None:
    told = [
        Vote("", False, LONG, Decimal(0), Decimal(-1), Decimal(2), Decimal("0.01")),
        Vote("mirror", True, SHORT, Decimal(0), Decimal("-1.2"), Decimal("2.2"), Decimal("0.02")),
    ]
    features = agreement_of(told, 2).features
    assert json.loads(json.dumps(features)) == features
    assert features["votes"] == {"chart": "long", "mirror": "long"}
    assert (features["agreement"], features["p_agree"]) == ("1.0000", "0.7500")
    assert (features["stop_atr"], features["target_atr"]) == ("-1.1", "2.1")
    assert features["readback_error"] == "0.0150"


def test_judging_needs_the_chart_itself() -> None:
    with pytest.raises(ValueError, match="chart itself"):
        agreement_of(votes("LL")[1:], 2)


def test_vote_of_a_mirror_is_told_as_answered_there() -> None:
    made = market(1)
    copy = Copy("mirror", True, STYLE)
    straight = Recommendation(
        symbol=made.symbol,
        timeframe="1h",
        candle_time=made.candle_time,
        direction=LONG,
        entry_price=Decimal(100),
        stop_loss=Decimal(97),
        take_profit=Decimal(106),
        scores=ScoreParts(Decimal("0.5"), Decimal("0.5")),
        environment=Environment.RANGE,
        evidence=(),
        strongest_objection="",
        invalidation="",
        atr=Decimal(2),
        last_price=Decimal(101),
        grounding=Grounding(True, "", {"marker_1": Decimal("0.012"), "marker_2": None}),
    )
    found = vote_of(copy, straight)
    assert (found.direction, found.side) == (SHORT, LONG)
    assert (found.entry, found.stop, found.target) == (
        Decimal("-0.5"),
        Decimal(-2),
        Decimal("2.5"),
    )
    assert found.readback_error == Decimal("0.012")
