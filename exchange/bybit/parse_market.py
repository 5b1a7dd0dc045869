"""Instruments, prices, candles and funding, from REST and the public stream alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from exchange.bybit.parse_orders import SETTLE_COIN
from exchange.bybit.parse_values import Row, UnreadablePayload
from exchange.domain import Candle, Instrument, Quote, Ticker

KLINE_CODES: dict[timedelta, str] = {
    timedelta(minutes=1): "1",
    timedelta(minutes=3): "3",
    timedelta(minutes=5): "5",
    timedelta(minutes=15): "15",
    timedelta(minutes=30): "30",
    timedelta(hours=1): "60",
    timedelta(hours=2): "120",
    timedelta(hours=4): "240",
    timedelta(hours=6): "360",
    timedelta(hours=12): "720",
    timedelta(days=1): "D",
}
# open time, open, high, low, close, volume (base coin), turnover
KLINE_COLUMNS = 7


@dataclass(frozen=True, slots=True)
class FundingRate:
    """A settled rate; Bybit does not tell the mark price with it."""

    symbol: str
    time: datetime
    rate: Decimal


@dataclass(frozen=True, slots=True)
class FeeRate:
    symbol: str
    taker: Decimal
    maker: Decimal


def instrument(data: Mapping[str, Any]) -> Instrument:
    """One row of instruments-info."""
    row = Row.of("instruments-info", data)
    price = Row.of("instruments-info.priceFilter", row.fields.get("priceFilter"))
    lot = Row.of("instruments-info.lotSizeFilter", row.fields.get("lotSizeFilter"))
    leverage = Row.of("instruments-info.leverageFilter", row.fields.get("leverageFilter"))
    minutes = row.whole("fundingInterval") or 480
    return Instrument(
        symbol=row.needed_text("symbol"),
        tick_size=price.needed("tickSize"),
        qty_step=lot.needed("qtyStep"),
        min_qty=lot.needed("minOrderQty"),
        max_qty=lot.needed("maxOrderQty"),
        min_notional=lot.amount("minNotionalValue"),
        max_leverage=leverage.needed("maxLeverage"),
        funding_interval=timedelta(minutes=minutes),
        max_market_qty=lot.level("maxMktOrderQty"),
        tradable=row.text("status") == "Trading" and not row.flag("isPreListing"),
        delisting_at=row.time("deliveryTime"),
    )


def is_usdt_perpetual(data: Mapping[str, Any]) -> bool:
    """Whether a row of instruments-info is a perpetual on a coin, settled in USDT."""
    row = Row.of("instruments-info", data)
    return (
        row.text("contractType") == "LinearPerpetual"
        and row.text("settleCoin") == SETTLE_COIN
        and row.text("symbolType") in ("", "innovation")
    )


def listed_at(data: Mapping[str, Any]) -> datetime | None:
    """When a row of instruments-info says that trading began."""
    return Row.of("instruments-info", data).time("launchTime")


def quote(data: Mapping[str, Any], *, time: datetime) -> Quote:
    """Bid, ask and last of one row of tickers or of a merged ticker of the stream."""
    row = Row.of("tickers", data)
    last = row.level("lastPrice")
    if last is None:
        raise row.refuse("lastPrice")
    bid, ask = row.level("bid1Price"), row.level("ask1Price")
    if bid is None:
        raise row.refuse("bid1Price")
    if ask is None:
        raise row.refuse("ask1Price")
    return Quote(row.needed_text("symbol"), time, bid=bid, ask=ask, last=last)


def ticker(data: Mapping[str, Any], *, time: datetime, listed_at: datetime | None = None) -> Ticker:
    """The slow facts of one row of tickers or of a merged ticker of the stream."""
    row = Row.of("tickers", data)
    last = row.level("lastPrice")
    if last is None:
        raise row.refuse("lastPrice")
    return Ticker(
        symbol=row.needed_text("symbol"),
        time=time,
        last=last,
        mark=row.level("markPrice"),
        turnover_24h=row.number("turnover24h"),
        funding_rate=row.number("fundingRate"),
        next_funding=row.time("nextFundingTime"),
        listed_at=listed_at,
    )


def candle(symbol: str, interval: timedelta, columns: Sequence[Any]) -> Candle:
    """One row of market/kline."""
    if len(columns) < KLINE_COLUMNS:
        raise UnreadablePayload("kline", "the row", columns)
    names = ("start", "open", "high", "low", "close", "volume")
    row = Row("kline", dict(zip(names, columns, strict=False)))
    return _candle(symbol, interval, row)


def candles(
    symbol: str, interval: timedelta, rows: Sequence[Sequence[Any]], *, now: datetime
) -> list[Candle]:
    """Rows of market/kline that had closed by ``now``, oldest first and each once."""
    found = {one.open_time: one for one in (candle(symbol, interval, row) for row in rows)}
    return [found[time] for time in sorted(found) if found[time].close_time <= now]


def streamed_candle(symbol: str, interval: timedelta, data: Mapping[str, Any]) -> Candle | None:
    """One row of the kline topic; None while the candle is open."""
    row = Row.of("kline topic", data)
    return _candle(symbol, interval, row) if row.flag("confirm") else None


def _candle(symbol: str, interval: timedelta, row: Row) -> Candle:
    return Candle(
        symbol=symbol,
        open_time=row.needed_time("start"),
        interval=interval,
        open=row.needed("open"),
        high=row.needed("high"),
        low=row.needed("low"),
        close=row.needed("close"),
        volume=row.needed("volume"),
    )


def funding_rate(data: Mapping[str, Any]) -> FundingRate:
    """One row of funding/history."""
    row = Row.of("funding/history", data)
    return FundingRate(
        symbol=row.needed_text("symbol"),
        time=row.needed_time("fundingRateTimestamp"),
        rate=row.needed("fundingRate"),
    )


def fee_rate(data: Mapping[str, Any]) -> FeeRate:
    """One row of account/fee-rate."""
    row = Row.of("fee-rate", data)
    return FeeRate(
        row.needed_text("symbol"), row.needed("takerFeeRate"), row.needed("makerFeeRate")
    )
