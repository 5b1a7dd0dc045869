from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from exchange.bybit.market_steps import WAITING_MINUTES, Push, StepLog
from exchange.candles import floor_time, to_ms
from exchange.domain import ZERO, Candle, PriceStep
from exchange.errors import CandlesUnavailable
from tests.exchange.bybit.market_bench import SYMBOL, open_venue

START = datetime(2026, 5, 3, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KLINE = f"kline.1.{SYMBOL}"


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def push(
    second: float, close: int, high: int, low: int, volume: int, *, final: bool = False
) -> Push:
    """A push of the minute that ``second`` after START lies in, which opened at 100."""
    minute = int(second - (1 if final else 0)) // 60
    return Push(
        minute_ms=to_ms(START + minute * MINUTE),
        time=at(second),
        open=Decimal(100),
        high=Decimal(high),
        low=Decimal(low),
        close=Decimal(close),
        volume=Decimal(volume),
        spread=ZERO,
        final=final,
    )


def candle(minute: int, close: int, high: int, low: int, volume: int) -> Candle:
    prices = (Decimal(value) for value in (100, high, low, close, volume))
    return Candle(SYMBOL, START + minute * MINUTE, MINUTE, *prices)


def log(*pushes: Push) -> StepLog:
    made = StepLog(SYMBOL, to_ms(START))
    for one in pushes:
        made.push(one)
    return made


def seen(steps: list[PriceStep]) -> list[tuple[float, ...]]:
    """Each step as start and end in seconds, open, high, low, close and volume."""
    return [
        (
            (step.start - START).total_seconds(),
            (step.end - START).total_seconds(),
            *(int(x) for x in (step.open, step.high, step.low, step.close, step.volume)),
        )
        for step in steps
    ]


def test_the_first_push_tells_the_minute_so_far() -> None:
    assert seen(log(push(20, 103, 105, 99, 7)).tell(START, at(30))) == [
        (0, 20, 100, 105, 99, 103, 7)
    ]


def test_a_push_tells_what_happened_since_the_one_before() -> None:
    made = log(push(1, 103, 105, 99, 7), push(2, 104, 105, 99, 8), push(3, 104, 110, 99, 9))
    assert seen(made.tell(at(1), at(3))) == [
        (1, 2, 103, 104, 103, 104, 1),
        (2, 3, 104, 110, 104, 104, 1),
    ]


def test_repeated_late_and_eventless_pushes_change_nothing() -> None:
    first, second = push(1, 103, 105, 99, 7), push(2, 104, 105, 99, 8)
    quiet = replace(second, time=at(4))
    assert seen(log(first, second, first, second, quiet).tell(START, at(5))) == seen(
        log(first, second).tell(START, at(5))
    )


def test_the_final_push_reaches_the_end_of_the_minute() -> None:
    made = log(
        push(50, 103, 105, 99, 7), push(60, 103, 105, 99, 7, final=True), push(61, 101, 101, 100, 1)
    )
    assert seen(made.tell(START, at(70))) == [
        (0, 50, 100, 105, 99, 103, 7),
        (50, 60, 103, 103, 103, 103, 0),
        (60, 61, 100, 101, 100, 101, 1),
    ]


def test_a_push_of_a_minute_that_is_over_changes_nothing() -> None:
    made = log(push(60, 103, 105, 99, 7, final=True))
    made.push(push(59, 90, 105, 90, 6))
    assert len(made.tell(START, at(90))) == 1


def test_what_is_learned_late_is_told_after_what_was_told() -> None:
    made = log(push(50, 103, 105, 99, 7))
    made.tell(START, at(61))
    made.push(push(60, 104, 108, 99, 9, final=True))
    assert made.tell(at(50), at(61)) == []
    assert seen(made.tell(at(61), at(62))) == [(61, 61.001, 103, 108, 103, 104, 2)]


def test_later_minutes_wait_for_one_that_is_missing() -> None:
    made = log(push(50, 103, 105, 99, 7), push(130, 101, 101, 100, 3))
    assert made.held_up
    assert made.overdue(at(61.9)) is None
    assert made.overdue(at(130)) == (to_ms(START), to_ms(at(120)))
    assert len(made.tell(START, at(130))) == 1
    made.fill([candle(0, 104, 108, 98, 9), candle(1, 100, 102, 97, 5)], ZERO)
    assert not made.held_up
    assert [row[2:] for row in seen(made.tell(at(130), at(131)))] == [
        (103, 108, 98, 104, 2),
        (100, 102, 97, 100, 5),
        (100, 101, 100, 101, 3),
    ]


def test_a_minute_without_a_trade_is_passed_over() -> None:
    made = log()
    made.fill([candle(0, 100, 101, 99, 1), candle(2, 100, 101, 99, 1)], ZERO)
    assert made.overdue(at(182)) is None
    assert [row[:2] for row in seen(made.tell(START, at(180)))] == [(0, 60), (60, 180)]


def test_what_waits_is_bounded() -> None:
    made = log()
    for second in range(60, 60 * 3 * WAITING_MINUTES):
        made.push(push(second, 100, 100, 100, second))
    made.fill([candle(minute, 100, 100, 100, 5) for minute in range(2 * WAITING_MINUTES)], ZERO)
    steps = made.tell(START, at(60 * 3 * WAITING_MINUTES))
    assert len(steps) < 62 * WAITING_MINUTES
    assert made.overdue(at(60 * 3 * WAITING_MINUTES)) is not None


def test_what_is_old_is_left_to_candles_from_a_whole_minute_on() -> None:
    made = log()
    made.fill([candle(minute, 100, 101, 99, 1) for minute in range(40)], ZERO)
    made.forget(at(40 * 60))
    assert made.begin == at(24 * 60)
    assert len(made.tell(START, at(40 * 60))) == 16


@pytest.mark.parametrize("seed", range(6))
def test_stream_and_rest_tell_every_price_once(seed: int) -> None:
    """Pushes are lost, repeated, late and out of order, the stream is away for minutes, and the
    questions come at any moment: the steps still add up to the candles."""
    chance = random.Random(seed)
    begin = START + timedelta(seconds=chance.uniform(0, 59))
    venue = open_venue(floor_time(begin, timedelta(seconds=1)))
    market = venue.market()
    asked, told = market.now() - 3 * MINUTE, list[PriceStep]()
    late: list[dict[str, object]] = []
    away = 0
    for _ in range(500):
        venue.clock.sleep(chance.choice((0.3, 1.0, 1.0, 1.0, 2.5)))
        away = max(away - 1, 0) or (chance.randrange(30, 90) if chance.random() < 0.01 else 0)
        frames = [frame for _, frame in venue.feed.due([KLINE])] + late
        late = []
        chance.shuffle(frames)
        for frame in frames if not away else []:
            fate = chance.random()
            if fate < 0.15:
                late.append(frame)
            elif fate > 0.25:
                market.feed(frame)
                if fate > 0.9:
                    market.feed(frame)
        if chance.random() < 0.5:
            now = market.now()
            told += market.steps(SYMBOL, asked, now)
            asked = now
    end = floor_time(market.now(), MINUTE) + 2 * MINUTE
    venue.clock.move_to(end + timedelta(seconds=3))
    told += market.steps(SYMBOL, asked, market.now())
    first = floor_time(told[0].start, MINUTE)
    whole = market.candles(SYMBOL, MINUTE, end=end, limit=(end - first) // MINUTE)
    assert all(left.end <= right.start < right.end for left, right in pairwise(told))
    assert float(sum((step.volume for step in told), ZERO)) == pytest.approx(whole.volume.sum())
    assert float(max(step.high for step in told)) == whole.high.max()
    assert float(min(step.low for step in told)) == whole.low.min()
    assert float(told[-1].close) == whole.close[-1]
    assert all(step.low <= min(step.open, step.close) for step in told)
    assert all(step.high >= max(step.open, step.close) for step in told)
    assert all(step.spread > 0 for step in told)


def test_the_steps_of_a_live_minute_follow_the_pushes() -> None:
    venue = open_venue(at(0))
    market = venue.market()
    steps: list[PriceStep] = []
    for _ in range(60):
        before = market.now()
        venue.clock.sleep(1)
        for _, frame in venue.feed.due([KLINE]):
            market.feed(frame)
        steps += market.steps(SYMBOL, before, market.now())
    assert len(steps) > 30
    assert steps[-1].end == at(60)


def test_prices_that_cannot_be_had_stop_the_paper_engine_and_lose_nothing() -> None:
    venue = open_venue(at(30))
    market = venue.market()
    assert [step.end for step in market.steps(SYMBOL, at(-60), at(30))] == [at(0)]
    venue.clock.move_to(at(70))
    venue.knobs.add("/v5/market/kline", "reset", times=-1)
    for _ in range(2):
        with pytest.raises(CandlesUnavailable):
            list(market.steps(SYMBOL, at(30), market.now()))
    venue.knobs.clear()
    venue.clock.sleep(5)
    assert [step.end for step in market.steps(SYMBOL, at(30), market.now())] == [at(60)]
