"""Single lives on candles written out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange.candles import CandleWindow, from_ms
from exchange.domain import OrderType, Side, TimeInForce
from exchange.market.candle_file import read_candle_file
from tests.trading.backtest.made import HOUR, MINUTE, START, path, walk
from tests.trading.domain.made import instrument
from trading.backtest.follow import follow
from trading.backtest.followed import Followed, FollowedEntry
from trading.backtest.prices import CandlePrices, Prices
from trading.choices import CancelReason, ExitReason, RiskProfile
from trading.domain.exits import ExitSettings, default_exits

SHARED = Path(__file__).parents[4] / "shared" / "data"
RULES = default_exits(RiskProfile.CONSERVATIVE, HOUR)


def entry(**changes: Any) -> FollowedEntry:
    """A long of one unit at market: stop 96, target 112."""
    wanted = FollowedEntry(
        symbol="BTCUSDT",
        side=Side.BUY,
        qty=Decimal(1),
        stop_loss=Decimal(96),
        take_profit=Decimal(112),
        placed_at=START,
    )
    return replace(wanted, **changes)


def lived(
    window: CandleWindow, rules: ExitSettings = RULES, end: datetime | None = None, **changes: Any
) -> Followed:
    prices: Prices = CandlePrices(window, instrument())
    return follow(entry(**changes), prices, rules, instrument(), end=end)


def test_a_rising_price_moves_the_stop_and_reaches_the_target() -> None:
    life = lived(path(100, 100, 104.5, 107, 109.5, 113))
    assert [move.rule for move in life.moves] == ["breakeven", "tightening", "tightening"]
    assert (life.reason, life.exit_price) == (ExitReason.TAKE_PROFIT, Decimal(112))
    assert life.r_multiple is not None
    assert Decimal("2.7") < life.r_multiple < Decimal(3)


def test_what_was_held_through_is_known_in_r() -> None:
    life = lived(path(100, 99, 101, 98, 95))
    assert life.reason is ExitReason.STOP_LOSS
    assert life.best_r is not None
    assert life.worst_r is not None
    assert Decimal("0.2") < life.best_r < Decimal("0.4")
    assert life.worst_r < Decimal(-1)


def test_a_part_is_taken_and_the_rest_goes_on() -> None:
    rules = replace(RULES, partials=((Decimal(1), Decimal("0.5")),), breakeven_at_r=None)
    life = lived(path(100, 100, 104.5, 104.5, 95), rules)
    assert life.reason is ExitReason.STOP_LOSS
    assert life.exit_price is not None
    assert Decimal(99) < life.exit_price < Decimal(101)


def test_an_entry_that_expires_was_never_a_trade() -> None:
    resting: dict[str, Any] = {
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price": Decimal(98),
        "expires_at": START + 3 * MINUTE,
    }
    life = lived(path(*[100] * 6), **resting)
    assert life.over
    assert not life.filled
    assert (life.cancel_reason, life.r_multiple) == (CancelReason.EXPIRED, None)
    assert life.followed_to == START + 3 * MINUTE


def test_a_stop_on_the_wrong_side_is_refused_by_the_venue() -> None:
    life = lived(path(100, 100), stop_loss=Decimal(120))
    assert life.over
    assert "losing side" in life.refusal


def test_without_more_candles_a_life_stays_open_or_ends_with_the_data() -> None:
    window = path(100, 100.5, 100.5, 100.5)
    life = lived(window)
    assert (life.over, life.r_multiple) == (False, None)
    assert life.followed_to == window.last_close_time
    ended = lived(window, end=window.last_close_time)
    assert (ended.over, ended.reason) == (True, ExitReason.END_OF_DATA)


@pytest.mark.parametrize("seed", range(8))
def test_jumping_over_candles_changes_nothing(seed: int) -> None:
    window = walk(seed, 300, wild=3.0, interval=MINUTE)
    rules = replace(
        RULES,
        age_bars=2,
        trail_within=Decimal("0.02"),
        partials=((Decimal(1), Decimal("0.3")),),
    )
    sign = 1 if seed % 2 else -1
    start = Decimal(str(window.open[0]))
    levels: dict[str, Any] = {
        "side": Side.BUY if sign > 0 else Side.SELL,
        "stop_loss": start - 3 * sign,
        "take_profit": start + 9 * sign,
    }
    whole = lived(window, rules, **levels)
    # Candle by candle: as if each were the last one known, then followed anew.
    last = whole.followed_to
    count = int(np.searchsorted(window.times, last.timestamp() * 1000))
    seen = [lived(window.slice(0, stop), rules, **levels) for stop in range(1, count + 1)]
    moves = [life.moves for life in seen]
    assert all(whole.moves[: len(made)] == made for made in moves)
    assert [life.over for life in seen[:-1]] == [False] * (count - 1)
    assert seen[-1] == whole


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared market data is not here")
def test_lives_on_real_hours_end_as_the_levels_say() -> None:
    file = read_candle_file(SHARED / "candles" / "BTCUSDT-1h.parquet", now=from_ms(2**41))
    window = file.window.slice(40_000, 40_300)
    rules = instrument(tick_size=Decimal("0.1"))
    for place in range(0, 200, 20):
        price = rules.floor_price(Decimal(str(window.open[place])))
        life = follow(
            entry(
                qty=Decimal("0.01"),
                placed_at=from_ms(int(window.times[place])),
                stop_loss=rules.floor_price(price * Decimal("0.99")),
                take_profit=rules.floor_price(price * Decimal("1.03")),
            ),
            CandlePrices(window, rules),
            RULES,
            rules,
        )
        assert life.over
        assert life.r_multiple is not None
        assert Decimal("-1.5") < life.r_multiple < Decimal("3.1")
