"""Real payloads of prices and instruments, read to the last field that is used."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.bybit import parse
from exchange.domain import (
    Candle,
    Instrument,
    Quote,
    Ticker,
)
from tests.exchange.bybit.samples import (
    LIBRARY,
    NEEDS_SAMPLES,
    NOW,
    OFFICIAL,
    at,
    row,
    rows,
)

pytestmark = NEEDS_SAMPLES


def test_instrument() -> None:
    told = row(OFFICIAL, "market__instrument.0a")

    assert parse.instrument(told) == Instrument(
        symbol="BTCUSDT",
        tick_size=Decimal("0.10"),
        qty_step=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(1190),
        min_notional=Decimal(5),
        max_leverage=Decimal(100),
        funding_interval=timedelta(hours=8),
        max_market_qty=Decimal(500),
        tradable=True,
        delisting_at=None,
    )
    assert parse.is_usdt_perpetual(told)
    assert parse.listed_at(told) == at(1585526400000)


def test_instrument_before_its_launch_is_not_tradable() -> None:
    read = parse.instrument(row(OFFICIAL, "market__instrument.0b"))

    assert (read.symbol, read.tradable, read.tick_size) == ("BIOUSDT", False, Decimal("0.0001"))
    assert (read.max_qty, read.max_market_qty) == (Decimal(70000), Decimal(14000))


def test_instrument_of_2024() -> None:
    read = parse.instrument(row(LIBRARY, "ExchangeData/GetLinearInverseSymbols"))

    assert (read.symbol, read.tradable, read.max_market_qty) == ("BTCUSDT", True, Decimal(100))


def test_inverse_ticker() -> None:
    told = row(OFFICIAL, "market__tickers.0a")

    assert parse.ticker(told, time=NOW, listed_at=at(1)) == Ticker(
        symbol="BTCUSD",
        time=NOW,
        last=Decimal("120635.50"),
        mark=Decimal("114898.43"),
        turnover_24h=Decimal("115.6907"),
        funding_rate=Decimal("0.0001"),
        next_funding=at(1760371200000),
        listed_at=at(1),
    )
    assert parse.quote(told, time=NOW) == Quote(
        "BTCUSD", NOW, Decimal("103401.00"), Decimal("109152.80"), Decimal("120635.50")
    )


@pytest.mark.parametrize(
    ("source", "last", "rate"),
    [
        ((OFFICIAL, "websocket__public__ticker.0a"), "66666.60", "-0.005"),
        ((LIBRARY, "ws_subscriptions/Linear_Ticker"), "17216.00", "-0.000212"),
        ((LIBRARY, "ExchangeData/GetLinearInverseTickers"), "16597.00", "-0.001034"),
    ],
)
def test_ticker(source: tuple[str, str], last: str, rate: str) -> None:
    read = parse.ticker(row(*source), time=NOW)

    assert (read.last, read.funding_rate) == (Decimal(last), Decimal(rate))
    assert read.mark is not None
    assert read.next_funding is not None
    assert parse.quote(row(*source), time=NOW).ask > 0


def test_ticker_of_a_dated_contract_has_no_funding() -> None:
    read = parse.ticker(row(OFFICIAL, "websocket__public__ticker.0b"), time=NOW)

    assert (read.symbol, read.funding_rate, read.next_funding) == ("BTC-26DEC25", None, None)


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "market__kline.0a"), (LIBRARY, "ExchangeData/GetKlines")]
)
def test_candles_are_oldest_first_and_closed(source: tuple[str, str]) -> None:
    hour = timedelta(hours=1)
    open_now = at(1670608800000) + hour / 2

    first, second = parse.candles("BTCUSD", hour, rows(*source), now=open_now)

    assert first == Candle(
        symbol="BTCUSD",
        open_time=at(1670601600000),
        interval=hour,
        open=Decimal("17086.5"),
        high=Decimal(17088),
        low=Decimal(16978),
        close=Decimal("17071.5"),
        volume=Decimal(6356),
    )
    assert second.open_time == at(1670605200000)


def test_streamed_candle_counts_once_it_is_confirmed() -> None:
    told = row(OFFICIAL, "websocket__public__kline.0a")
    span = timedelta(minutes=5)

    assert parse.streamed_candle("BTCUSDT", span, told) is None
    assert parse.streamed_candle("BTCUSDT", span, {**told, "confirm": True}) == Candle(
        symbol="BTCUSDT",
        open_time=at(1672324800000),
        interval=span,
        open=Decimal("16649.5"),
        high=Decimal(16677),
        low=Decimal(16608),
        close=Decimal(16677),
        volume=Decimal("2.081"),
    )


@pytest.mark.parametrize(
    "source",
    [(OFFICIAL, "market__history-fund-rate.0a"), (LIBRARY, "ExchangeData/GetFundingRateHistory")],
)
def test_funding_rate(source: tuple[str, str]) -> None:
    read = parse.funding_rate(row(*source))

    assert read == parse.FundingRate("ETHPERP", at(1672041600000), Decimal("0.0001"))


@pytest.mark.parametrize(
    "source", [(OFFICIAL, "account__fee-rate.0a"), (LIBRARY, "Account/GetFeeRate")]
)
def test_fee_rate(source: tuple[str, str]) -> None:
    read = parse.fee_rate(row(*source))

    assert read == parse.FeeRate("ETHUSDT", taker=Decimal("0.0006"), maker=Decimal("0.0001"))
