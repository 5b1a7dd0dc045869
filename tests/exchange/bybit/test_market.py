from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from exchange.bybit.hosts import Hosts
from exchange.bybit.link import Link
from exchange.bybit.market import BybitMarket
from exchange.bybit.rest import BybitRest
from exchange.bybit.stream import PublicStream
from exchange.candles import floor_time, to_ms
from exchange.domain import TIMEFRAMES, FundingEvent, PriceStep
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.market.clock import WallClock
from tests.exchange.bybit.market_bench import SYMBOL, Venue, open_venue
from tests.exchange.conformance.market_data import same
from tests.simulators.bybit.server import SimServer

NOW = datetime(2026, 5, 3, 10, 37, 21, tzinfo=UTC)
MINUTE, HOUR = TIMEFRAMES["1m"], TIMEFRAMES["1h"]
TICKERS, KLINE = f"tickers.{SYMBOL}", f"kline.1.{SYMBOL}"


@pytest.fixture
def venue() -> Venue:
    return open_venue(NOW)


def ticker_frame(moment: datetime, kind: str = "snapshot", **data: str) -> dict[str, Any]:
    whole = {"lastPrice": "100", "bid1Price": "99.9", "ask1Price": "100.1", "symbol": SYMBOL}
    fields = data if kind == "delta" else whole | data
    return {"topic": TICKERS, "type": kind, "ts": to_ms(moment), "data": fields}


def streamed(venue: Venue) -> tuple[BybitMarket, PublicStream]:
    """A market whose stream was made and not opened: frames are fed by hand."""
    stream = PublicStream("ws://127.0.0.1:9/", clock=venue.clock)
    return BybitMarket(venue.rest, stream, [SYMBOL]), stream


def test_a_streamed_quote_is_told_with_its_own_time_and_asks_nobody(venue: Venue) -> None:
    market, _ = streamed(venue)
    market.feed(ticker_frame(NOW - timedelta(seconds=2)))
    quote = market.quote(SYMBOL)
    assert (quote.bid, quote.ask) == (Decimal("99.9"), Decimal("100.1"))
    assert quote.last == 100
    assert quote.time == NOW - timedelta(seconds=2)
    assert venue.asked("tickers") == 0


def test_changes_are_merged_into_the_ticker(venue: Venue) -> None:
    market, _ = streamed(venue)
    market.feed(ticker_frame(NOW - timedelta(seconds=1), fundingRate="0.0002"))
    market.feed(ticker_frame(NOW, "delta", lastPrice="100.1", markPrice="101"))
    ticker = market.ticker(SYMBOL)
    assert ticker.last == Decimal("100.1")
    assert ticker.mark == 101
    assert (ticker.funding_rate, ticker.time) == (Decimal("0.0002"), NOW)


def test_a_change_that_is_older_or_has_no_beginning_is_ignored(venue: Venue) -> None:
    market, _ = streamed(venue)
    market.feed(ticker_frame(NOW, "delta", lastPrice="1"))
    market.feed(ticker_frame(NOW))
    market.feed(ticker_frame(NOW - timedelta(seconds=1), "delta", lastPrice="2"))
    assert market.quote(SYMBOL).last == 100


def test_an_old_quote_is_asked_for_anew_once_a_second(venue: Venue) -> None:
    market, _ = streamed(venue)
    market.feed(ticker_frame(NOW - timedelta(seconds=3)))
    assert market.quote(SYMBOL).time == NOW
    market.feed(ticker_frame(NOW + timedelta(milliseconds=1), "delta", lastPrice="77"))
    venue.clock.sleep(0.5)
    assert market.quote(SYMBOL).last == 77
    venue.clock.sleep(2)
    for _ in range(5):
        market.quote(SYMBOL)
    assert venue.asked("tickers") == 2


def test_a_quote_that_cannot_be_renewed_keeps_its_true_time(venue: Venue) -> None:
    market, _ = streamed(venue)
    venue.knobs.add("/v5/market/tickers", "reset", times=-1)
    with pytest.raises(CandlesUnavailable, match=SYMBOL):
        market.quote(SYMBOL)
    venue.clock.sleep(2)
    told = market.now() - timedelta(seconds=9)
    market.feed(ticker_frame(told))
    assert market.quote(SYMBOL).time == told


def test_after_a_message_that_cannot_be_read_the_ticker_is_asked_for(venue: Venue) -> None:
    market, _ = streamed(venue)
    market.feed(ticker_frame(NOW))
    market.feed({"topic": TICKERS, "type": "delta", "data": {"lastPrice": "5"}})
    assert market.quote(SYMBOL).last != 100
    assert venue.asked("tickers") == 1


@pytest.mark.parametrize(
    "message",
    [
        {"topic": KLINE, "ts": 1, "data": [{"start": "x"}]},
        {"topic": KLINE, "ts": 1, "data": None},
        {"topic": KLINE, "data": []},
        {"topic": TICKERS, "ts": "soon", "data": {}},
        {"topic": TICKERS, "ts": 10**30, "data": {}},
        {"topic": TICKERS, "ts": 1, "data": 7},
        {"topic": "tickers.OTHERUSDT", "ts": 1, "data": {}},
        {"topic": "kline", "data": []},
        {},
    ],
)
def test_no_message_can_break_the_market(venue: Venue, message: dict[str, Any]) -> None:
    market, _ = streamed(venue)
    market.feed(ticker_frame(NOW))
    market.feed(message)
    assert market.quote(SYMBOL).last > 0


def test_a_price_that_is_no_number_is_replaced_by_that_of_rest(venue: Venue) -> None:
    market, _ = streamed(venue)
    market.feed(ticker_frame(NOW, lastPrice="many"))
    with pytest.raises(CandlesUnavailable, match="lastPrice"):
        market.quote(SYMBOL)
    assert market.quote(SYMBOL).last > 0


def test_doubts_name_what_is_stale(venue: Venue) -> None:
    market, stream = streamed(venue)
    assert market.doubts() == (
        *stream.doubts(),
        f"{SYMBOL}: Bybit's stream has not told a price yet.",
    )
    market.feed(ticker_frame(NOW))
    assert market.doubts() == stream.doubts()
    venue.clock.sleep(6)
    market.quote(SYMBOL)
    assert market.doubts()[-1] == f"{SYMBOL}: no price from Bybit's stream for 6 s."


def test_doubts_name_a_clock_that_was_not_measured(venue: Venue) -> None:
    venue.rest.server_time.forget()
    assert "clock" in venue.market().doubts()[0]


def test_doubts_name_candles_that_later_prices_wait_for(venue: Venue) -> None:
    market = venue.market()
    venue.feed.snapshot(KLINE)
    list(venue.feed.due([KLINE]))
    list(market.steps(SYMBOL, NOW - MINUTE, NOW))
    venue.clock.sleep(120)
    list(venue.feed.due([KLINE]))
    venue.clock.sleep(1)
    for _, frame in venue.feed.due([KLINE]):
        market.feed(frame)
    venue.rest.measure_clock()
    assert market.doubts() == (f"{SYMBOL}: candles are missing that later prices wait for.",)
    market.complete()
    assert market.doubts() == ()
    list(market.steps(SYMBOL, NOW, market.now()))
    assert market.doubts() == ()


def test_without_a_stream_nothing_streamed_is_missed(venue: Venue) -> None:
    assert venue.market().doubts() == ()


def test_market_time_never_goes_back(venue: Venue) -> None:
    market = venue.market()
    before = market.now()
    mono = venue.clock.monotonic()
    venue.rest.server_time.note(to_ms(NOW) - 5_000, mono, mono)
    assert venue.rest.server_time.now() < before
    assert market.now() == before


def test_trading_rules_are_asked_for_once_an_hour_or_on_demand(venue: Venue) -> None:
    market = venue.market()
    for _ in range(3):
        assert market.instrument(SYMBOL).tick_size == Decimal("0.01")
    assert venue.asked("instruments-info") == 1
    venue.clock.sleep(3601)
    market.instrument(SYMBOL)
    market.instrument_refresh(SYMBOL)
    assert venue.asked("instruments-info") == 3


def test_old_trading_rules_serve_where_new_ones_cannot_be_had(venue: Venue) -> None:
    market = venue.market()
    before = market.instrument(SYMBOL)
    venue.clock.sleep(3601)
    venue.knobs.add("/v5/market/instruments-info", "reset", times=-1)
    assert market.instrument(SYMBOL) == before
    with pytest.raises(CandlesUnavailable):
        market.instrument_refresh(SYMBOL)


def test_a_symbol_that_bybit_does_not_have_is_unknown(venue: Venue) -> None:
    market = venue.market(["NONEUSDT"])
    with pytest.raises(UnknownSymbol, match="NONEUSDT"):
        market.instrument("NONEUSDT")


def test_candles_are_asked_for_once(venue: Venue) -> None:
    market = venue.market()
    first = market.candles(SYMBOL, HOUR, end=NOW, limit=100)
    again = market.candles(SYMBOL, HOUR, end=NOW, limit=80)
    assert same(first.tail(80), again)
    assert venue.asked("kline") == 1


def test_a_candle_that_may_still_change_is_asked_for_again(venue: Venue) -> None:
    market = venue.market()
    close = floor_time(NOW, MINUTE) + MINUTE
    venue.clock.move_to(close + timedelta(seconds=1))
    market.candles(SYMBOL, MINUTE, end=close, limit=5)
    venue.clock.sleep(2)
    for _ in range(2):
        market.candles(SYMBOL, MINUTE, end=close, limit=5)
    assert venue.asked("kline") == 2


def test_the_stream_extends_the_candles(venue: Venue) -> None:
    market = venue.market()
    close = floor_time(NOW, MINUTE) + MINUTE
    market.candles(SYMBOL, MINUTE, end=NOW, limit=50)
    list(venue.feed.due([KLINE]))
    venue.clock.move_to(close + timedelta(seconds=1))
    for _, frame in venue.feed.due([KLINE]):
        market.feed(frame)
    streamed = market.candles(SYMBOL, MINUTE, end=close, limit=50)
    assert venue.asked("kline") == 1
    assert same(streamed, venue.market().candles(SYMBOL, MINUTE, end=close, limit=50))


def test_a_gap_in_the_stream_is_filled_from_rest(venue: Venue) -> None:
    market = venue.market()
    market.candles(SYMBOL, MINUTE, end=NOW, limit=50)
    venue.clock.sleep(600)
    list(venue.feed.due([KLINE]))
    venue.clock.sleep(60)
    for _, frame in venue.feed.due([KLINE]):
        market.feed(frame)
    now = market.now()
    window = market.candles(SYMBOL, MINUTE, end=now, limit=50)
    assert window.last_close_time == floor_time(now, MINUTE)
    assert same(window, venue.market().candles(SYMBOL, MINUTE, end=now, limit=50))


def test_candles_that_cannot_be_had_are_refused(venue: Venue) -> None:
    venue.knobs.add("/v5/market/kline", "reset", times=-1)
    with pytest.raises(CandlesUnavailable, match=SYMBOL):
        venue.market().candles(SYMBOL, HOUR, end=NOW, limit=5)


def test_funding_is_told_once_though_it_is_published_late(venue: Venue) -> None:
    market = venue.market()
    settled = floor_time(NOW, 8 * HOUR) + 8 * HOUR
    venue.clock.move_to(settled - timedelta(seconds=1))
    asked = market.now()
    assert market.funding(SYMBOL, NOW, asked) == []
    told: list[FundingEvent] = []
    for _ in range(90):
        venue.clock.sleep(1)
        now = market.now()
        told += market.funding(SYMBOL, asked, now)
        asked = now
    assert [event.rate for event in told] == [market.funding(SYMBOL, NOW, asked)[0].rate]
    assert settled <= told[0].time <= settled + timedelta(seconds=6)
    assert told[0].mark > 0


def test_quiet_hours_cost_no_question_about_funding(venue: Venue) -> None:
    market = venue.market()
    for _ in range(100):
        venue.clock.sleep(1)
        market.funding(SYMBOL, market.now() - timedelta(seconds=1), market.now())
    assert venue.asked("funding/history") == 0


@pytest.fixture
def live() -> Iterator[tuple[SimServer, BybitMarket, PublicStream]]:
    clock = WallClock()
    with SimServer() as server:
        stream = PublicStream(
            f"{server.ws_url}/v5/public/linear",
            clock=clock,
            periods_s={"tickers": 0.5, "kline": 1.5},
        )
        rest = BybitRest(
            Hosts(server.url, "", ""), None, clock=clock, link=Link("", None, server.url)
        )
        rest.measure_clock()
        market = BybitMarket(rest, stream, [SYMBOL])
        stream.start()
        yield server, market, stream
        stream.stop()
        rest.close()


def wait_for(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def test_live_prices_flow_and_come_back_after_a_silence(
    live: tuple[SimServer, BybitMarket, PublicStream],
) -> None:
    server, market, stream = live
    wait_for(lambda: market.doubts() == ())
    before, moment = server.responder.counts["GET /v5/market/tickers"], market.now()
    assert market.now() - market.quote(SYMBOL).time < timedelta(seconds=2)
    assert server.responder.counts["GET /v5/market/tickers"] == before
    wait_for(lambda: len(list(market.steps(SYMBOL, moment, market.now()))) >= 2)
    server.knobs.add("ws:public", "silent", times=1)
    wait_for(lambda: market.doubts() != ())
    wait_for(lambda: market.doubts() == ())
    assert stream.wait_ready(1)


def test_many_threads_may_ask_at_once(live: tuple[SimServer, BybitMarket, PublicStream]) -> None:
    _, market, _ = live
    wait_for(lambda: market.doubts() == ())
    start = market.now()
    until = start + timedelta(seconds=1.5)

    def ask(_: int) -> list[PriceStep]:
        told, asked = list[PriceStep](), start
        while asked < until:
            market.quote(SYMBOL)
            market.candles(SYMBOL, MINUTE, end=market.now() - MINUTE, limit=20)
            now = market.now()
            told += market.steps(SYMBOL, asked, now)
            market.doubts()
            asked = now
        return told

    with ThreadPoolExecutor(4) as pool:
        for told in pool.map(ask, range(4)):
            assert told
            assert all(left.end <= right.start for left, right in pairwise(told))
