"""Any trade, any exit settings, any walk of price: for tests of what always holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from analysis.answer.value import InvalidationCondition
from exchange.domain import Candle, Side
from tests.trading.domain.made import MINUTE, NOW, instrument, trade
from trading.domain.exit_settings import Pairs
from trading.domain.exits import ExitSettings, ManagedTrade
from trading.domain.invalidation import Invalidation

D = Decimal
TICKS = (D(1), D("0.1"), D("0.00000001"))


@st.composite
def ideas(draw: st.DrawFn, entry: int, r_ticks: int, side: Side, tick: Decimal) -> Invalidation:
    condition = draw(st.sampled_from(InvalidationCondition))
    minutes = draw(st.none() | st.integers(1, 60))
    price = (entry - side.sign * draw(st.integers(-5, r_ticks))) * tick
    if condition is InvalidationCondition.TIME:
        return Invalidation(condition, None, NOW + (minutes or 5) * MINUTE)
    until = None if minutes is None else NOW + minutes * MINUTE
    return Invalidation(condition, price, until)


@st.composite
def trades(draw: st.DrawFn) -> ManagedTrade:
    """A trade anywhere on the price scale, its stop perhaps moved already, R perhaps tiny."""
    side = draw(st.sampled_from(Side))
    tick = draw(st.sampled_from(TICKS))
    entry, r_ticks = (
        draw(st.integers(400, 3000)),
        draw(st.sampled_from([0, 1, 2, 5, 10, 20, 40, 90])),
    )
    moved = draw(st.integers(0, r_ticks)) if draw(st.integers(0, 3)) == 0 else 0
    target = entry + side.sign * draw(st.integers(r_ticks // 2 + 1, 5 * r_ticks + 5))
    step = draw(st.sampled_from([D("0.001"), D(1)]))
    full = draw(st.integers(1, 40)) * step
    made = trade(
        side,
        entry=entry * tick,
        initial_stop=(entry - side.sign * r_ticks) * tick,
        stop=(entry - side.sign * (r_ticks - moved)) * tick,
        target=target * tick,
        rules=instrument(tick_size=tick, qty_step=step, min_qty=draw(st.integers(1, 3)) * step),
        cost_rate=draw(st.sampled_from(["0", "0.0016", "0.02"])),
    )
    idea = draw(st.none() | ideas(entry, r_ticks, side, tick))
    opened = NOW + timedelta(seconds=draw(st.integers(0, 59)))
    return replace(made, full_qty=full, open_qty=full, invalidation=idea, opened_at=opened)


@st.composite
def rising(draw: st.DrawFn, first: st.SearchStrategy[int], most: int) -> list[int]:
    return sorted(set(draw(st.lists(first, max_size=most))))


@st.composite
def any_settings(draw: st.DrawFn) -> ExitSettings:
    """Settings that ``check`` accepts, of bars of five minutes."""
    holding = draw(st.integers(2, 14))
    reached = draw(rising(st.integers(2, 40), 4))
    stops = draw(rising(st.integers(0, 39), 4))
    pairs = [(a, b) for a, b in zip(reached, stops, strict=False) if b < a]
    parts = draw(rising(st.integers(1, 40), 3))
    share = D(draw(st.integers(5, 30))) / 100
    settings = ExitSettings(
        breakeven_at_r=draw(st.none() | st.sampled_from([D("0.5"), D(1)])),
        tightening=_tenths(pairs),
        max_holding_bars=holding,
        timeframe_s=300,
        trail_within=draw(st.none() | st.sampled_from([D("0.01"), D("0.05")])),
        trail_behind=draw(st.sampled_from([D("0.002"), D("0.01")])),
        age_bars=draw(st.none() | st.integers(1, holding - 1)),
        age_share=draw(st.sampled_from([D("0.1"), D("0.3")])),
        partials=tuple((D(at) / 10, share) for at in parts),
        invalidation=draw(st.booleans()),
    )
    settings.check()
    return settings


def _tenths(pairs: Sequence[tuple[int, int]]) -> Pairs:
    return tuple((D(a) / 10, D(b) / 10) for a, b in pairs)


@st.composite
def walks(draw: st.DrawFn, managed: ManagedTrade, most: int = 60) -> list[Candle]:
    """Minute candles without a gap from the entry on, rather toward profit than away; each trades
    above and below its close."""
    tick, sign = managed.instrument.tick_size, managed.side.sign
    reach = max(2, int(managed.r_unit / tick) // 3)
    bias = sign * draw(st.integers(0, reach))
    moves = st.tuples(
        st.integers(bias - reach, bias + reach), st.integers(0, reach // 2), st.integers(0, 2)
    )
    price, found = managed.avg_entry, []
    for minute, (move, up, down) in enumerate(draw(st.lists(moves, min_size=8, max_size=most))):
        opened = price
        price = max(price + move * tick, tick)
        high, low = max(opened, price) + up * tick, max(min(opened, price) - down * tick, tick)
        start = NOW + minute * MINUTE
        found.append(Candle("BTCUSDT", start, MINUTE, opened, high, low, price, D(1)))
    return found
