from __future__ import annotations

import time

from exchange.bybit.stream_pace import Backoff, ConnectBudget
from exchange.bybit.stream_queue import PrivateQueue, PublicQueue
from exchange.bybit.stream_topics import TopicWatch

TICKERS, KLINE = "tickers.BTCUSDT", "kline.1.BTCUSDT"


def ticker(kind: str, **data: str) -> dict[str, object]:
    return {"topic": TICKERS, "type": kind, "data": data}


def kline(start: int, close: str) -> dict[str, object]:
    return {"topic": KLINE, "type": "snapshot", "data": [{"start": start, "close": close}]}


def test_pauses_grow_to_a_limit_and_start_small_after_health() -> None:
    backoff = Backoff(0.25, 5.0)
    pauses = [backoff.pause() for _ in range(12)]
    assert 0.125 <= pauses[0] <= 0.225
    assert all(2.5 <= pause <= 4.5 for pause in pauses[5:])
    backoff.reset()
    assert backoff.pause() <= 0.225


def test_pauses_differ_by_chance() -> None:
    assert len({Backoff(1.0, 5.0).pause() for _ in range(20)}) > 10


def test_a_budget_makes_wait_until_the_oldest_connection_is_old_enough() -> None:
    budget = ConnectBudget(limit=2, span_s=300)
    assert budget.take(0.0) == 0
    assert budget.take(100.0) == 0
    assert budget.take(150.0) == 150.0
    assert budget.take(300.0) == 0
    assert budget.take(301.0) == 99.0


def test_a_private_queue_says_when_it_is_full() -> None:
    queue = PrivateQueue(limit=2)
    queue.put(ticker("snapshot"))
    assert not queue.full
    queue.put(ticker("snapshot"))
    assert queue.full
    assert len(queue.take()) == 2
    assert not queue.full


def test_a_public_queue_folds_the_changes_of_a_ticker_into_one() -> None:
    queue = PublicQueue(limit=4)
    queue.put(ticker("snapshot", last="1", bid="1", ask="2"))
    queue.put(ticker("delta", last="2"))
    queue.put(ticker("delta", bid="2"))
    queue.put(ticker("delta", last="3"))
    assert queue.take() == (ticker("snapshot", last="3", bid="2", ask="2"),)


def test_folded_changes_without_a_beginning_stay_changes() -> None:
    queue = PublicQueue(limit=2)
    queue.put(ticker("delta", last="1"))
    queue.put(ticker("delta", bid="2"))
    assert queue.take() == (ticker("delta", last="1", bid="2"),)


def test_a_public_queue_keeps_the_newest_push_of_each_candle_in_order() -> None:
    queue = PublicQueue(limit=5)
    for start, close in ((1, "1"), (1, "2"), (2, "3"), (1, "4"), (2, "5")):
        queue.put(kline(start, close))
    assert queue.take() == (kline(1, "4"), kline(2, "5"))


def test_a_public_queue_is_bounded_whatever_comes() -> None:
    queue = PublicQueue(limit=10)
    for number in range(1000):
        queue.put(kline(number, "1"))
    taken = queue.take()
    assert len(taken) < 10
    assert taken[-1] == kline(999, "1")


def test_a_flood_is_kept_up_with_and_loses_no_symbol() -> None:
    queue = PublicQueue()
    started = time.monotonic()
    for number in range(20_000):
        for topic in (TICKERS, "tickers.ETHUSDT"):
            queue.put({**ticker("delta", last=str(number)), "topic": topic})
    assert time.monotonic() - started < 4
    assert [message["data"]["last"] for message in queue.take()[-2:]] == ["19999", "19999"]


def test_a_topic_is_quiet_after_twice_its_period() -> None:
    watch = TopicWatch({"tickers": 5.0})
    watch.begin()
    watch.expect([TICKERS, KLINE], 0.0)
    assert watch.quiet(9.9) == {}
    assert watch.quiet(10.1) == {TICKERS: 10.1}
    watch.heard(TICKERS, 10.0)
    assert watch.quiet(10.1) == {}


def test_a_new_connection_expects_nothing_yet() -> None:
    watch = TopicWatch()
    watch.expect([TICKERS], 0.0)
    watch.begin()
    assert watch.quiet(100.0) == {}


def test_all_topics_quiet_are_lost_without_more_patience_each_time() -> None:
    watch = TopicWatch()
    for start in (0.0, 100.0, 200.0):
        watch.begin()
        watch.expect([TICKERS, KLINE], start)
        assert watch.lost(start + 9.9) == {}
        assert set(watch.lost(start + 10.1)) == {TICKERS, KLINE}


def test_one_topic_quiet_by_nature_is_given_more_patience_for_a_while() -> None:
    watch = TopicWatch()

    def lost_after(start: float) -> float:
        watch.begin()
        watch.expect([TICKERS, KLINE], start)
        for second in range(1, 200):
            watch.heard(TICKERS, start + second)
            if watch.lost(start + second):
                return second
        return 200

    assert [lost_after(start) for start in (0.0, 20.0, 60.0)] == [11, 21, 41]
    assert lost_after(1000.0) == 11


def test_a_topic_without_a_period_may_be_quiet() -> None:
    watch = TopicWatch()
    watch.expect(["order"], 0.0)
    assert watch.lost(10_000.0) == {}
