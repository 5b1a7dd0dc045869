"""Exits in bulk agree with following each entry, trade for trade."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.candles import CandleWindow, from_ms
from exchange.domain import FundingEvent, Side
from tests.trading.backtest.made import HOUR, walk
from tests.trading.domain.made import instrument
from trading.backtest.follow import follow
from trading.backtest.followed import Followed, FollowedEntry
from trading.backtest.kernel import Bulk, BulkExits, Exit, KernelUnfit, exits_in_bulk
from trading.backtest.prices import CandlePrices
from trading.choices import RiskProfile
from trading.domain.exits import ExitSettings, default_exits

CANDLES, ENTRIES = 120, 12
TICK = 0.1


def bulk(window: CandleWindow, seed: int) -> Bulk:
    random = np.random.default_rng(seed)
    place = np.sort(random.integers(0, CANDLES, ENTRIES))
    sign = np.where(random.random(ENTRIES) < 0.5, 1, -1)
    away, gain = random.integers(2, 60, ENTRIES), random.integers(2, 150, ENTRIES)
    return Bulk(
        place,
        sign,
        stop=np.round(window.open[place] - sign * away * TICK, 1).astype(np.float64),
        target=np.round(window.open[place] + sign * gain * TICK, 1).astype(np.float64),
        qty=np.round(random.integers(1, 500, ENTRIES) * 0.1, 3).astype(np.float64),
    )


def settlements(window: CandleWindow, rate: str) -> list[FundingEvent]:
    """Funding every eight hours at the close before."""
    return [
        FundingEvent("BTCUSDT", from_ms(int(time)), Decimal(rate), Decimal(str(close)))
        for time, close in zip(window.times[8::8], window.close[7::8], strict=False)
    ]


def paid_by_close(
    window: CandleWindow, events: list[FundingEvent]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    paid = np.zeros(len(window))
    for event in events:
        last = int((event.time - from_ms(int(window.times[0]))) / window.interval) - 1
        paid[last:] += float(event.rate * event.mark)
    return paid


def followed(
    window: CandleWindow, entries: Bulk, rules: ExitSettings, events: list[FundingEvent]
) -> list[Followed]:
    prices = CandlePrices(window, instrument(), events)
    return [
        follow(
            FollowedEntry(
                symbol="BTCUSDT",
                side=Side.BUY if entries.sign[one] > 0 else Side.SELL,
                qty=Decimal(str(entries.qty[one])),
                stop_loss=Decimal(str(entries.stop[one])),
                take_profit=Decimal(str(entries.target[one])),
                placed_at=from_ms(int(window.times[entries.place[one]])),
            ),
            prices,
            rules,
            instrument(),
        )
        for one in range(len(entries.place))
    ]


def assert_same(window: CandleWindow, life: Followed, exits: BulkExits, one: int) -> None:
    reason = Exit(int(exits.reason[one]))
    if reason is Exit.NONE:
        return
    assert reason.reason == (life.reason if life.over else None)
    assert life.entry_price is not None
    assert float(life.entry_price) == pytest.approx(exits.entry_price[one], abs=1e-9)
    if not life.over:
        return
    assert life.exit_time is not None
    assert life.exit_price is not None
    opened = from_ms(int(window.times[exits.place[one]]))
    assert opened <= life.exit_time < opened + window.interval
    assert float(life.exit_price) == pytest.approx(exits.exit_price[one], abs=TICK + 1e-9)
    assert life.r_multiple is not None
    assert life.net_pnl is not None
    assert float(life.r_multiple) == pytest.approx(exits.r_multiple[one], abs=1e-6)
    assert float(life.net_pnl) == pytest.approx(exits.net_pnl[one], abs=1e-5)


RULES = st.builds(
    lambda profile, bars, breakeven: replace(
        default_exits(profile, HOUR), max_holding_bars=bars, breakeven_at_r=breakeven
    ),
    st.sampled_from(list(RiskProfile)),
    st.integers(1, 40),
    st.sampled_from([None, Decimal("0.3"), Decimal("1.0"), Decimal("1.7")]),
)


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from([3.0, 8.0, 25.0]),
    RULES,
    st.sampled_from(["0", "0.0007"]),
)
def test_exits_in_bulk_are_those_of_following_each(
    seed: int, wild: float, rules: ExitSettings, rate: str
) -> None:
    window = walk(seed, CANDLES, wild=wild)
    entries, events = bulk(window, seed), settlements(window, rate)
    exits = exits_in_bulk(entries, window, rules, instrument(), paid_by_close(window, events))
    for one, life in enumerate(followed(window, entries, rules, events)):
        assert_same(window, life, exits, one)


def test_random_entries_end_in_every_way() -> None:
    seen = set()
    for seed in range(25):
        window = walk(seed, CANDLES)
        rules = replace(default_exits(RiskProfile.CONSERVATIVE, HOUR), max_holding_bars=12)
        seen |= set(exits_in_bulk(bulk(window, seed), window, rules, instrument()).reason.tolist())
    assert seen >= {Exit.OPEN, *(one for one in Exit if one >= 0)}


def test_an_entry_beyond_its_stop_can_not_begin() -> None:
    window = walk(1, CANDLES)
    entries = replace(bulk(window, 1), stop=np.full(ENTRIES, 1000.0), sign=np.ones(ENTRIES, int))
    exits = exits_in_bulk(entries, window, default_exits(RiskProfile.CLASSIC, HOUR), instrument())
    assert set(exits.reason.tolist()) == {Exit.NONE}
    assert np.isnan(exits.r_multiple).all()


def test_rules_that_it_does_not_know_are_refused() -> None:
    window = walk(1, CANDLES)
    rules = replace(default_exits(RiskProfile.CLASSIC, HOUR), age_bars=5)
    with pytest.raises(KernelUnfit):
        exits_in_bulk(bulk(window, 1), window, rules, instrument())


def test_maximum_holding_counts_time_and_not_candles() -> None:
    window = walk(2, CANDLES, wild=0.5)
    entries = replace(bulk(window, 2), stop=window.open[bulk(window, 2).place] - 30)
    entries = replace(entries, sign=np.ones(ENTRIES, int), target=entries.stop + 60)
    rules = replace(default_exits(RiskProfile.CLASSIC, timedelta(hours=4)), max_holding_bars=2)
    exits = exits_in_bulk(entries, window, rules, instrument())
    held = exits.place - entries.place
    assert set(held[exits.reason == Exit.MAX_HOLDING].tolist()) == {8}
