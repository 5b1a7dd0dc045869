"""Entries beyond the market: refused, or kept back until price gets there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.domain import Direction
from exchange.domain import OrderType, TimeInForce
from tests.trading.domain.made import (
    NOW,
    entries,
    instrument,
    market_view,
    portfolio,
    quote,
    reading,
    settings,
    short_reading,
    verdict_of,
)
from trading.domain.entry import entry_order
from trading.domain.pipeline import decide
from trading.domain.signal import Reading, propose, validate

D = Decimal
BREAKOUTS = replace(settings(), entries=entries(breakout_entries=True))
# 0.4 ATR beyond the market, which is within what an entry may be away.
LONG, SHORT = reading(last="99.2"), short_reading(last="100.8")


@pytest.mark.parametrize("read", [LONG, SHORT])
def test_without_the_setting_it_is_refused(read: Reading) -> None:
    proposal = propose(read, settings())
    assert proposal.order is None
    verdicts = validate(proposal, read, portfolio(), settings(), NOW)
    assert verdict_of(verdicts, "breakout_entry").passed is False


def test_a_long_waits_for_the_entry_price_from_below() -> None:
    proposal = propose(LONG, BREAKOUTS)
    order = proposal.order
    assert order is not None
    assert (order.order_type, order.time_in_force) == (OrderType.LIMIT, TimeInForce.IOC)
    assert order.trigger_price == 100
    # The ask is 0.1 above last; 0.05 % of 100.1 on top of that, on the tick.
    assert order.price == order.worst_price == proposal.worst_price == D("100.1")
    verdicts = validate(proposal, LONG, portfolio(), BREAKOUTS, NOW)
    assert verdict_of(verdicts, "breakout_entry").text == (
        "A breakout entry: sent when the last price reaches 100."
    )


def test_a_short_waits_for_it_from_above() -> None:
    order = propose(SHORT, BREAKOUTS).order
    assert order is not None
    assert (order.trigger_price, order.price) == (D(100), D("99.9"))


def test_it_is_accepted_and_sized_at_its_worst_price() -> None:
    (decision,) = decide([replace(LONG, view=market_view())], portfolio(), BREAKOUTS, NOW)
    assert decision.rule == ""
    assert decision.proposal is not None
    assert decision.sizing is not None
    assert decision.sizing.notional == decision.sizing.qty * D("100.1")


@given(
    direction=st.sampled_from([Direction.LONG, Direction.SHORT]),
    last=st.decimals(min_value=50, max_value=150, places=1),
    stop_away=st.decimals(min_value="0.5", max_value=10, places=1),
    spread=st.decimals(min_value=0, max_value="0.5", places=1),
    tick=st.sampled_from(["0.1", "0.01", "0.5"]),
)
def test_what_waits_is_beyond_the_market_and_slips_no_further(
    direction: Direction, last: Decimal, stop_away: Decimal, spread: Decimal, tick: str
) -> None:
    entry, sign = D(100), direction.sign
    rules = instrument(tick_size=D(tick))
    stop = entry - sign * stop_away
    order = entry_order(direction, entry, stop, D(2), quote(last, spread), rules, BREAKOUTS)
    assert order is not None
    assume(order.trigger_price is not None)
    assert order.trigger_price == entry
    assert (entry - last) * sign > D("0.2")
    beyond = (order.price - entry) * sign
    assert 0 <= beyond <= spread / 2 + (entry + spread) * D("0.0005")
