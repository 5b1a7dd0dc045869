"""From a recommendation to a proposal: ticks, the order that fits, reward, and every rule."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.domain import Direction
from exchange.domain import Instrument, OrderType, TimeInForce
from tests.trading.domain.made import (
    HOUR,
    NOW,
    Number,
    dec,
    instrument,
    portfolio,
    proposal,
    reading,
    recommendation,
    settings,
    short_reading,
    verdict_of,
)
from trading.domain.portfolio import PastSignal
from trading.domain.settings import SignalRules
from trading.domain.signal import (
    Reading,
    drifted,
    net_reward_to_risk,
    no_setup,
    prices_ordered,
    propose,
    still_ordered,
    validate,
)
from trading.domain.verdict import Verdict

LONG, SHORT, NONE = Direction.LONG, Direction.SHORT, Direction.NONE
GTC, IOC = TimeInForce.GTC, TimeInForce.IOC
SECOND = timedelta(seconds=1)


def ticks_of(tick: str) -> Instrument:
    return instrument(tick_size=Decimal(tick))


def rule_of(rule: str, read: Reading, **held: Any) -> Verdict:
    """What one rule says of a reading."""
    bot, account = settings(), portfolio(**held)
    return verdict_of(validate(propose(read, bot), read, account, bot, NOW), rule)


def test_costs_reward_and_confidence_by_hand() -> None:
    made = proposal()
    # 100 x 2 x 0.00055 + 96 x 0.0005
    assert made.unit_costs == Decimal("0.158")
    assert made.unit_loss == Decimal("4.158")
    # (12 - 0.158) / (4 + 0.158)
    assert made.rr_net == Decimal("2.8480")
    # 0.4 x 0.8 + 0.25 x 2.848 / 3 + 0.35 x 0.7
    assert made.confidence.value == Decimal("0.802")


def test_a_short_pays_its_slippage_on_its_higher_stop() -> None:
    made = proposal(short_reading())
    assert made.unit_costs == Decimal("0.162")
    # (12 - 0.162) / (4 + 0.162) = 2.84430...
    assert made.rr_net == Decimal("2.8443")


@pytest.mark.parametrize(
    ("read", "prices"),
    [
        (
            reading(entry="100.7", stop="96.3", target="112.4", rules=ticks_of("0.5")),
            ("100.5", "96", "112"),
        ),
        (
            short_reading(entry="100.3", stop="104.2", target="87.7", rules=ticks_of("0.5")),
            ("100.5", "104.5", "88"),
        ),
        (reading(entry=100, stop=96, target=112, rules=ticks_of("0.5")), ("100", "96", "112")),
        (
            reading(
                entry="0.000012345",
                stop="0.000011999",
                target="0.000013999",
                last="0.0000124",
                atr="0.0000002",
                spread="0.00000001",
                rules=ticks_of("0.00000001"),
            ),
            ("0.00001234", "0.00001199", "0.00001399"),
        ),
    ],
)
def test_stop_is_rounded_away_from_the_entry_and_target_toward_it(
    read: Reading, prices: tuple[str, str, str]
) -> None:
    made = proposal(read)
    found = (made.entry_price, made.stop_loss, made.take_profit)
    assert found == tuple(Decimal(price) for price in prices)


@pytest.mark.parametrize(
    ("last", "kind"),
    [("100.6", GTC), ("100.21", GTC), ("100.2", IOC), ("99.8", IOC), ("99.79", None)],
)
def test_the_order_of_a_long_depends_on_where_price_is(last: str, kind: TimeInForce | None) -> None:
    order = proposal(reading(last=last)).order
    assert (order.time_in_force if order else None) == kind


@pytest.mark.parametrize(
    ("last", "kind"),
    [("99.4", GTC), ("99.79", GTC), ("99.8", IOC), ("100.2", IOC), ("100.21", None)],
)
def test_the_order_of_a_short_mirrors_it(last: str, kind: TimeInForce | None) -> None:
    order = proposal(short_reading(last=last)).order
    assert (order.time_in_force if order else None) == kind


def test_a_pullback_entry_rests_at_the_price_of_the_signal() -> None:
    order = proposal().order
    assert order is not None
    assert order.order_type is OrderType.LIMIT
    assert order.price == order.worst_price == 100


@pytest.mark.parametrize(
    ("read", "limit"),
    [
        # Ask 100.1 + 0.05 % of it = 100.15005.
        (reading(last=100, rules=ticks_of("0.01")), "100.15"),
        # Bid 99.9 - 0.05 % of it = 99.85005.
        (short_reading(last=100, rules=ticks_of("0.01")), "99.86"),
        # 5 % of the distance from the ask 100.1 to the stop 99.8 is 0.015, less than 0.05005.
        (reading(last=100, stop="99.8", rules=ticks_of("0.01")), "100.11"),
        # The tick is coarser than the slip: the limit stays at the ask.
        (reading(last=100), "100.1"),
    ],
)
def test_an_entry_at_the_market_slips_by_a_hair_at_most(read: Reading, limit: str) -> None:
    made = proposal(read)
    assert made.order is not None
    assert made.order.price == made.worst_price == Decimal(limit)


def test_reward_is_counted_from_the_worst_fill() -> None:
    made = proposal(reading(last=100))
    # Limit at the ask 100.1; costs 100.1 x 0.0011 + 0.048 = 0.15811.
    assert made.unit_costs == Decimal("0.15811")
    # (11.9 - 0.15811) / (4.1 + 0.15811) = 2.75753...
    assert made.rr_net == Decimal("2.7575")


def test_a_proposal_needs_three_prices() -> None:
    with pytest.raises(ValueError, match="three prices"):
        proposal(reading(target=None))


def test_nothing_to_lose_has_no_reward_to_risk() -> None:
    zero = Decimal(0)
    assert net_reward_to_risk(zero, zero, zero, zero) == 0


@pytest.mark.parametrize(
    ("direction", "stop", "entry", "target", "ordered"),
    [
        (LONG, 96, 100, 112, True),
        (SHORT, 104, 100, 88, True),
        (LONG, 104, 100, 88, False),
        (SHORT, 96, 100, 112, False),
        (LONG, 100, 100, 112, False),
        (LONG, 96, 100, 100, False),
        (SHORT, 100, 100, 88, False),
        (SHORT, 104, 100, 100, False),
        (LONG, 0, 100, 112, False),
        (LONG, -5, 100, 112, False),
        (SHORT, 104, 100, 0, False),
        (LONG, None, 100, 112, False),
        (LONG, 96, None, 112, False),
        (LONG, 96, 100, None, False),
    ],
)
def test_stop_entry_and_target_are_in_order(
    direction: Direction, stop: int | None, entry: int | None, target: int | None, ordered: bool
) -> None:
    prices = [None if price is None else Decimal(price) for price in (stop, entry, target)]
    assert prices_ordered(direction, *prices).passed is ordered


@pytest.mark.parametrize(
    ("read", "ordered"),
    [
        (reading(), True),
        (short_reading(), True),
        # Stop and entry, entry and target fall onto one tick.
        (reading(entry="100.9", stop="100.2", target=112, rules=ticks_of("1")), False),
        (reading(entry="100.2", stop=96, target="100.9", rules=ticks_of("1")), False),
        (short_reading(entry="100.2", stop="100.9", rules=ticks_of("1")), False),
        # The order fills at 101, but the signal's own entry stands on its stop.
        (reading(entry="100.9", stop="100.2", last=101, atr=20, rules=ticks_of("1")), False),
        # Everything is rounded to nothing.
        (
            reading(
                entry="0.5", stop="0.4", target="0.9", last="0.5", spread=0, rules=ticks_of("1")
            ),
            False,
        ),
        # The ask stands beyond the target, the bid beyond a short's.
        (reading(last=100, spread=30), False),
        (short_reading(last=100, spread=30), False),
    ],
)
def test_prices_are_still_in_order_on_ticks_and_at_the_worst_fill(
    read: Reading, ordered: bool
) -> None:
    assert still_ordered(proposal(read)).passed is ordered


def test_no_setup_says_the_strongest_objection() -> None:
    verdict = no_setup(recommendation(direction=NONE, objection="No trend."))
    assert (verdict.rule, verdict.passed, verdict.text) == ("none", False, "No trend.")
    assert no_setup(recommendation(direction=NONE)).text == "The analyst sees no setup."
    assert no_setup(recommendation()).passed


@pytest.mark.parametrize(("setup", "passed"), [("0.418", True), ("0.415", False)])
def test_confidence_must_reach_the_minimum(setup: str, passed: bool) -> None:
    # 0.4 x 0.418 + 0.2373333 + 0.245 = 0.6495, which is 0.650 with three places.
    verdict = rule_of("confidence", reading(setup=setup))
    assert verdict.passed is passed
    assert verdict.limit == "65.0 %"


@pytest.mark.parametrize(("target", "passed"), [("106.4", True), ("106.3", False)])
def test_reward_must_reach_the_minimum(target: str, passed: bool) -> None:
    # 1.5 x 4.158 + 0.158 = 6.395.
    assert rule_of("rr_net", reading(target=target)).passed is passed


FINE: dict[str, Any] = {"spread": "0.02", "rules": ticks_of("0.01")}


@pytest.mark.parametrize(
    ("read", "passed"),
    [
        # ATR 2: at least 1 ATR, at most 6 % of the price.
        (reading(stop=98), True),
        (reading(stop="98.1"), False),
        (reading(stop=94), True),
        (reading(stop="93.9"), False),
        # ATR 1: at most 4 ATR.
        (reading(stop=96, atr=1, last="100.3"), True),
        (reading(stop="95.9", atr=1, last="100.3"), False),
        # ATR 0.4: at least 5 times the fees of 0.11 %.
        (reading(stop="99.45", atr="0.4", last="100.1", **FINE), True),
        (reading(stop="99.46", atr="0.4", last="100.1", **FINE), False),
        # At least 4 spreads of 1.
        (reading(stop=96, spread=1), True),
        (reading(stop="96.1", spread=1), False),
        (short_reading(stop=102), True),
        (short_reading(stop="101.9"), False),
    ],
)
def test_a_stop_is_neither_too_near_nor_too_far(read: Reading, passed: bool) -> None:
    assert rule_of("stop_distance", read).passed is passed


@pytest.mark.parametrize(
    ("atr", "band"), [("0.1", "5.50 ATR to 4.00 ATR"), ("0", "– ATR to – ATR")]
)
def test_where_no_stop_would_do_the_timeframe_is_too_short(atr: str, band: str) -> None:
    verdict = rule_of("stop_band", reading(atr=atr, last=100, **FINE))
    assert verdict.passed is False
    assert verdict.limit == band
    assert "too short" in verdict.text


@pytest.mark.parametrize(
    ("last", "passed"), [("101", True), ("101.1", False), ("99", True), ("98.9", False)]
)
def test_the_entry_is_near_the_last_price(last: str, passed: bool) -> None:
    assert rule_of("entry_distance", reading(last=last)).passed is passed


@pytest.mark.parametrize(("last", "passed"), [("99.8", True), ("99.7", False)])
def test_an_entry_beyond_the_market_is_refused(last: str, passed: bool) -> None:
    assert rule_of("breakout_entry", reading(last=last)).passed is passed


@pytest.mark.parametrize(
    ("past", "passed"),
    [
        (PastSignal("BTCUSDT", LONG, Decimal(101), NOW - 5 * HOUR, "executed"), False),
        (PastSignal("BTCUSDT", LONG, Decimal(99), NOW - 5 * HOUR, "refused"), False),
        (PastSignal("BTCUSDT", LONG, Decimal("101.1"), NOW - 5 * HOUR, "executed"), True),
        (PastSignal("BTCUSDT", LONG, Decimal(100), NOW - 6 * HOUR, "executed"), True),
        (PastSignal("BTCUSDT", SHORT, Decimal(100), NOW - HOUR, "executed"), True),
        (PastSignal("ETHUSDT", LONG, Decimal(100), NOW - HOUR, "executed"), True),
    ],
)
def test_a_similar_signal_is_not_repeated_within_six_bars(past: PastSignal, passed: bool) -> None:
    verdict = rule_of("similar_signal", reading(), past_signals=(past,))
    assert verdict.passed is passed
    assert passed or past.what in verdict.text


@pytest.mark.parametrize(("age", "passed"), [(HOUR, True), (HOUR + SECOND, False)])
def test_an_analysis_lives_one_bar(age: timedelta, passed: bool) -> None:
    assert rule_of("analysis_age", reading(candle_time=NOW - age)).passed is passed


def test_a_gap_in_the_candles_is_refused() -> None:
    assert rule_of("data_gap", reading(gap_free=True)).passed
    assert rule_of("data_gap", reading(gap_free=False)).passed is False


@pytest.mark.parametrize(
    ("last", "passed"), [("101", True), ("101.1", False), ("99", True), ("98.9", False)]
)
def test_price_may_drift_a_quarter_of_r(last: Number, passed: bool) -> None:
    verdict = drifted(LONG, dec(100), dec(96), dec(last), SignalRules())
    assert verdict.passed is passed


ticks = st.integers(1, 400)


@given(
    st.sampled_from([LONG, SHORT]),
    st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.00000001")]),
    st.tuples(ticks, ticks, ticks, ticks, st.integers(0, 40)),
    st.decimals(0, "0.99", places=2),
)
def test_prices_that_pass_stand_on_ticks_and_in_order(
    direction: Direction, tick: Decimal, parts: tuple[int, int, int, int, int], off: Decimal
) -> None:
    sign = direction.sign
    entry, risk, reward, away, spread = parts
    price = (1000 + entry + off) * tick
    made = proposal(
        reading(
            direction=direction,
            entry=price,
            stop=price - sign * risk * tick,
            target=price + sign * reward * tick,
            last=price + sign * (away - 200) * tick / 10,
            spread=spread * tick,
            atr=20 * tick,
            rules=instrument(tick_size=tick),
        )
    )
    prices = (made.stop_loss, made.entry_price, made.worst_price, made.take_profit)
    assert all(each % tick == 0 for each in prices)
    if still_ordered(made).passed:
        stop, entry_price, worst, target = (each * sign for each in prices)
        assert stop < entry_price < target
        assert stop < worst < target
    if made.order is not None and made.order.time_in_force is GTC:
        assert made.worst_price == made.entry_price
