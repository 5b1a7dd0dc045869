"""The live driver makes the moves of the backtest, however its candles come.

One side is the whole trader on a venue that fills at once: candles reach it late, twice, after
younger ones, and rounds come in bursts. The other is a plain loop over the rules.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from analysis.answer.value import InvalidationCondition
from exchange.candles import CandleWindow
from exchange.choices import Mode
from exchange.domain import Candle, Side
from tests.exchange.paper.scripted_market import MINUTE, START, Bar, instrument
from tests.factories import AnalysisFactory, BotFactory
from tests.trading.domain.exit_strategies import any_settings
from tests.trading.execution.fake_venue import FakeVenue
from tests.trading.execution.floor import SYMBOLS, CandleMarket, Floor, HandClock, _hire
from trading.choices import RiskProfile, TradeState
from trading.domain.exits import (
    CloseTrade,
    ExitSettings,
    ManagedTrade,
    MoveStop,
    manage_all,
)
from trading.domain.invalidation import Invalidation
from trading.models import Event, RiskLimits, StopMove, Trade
from trading.services import account_create

D = Decimal
EXAMPLES = int(os.environ.get("EXIT_PARITY_EXAMPLES", "10"))
NAMES = count()
# A missing candle holds the younger ones up for two minutes; what is later is another test.
LATEST = 2
Act = tuple[datetime, str, Decimal | str]


class Postman(CandleMarket):
    """Gives candles when it pleases: ``kept_back`` are places of those on their way, ``twice``
    those that are given double."""

    def __init__(self, *symbols: str) -> None:
        super().__init__(*symbols)
        self.kept_back: set[int] = set()
        self.twice: set[int] = set()

    def candles(
        self, symbol: str, interval: timedelta, *, end: datetime, limit: int
    ) -> CandleWindow:
        whole = super().candles(symbol, interval, end=end, limit=10_000)
        given = [place for place in range(len(whole)) if place not in self.kept_back][-limit:]
        given = sorted([*given, *(place for place in given if place in self.twice)])
        places = np.array(given, dtype=np.int64)
        return CandleWindow(
            symbol=symbol,
            interval=interval,
            times=whole.times[places],
            open=whole.open[places],
            high=whole.high[places],
            low=whole.low[places],
            close=whole.close[places],
            volume=whole.volume[places],
        )


@dataclass(frozen=True, slots=True)
class Case:
    """A trade and its candles; ``delays`` in minutes by candle, ``rounds`` after each minute."""

    side: Side
    settings: ExitSettings
    idea: Invalidation | None
    bars: tuple[Bar, ...]
    delays: tuple[int, ...]
    twice: frozenset[int]
    rounds: tuple[int, ...]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    side = draw(st.sampled_from(Side))
    bias = draw(st.integers(0, 8)) * side.sign
    moves = st.tuples(st.integers(bias - 12, bias + 12), st.integers(0, 12), st.integers(0, 12))
    price, bars = D(100), []
    for move, up, down in draw(st.lists(moves, min_size=6, max_size=25)):
        opened, price = price, max(price + D(move) / 10, D(60))
        high, low = max(opened, price) + D(up) / 10, min(opened, price) - D(down) / 10
        bars.append(Bar(opened, high, low, price, D(1000), D("0.2")))
    condition = draw(st.none() | st.sampled_from(["close_beyond", "touch"]))
    level = 100 - side.sign * D(draw(st.integers(0, 50))) / 10
    idea = condition and Invalidation(InvalidationCondition(condition), level, None)
    size = len(bars)
    return Case(
        side=side,
        settings=draw(any_settings()),
        idea=idea or None,
        bars=tuple(bars),
        delays=tuple(draw(st.lists(st.integers(0, LATEST), min_size=size, max_size=size))),
        twice=draw(st.frozensets(st.integers(0, size - 1))),
        rounds=tuple(draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))),
    )


def backtest(case: Case) -> list[Act]:
    """The rules alone, candle by candle."""
    sign = case.side.sign
    trade = ManagedTrade(
        side=case.side,
        avg_entry=D(100),
        initial_stop=D(100) - 5 * sign,
        stop_loss=D(100) - 5 * sign,
        take_profit=D(100) + 20 * sign,
        opened_at=START,
        instrument=instrument(),
        cost_rate=D("0.0016"),
        full_qty=D(10),
        open_qty=D(10),
        invalidation=case.idea,
    )
    acts: list[Act] = []
    for minute, bar in enumerate(case.bars):
        opened = START + minute * MINUTE
        one = Candle("BTCUSDT", opened, MINUTE, bar.open, bar.high, bar.low, bar.close, D(1))
        for action in manage_all(trade, one, case.settings, one.close_time):
            if isinstance(action, MoveStop):
                acts.append((one.close_time, action.rule, action.stop_loss))
                trade = replace(trade, stop_loss=action.stop_loss)
            elif isinstance(action, CloseTrade):
                return [*acts, (one.close_time, "close", action.reason.value)]
            else:
                acts.append((one.close_time, "part", action.target_qty))
                trade = replace(trade, open_qty=action.target_qty)
    return acts


def live(case: Case) -> list[Act]:
    """The same candles through the trader."""
    floor = new_floor(case)
    try:
        trade = enter(floor, case)
        for minute, bar in enumerate(case.bars):
            floor.market.play(bar)
            deliver(floor, case, minute)
            floor.clock.pass_seconds(60)
            for _ in range(case.rounds[minute]):
                exits_round(floor, trade)
        # The last ones arrive, and everything that was asked for is done.
        deliver(floor, case, len(case.bars) + LATEST)
        for _ in range(12):
            floor.clock.pass_seconds(5)
            exits_round(floor, trade)
        return done(trade)
    finally:
        floor.desk.lease.abandon()


def exits_round(floor: Floor, trade: Trade) -> None:
    """What a round of the trader does for exits, in its order; the rest of it costs only time."""
    trader = floor.trader
    trader._hear()
    trade.refresh_from_db()
    if trade.state == TradeState.OPEN:
        trader._exits.send_exits([trade])
        trader._exits.run_rules([trade])


def deliver(floor: Floor, case: Case, minute: int) -> None:
    market = floor.market
    assert isinstance(market, Postman)
    market.twice = set(case.twice)
    market.kept_back = {place for place, delay in enumerate(case.delays) if place + delay > minute}


def done(trade: Trade) -> list[Act]:
    """What the trader did, as rows tell it, in the order of the candles."""
    acts: list[Act] = [
        (move.market_time, move.rule, move.new_stop)
        for move in StopMove.objects.filter(trade=trade, accepted=True)
    ]
    for row in Event.objects.filter(kind="exit_rule", account=trade.account).order_by("pk"):
        assert row.market_time is not None
        kept = row.data["numbers"].get("kept")
        acts.append(
            (row.market_time, "part", D(kept))
            if row.data["reason"] == "partial_take_profit"
            else (row.market_time, "close", row.data["reason"])
        )
    # A stop moves before a part is taken at the same close.
    return sorted(acts, key=lambda act: (act[0], act[1] in ("part", "close")))


def new_floor(case: Case) -> Floor:
    account = account_create(
        name=f"floor {next(NAMES)}",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=SYMBOLS,
        market_start=START,
        seed=1,
    )
    RiskLimits.objects.filter(account=account).update(max_position_notional=3)
    bot = BotFactory.create(
        account=account, symbols=list(SYMBOLS), exit_settings=case.settings.as_json()
    )
    market, clock = Postman(*SYMBOLS), HandClock()
    client = FakeVenue(market)
    desk, trader = _hire(account, client, market, clock)
    desk.live, desk.price_source = True, f"test:{account.pk}"
    trader.start()
    return Floor(account, bot, market, clock, client, desk, trader)


def enter(floor: Floor, case: Case) -> Trade:
    sign, idea = case.side.sign, case.idea
    answer = (
        {}
        if idea is None
        else {
            "invalidation_condition": idea.condition.value,
            "invalidation_at": str(idea.price),
        }
    )
    return floor.opened(
        direction="long" if sign > 0 else "short",
        stop_loss=D(100) - 5 * sign,
        take_profit=D(100) + 20 * sign,
        limit_price=D(100) + sign * D("0.1"),
        worst_price=D(100) + sign * D("0.1"),
        analysis=AnalysisFactory.create(
            symbol="BTCUSDT", candle_time=floor.market.now(), answer=answer
        ),
    )


@pytest.fixture(scope="module")
def told() -> Iterator[list[int]]:
    """Counts of examples by number of actions, shown at the end of a long run."""
    counts: list[int] = []
    yield counts
    if EXAMPLES > 100:
        print(f"\n{len(counts)} examples, {sum(counts)} actions")


@given(case=cases())
@hypothesis_settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
def test_any_delivery_of_the_candles_makes_the_same_moves(
    surroundings: None, told: list[int], case: Case
) -> None:
    expected = backtest(case)
    for _, what, _ in expected:
        event(what)
    told.append(len(expected))
    assert live(case) == expected
