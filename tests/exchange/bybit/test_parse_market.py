"""Odd instruments, prices and candles in Bybit's answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchange.bybit import parse

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STAMP = "1795305600000"

INSTRUMENT = {
    "symbol": "ABCUSDT",
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "settleCoin": "USDT",
    "deliveryTime": "0",
    "leverageFilter": {"maxLeverage": "25"},
    "priceFilter": {"tickSize": "0.01"},
    "lotSizeFilter": {"maxOrderQty": "100", "minOrderQty": "1", "qtyStep": "1"},
}


def test_delisting_is_known_in_advance() -> None:
    read = parse.instrument({**INSTRUMENT, "deliveryTime": STAMP, "fundingInterval": 60})

    assert (read.tradable, read.delisting_at) == (True, NOW)
    assert read.funding_interval == timedelta(hours=1)


def test_sparse_instrument() -> None:
    read = parse.instrument(INSTRUMENT)

    assert (read.max_market_qty, read.min_notional) == (None, Decimal(0))
    assert (read.funding_interval, read.delisting_at) == (timedelta(hours=8), None)


@pytest.mark.parametrize(
    "facts", [{"status": "Closed"}, {"status": "PreLaunch"}, {"isPreListing": True}]
)
def test_instruments_that_take_no_positions(facts: dict[str, Any]) -> None:
    assert not parse.instrument({**INSTRUMENT, **facts}).tradable


@pytest.mark.parametrize(
    "facts",
    [{"contractType": "LinearFutures"}, {"settleCoin": "USDC"}, {"symbolType": "stock"}],
)
def test_what_is_no_usdt_perpetual(facts: dict[str, str]) -> None:
    assert parse.is_usdt_perpetual(INSTRUMENT)
    assert not parse.is_usdt_perpetual({**INSTRUMENT, **facts})


@pytest.mark.parametrize("field", ["lastPrice", "bid1Price", "ask1Price"])
def test_quote_needs_both_sides_and_a_last_price(field: str) -> None:
    row = {"symbol": "ABCUSDT", "lastPrice": "2", "bid1Price": "1", "ask1Price": "3"}

    assert parse.quote(row, time=NOW).bid == 1
    with pytest.raises(parse.UnreadablePayload, match=field):
        parse.quote({**row, field: "0"}, time=NOW)


def test_ticker_needs_a_last_price() -> None:
    with pytest.raises(parse.UnreadablePayload, match="lastPrice"):
        parse.ticker({"symbol": "ABCUSDT"}, time=NOW)


def test_short_candle_row_is_refused() -> None:
    with pytest.raises(parse.UnreadablePayload, match="kline"):
        parse.candle("ABCUSDT", timedelta(minutes=1), [STAMP, "1", "2"])
