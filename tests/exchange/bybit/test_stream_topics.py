"""Topics of the public stream: one that goes quiet, one that is added, one that is refused."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.exchange.bybit.stream_venue import Client, StreamVenue
from tests.exchange.bybit.streaming import KLINE, TICK, TICKERS, Start, Taken, public, wait_for


def test_a_topic_that_went_quiet_is_noticed_though_the_others_talk(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    kline = {"topic": KLINE, "type": "snapshot", "data": [{"start": 1}]}

    def half_silent(client: Client) -> None:
        client.serve_until_subscribed()
        for _ in range(100):
            client.send(kline)
            time.sleep(0.02)

    def lively(client: Client) -> None:
        client.serve_until_subscribed()
        while True:
            client.send(kline, TICK)
            time.sleep(0.02)

    place = venue(half_silent, lively)
    stream = start(public(place.url, TICKERS, KLINE, period_s=0.3))
    wait_for(lambda: place.connects == 2)
    assert stream.wait_ready(5)
    wait_for(lambda: any(one["topic"] == TICKERS for one in stream.take().messages))
    assert stream.doubts() == ()


def test_topics_are_added_while_the_stream_runs(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    def script(client: Client) -> None:
        client.serve_until_subscribed()
        frame = client.serve_until_subscribed()
        client.send({**TICK, "topic": frame["args"][0]})
        client.serve()

    place = venue(script)
    stream = public(place.url, TICKERS)
    start(stream)
    assert stream.wait_ready(5)
    stream.watch(["tickers.ETHUSDT"])
    taken = Taken(stream)
    wait_for(lambda: taken.has(messages=1))
    assert taken.messages == [{**TICK, "topic": "tickers.ETHUSDT"}]
    assert place.connects == 1


def test_a_symbol_that_is_refused_does_not_keep_the_others_out(
    venue: Callable[..., StreamVenue], start: Start
) -> None:
    def script(client: Client) -> None:
        while True:
            frame = client.receive()
            client.answer(frame, success="tickers.GONEUSDT" not in frame.get("args", []))

    stream = start(public(venue(script).url, TICKERS, "tickers.GONEUSDT"))
    assert stream.wait_ready(5)
    assert stream.doubts() == ("Bybit's public stream refuses tickers.GONEUSDT.",)
