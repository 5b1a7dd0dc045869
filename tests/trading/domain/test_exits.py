"""Exit rules: what the close of a candle does to the stop of an open trade.

The made trade enters at 100 with R = 4: a close of 104 is 1 R, 106 is 1.5 R, 108 is 2 R.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import Candle, Side
from tests.trading.domain.made import (
    HOUR,
    NOW,
    Number,
    candle,
    dec,
    exits,
    instrument,
    trade,
)
from trading.choices import ExitReason, RiskProfile
from trading.domain.exits import (
    CloseTrade,
    ExitAction,
    ExitSettings,
    ManagedTrade,
    MoveStop,
    manage,
)

BUY, SELL = Side.BUY, Side.SELL


def at_close(
    close: Number, managed: ManagedTrade | None = None, settings: ExitSettings | None = None
) -> ExitAction | None:
    one = candle(close)
    return manage(managed or trade(), one, settings or exits(), one.close_time)


def new_stop(
    close: Number, managed: ManagedTrade | None = None, settings: ExitSettings | None = None
) -> Decimal | None:
    """The stop that a close leads to, None where it stays."""
    action = at_close(close, managed, settings)
    assert action is None or isinstance(action, MoveStop)
    return action.stop_loss if action else None


@pytest.mark.parametrize(
    ("close", "stop"),
    [
        ("90", None),
        ("103.9", None),
        # Entry and costs of 0.16 %, rounded up to the tick.
        ("104", "100.2"),
        ("105.9", "100.2"),
        ("106", "103"),
        ("107.9", "103"),
        ("108", "104.8"),
        ("110", "108"),
        ("112", "110"),
        ("119", "110"),
    ],
)
def test_conservative_stops_of_a_long(close: str, stop: str | None) -> None:
    assert new_stop(close) == (None if stop is None else Decimal(stop))


@pytest.mark.parametrize(
    ("close", "stop"),
    [
        ("96.1", None),
        ("96", "99.8"),
        ("94", "97"),
        ("92", "95.2"),
        ("90", "92"),
        ("88", "90"),
    ],
)
def test_conservative_stops_of_a_short(close: str, stop: str | None) -> None:
    assert new_stop(close, trade(SELL)) == (None if stop is None else Decimal(stop))


@pytest.mark.parametrize(
    ("close", "stop"), [("104", None), ("107.9", None), ("108", "104.8"), ("112", "110")]
)
def test_classic_tightens_from_two_r_and_never_to_break_even(close: str, stop: str | None) -> None:
    moved = new_stop(close, settings=exits(RiskProfile.CLASSIC))
    assert moved == (None if stop is None else Decimal(stop))


def test_a_move_names_its_rule_and_numbers() -> None:
    assert at_close("106") == MoveStop(
        "tightening",
        Decimal("103.0"),
        {"reached_r": "1.50", "close": "106", "at_r": "1.5", "stop_r": "0.75"},
    )
    action = at_close("104")
    assert isinstance(action, MoveStop)
    assert action.rule == "breakeven"
    assert action.numbers["at_r"] == "1.0"


@pytest.mark.parametrize(("stop", "moved"), [("102.6", "103"), ("102.7", None), ("105", None)])
def test_a_stop_moves_by_a_tenth_of_r_or_stays(stop: str, moved: str | None) -> None:
    assert new_stop("106", trade(stop=stop)) == (None if moved is None else Decimal(moved))


@pytest.mark.parametrize(("target", "stop"), [("103.1", "103"), ("103", "100.2"), ("100.1", None)])
def test_a_stop_stays_below_the_target(target: str, stop: str | None) -> None:
    moved = new_stop("106", trade(target=target))
    assert moved == (None if stop is None else Decimal(stop))


def test_the_best_rule_that_applies_sets_the_stop() -> None:
    flat = exits(tightening=((Decimal(1), Decimal(0)),))
    action = at_close("104", settings=flat)
    assert isinstance(action, MoveStop)
    assert (action.rule, action.stop_loss) == ("breakeven", Decimal("100.2"))


@pytest.mark.parametrize(("side", "close"), [(BUY, "104"), (SELL, "96")])
def test_price_behind_the_new_break_even_closes_at_market(side: Side, close: str) -> None:
    action = at_close(close, trade(side, cost_rate="0.05"))
    assert isinstance(action, CloseTrade)
    assert action.reason is ExitReason.BREAKEVEN


@pytest.mark.parametrize(("close", "stop_r"), [("101.5", "1.4"), ("102", "1.2")])
def test_price_at_or_behind_the_new_tightened_stop_closes_at_market(
    close: str, stop_r: str
) -> None:
    coarse = trade(initial_stop=99, rules=instrument(tick_size=Decimal(1)))
    settings = exits(breakeven_at_r=None, tightening=((Decimal("1.5"), Decimal(stop_r)),))
    action = at_close(close, coarse, settings)
    assert isinstance(action, CloseTrade)
    assert action.reason is ExitReason.TIGHTENED_STOP


@pytest.mark.parametrize(("hours", "closed"), [(35.99, False), (36, True), (50, True)])
def test_a_trade_is_held_for_36_bars_at_most(hours: float, closed: bool) -> None:
    action = manage(trade(), candle("106"), exits(), NOW + timedelta(hours=hours))
    assert isinstance(action, CloseTrade) is closed
    assert not isinstance(action, CloseTrade) or action.reason is ExitReason.MAX_HOLDING


def test_a_trade_without_r_is_left_alone_until_its_time_is_over() -> None:
    without = trade(initial_stop=100, stop=96)
    assert at_close("150", without) is None
    late = manage(without, candle("150"), exits(), NOW + 36 * HOUR)
    assert isinstance(late, CloseTrade)


def test_tiny_prices_are_managed_to_the_tick() -> None:
    tiny = trade(
        entry="0.00001234",
        initial_stop="0.00001200",
        target="0.00001400",
        rules=instrument(tick_size=Decimal("0.00000001")),
    )
    # 1.5 R is 0.00001285; 0.75 R is 0.000012595, rounded up to the tick.
    assert new_stop("0.00001284", tiny) == Decimal("0.00001236")
    assert new_stop("0.00001285", tiny) == Decimal("0.00001260")


@st.composite
def open_trades(draw: st.DrawFn) -> ManagedTrade:
    """A trade anywhere on the price scale, its stop perhaps moved already."""
    side = draw(st.sampled_from(Side))
    tick = draw(st.sampled_from([Decimal(1), Decimal("0.1"), Decimal("0.00000001")]))
    entry, r_ticks = draw(st.integers(300, 3000)), draw(st.integers(1, 90))
    target = entry + side.sign * draw(st.integers(1, 5 * r_ticks))
    return trade(
        side,
        entry=entry * tick,
        initial_stop=(entry - side.sign * r_ticks) * tick,
        target=target * tick,
        rules=instrument(tick_size=tick),
        cost_rate=draw(st.sampled_from(["0", "0.0016", "0.02"])),
    )


walks = st.lists(st.integers(-60, 60), min_size=1, max_size=12)
profiles = st.sampled_from(RiskProfile)


def closes(managed: ManagedTrade, steps: Sequence[int]) -> list[Candle]:
    """Minute candles that walk from the entry by ``steps`` ticks."""
    found, price = [], managed.avg_entry
    for minute, step in enumerate(steps):
        price = max(price + step * managed.instrument.tick_size, managed.instrument.tick_size)
        found.append(candle(price, minute=minute))
    return found


def play(
    managed: ManagedTrade, candles: Sequence[Candle], settings: ExitSettings
) -> tuple[ManagedTrade, CloseTrade | None]:
    """Manage a trade candle by candle, as a driver does."""
    for one in candles:
        action = manage(managed, one, settings, one.close_time)
        if isinstance(action, CloseTrade):
            return managed, action
        if isinstance(action, MoveStop):
            managed = replace(managed, stop_loss=action.stop_loss)
    return managed, None


@given(open_trades(), walks, profiles)
def test_a_stop_moves_toward_profit_behind_price_and_target(
    managed: ManagedTrade, steps: list[int], profile: RiskProfile
) -> None:
    sign, tick = managed.side.sign, managed.instrument.tick_size
    for one in closes(managed, steps):
        action = manage(managed, one, exits(profile), one.close_time)
        if not isinstance(action, MoveStop):
            continue
        assert (action.stop_loss - managed.stop_loss) * sign >= managed.r_unit / 10
        assert (one.close - action.stop_loss) * sign > 0
        assert (managed.take_profit - action.stop_loss) * sign > 0
        assert action.stop_loss % tick == 0
        managed = replace(managed, stop_loss=action.stop_loss)


@given(open_trades(), walks, profiles, st.integers(0, 12), st.integers(0, 4))
def test_candles_that_come_in_parts_or_twice_give_the_same_stop(
    managed: ManagedTrade, steps: list[int], profile: RiskProfile, cut: int, overlap: int
) -> None:
    candles, settings = closes(managed, steps), exits(profile)
    whole, end = play(managed, candles, settings)
    part, early_end = play(managed, candles[:cut], settings)
    if early_end is None:
        part, early_end = play(part, candles[max(0, cut - overlap) :], settings)
    assert (part, early_end) == (whole, end)


def test_the_made_numbers_are_what_the_first_line_says() -> None:
    assert trade().r_unit == dec(4) == trade(SELL).r_unit
