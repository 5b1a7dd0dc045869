"""Public market data: the paths under /v5/market."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from tests.simulators.bybit.paging import page
from tests.simulators.bybit.params import Params, check_linear, required, whole, word
from tests.simulators.bybit.prices import SymbolRules
from tests.simulators.bybit.rules import (
    DAY_MS,
    MAX_PRICE_TICKS,
    PRICE_BAND,
    Refused,
    on_grid,
    text,
)
from tests.simulators.bybit.venue import Venue

Row = dict[str, Any]
MINUTES = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720")
# Weeks begin on Monday; the epoch was a Thursday.
FIRST_MONDAY_MS = 4 * DAY_MS


def server_time(venue: Venue, params: Params) -> Row:
    now = venue.clock()
    return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}


def instruments(venue: Venue, params: Params) -> Row:
    """Give instruments; by default those that trade."""
    check_linear(params)
    symbol, status = word(params, "symbol"), word(params, "status")
    base = word(params, "baseCoin")
    if symbol:
        venue.rules_of(symbol)
    rows = []
    for number, rules in enumerate(reversed(list(venue.rules.values())), 1):
        row = _instrument(venue, rules, number)
        wanted_status = status or ("" if symbol else "Trading")
        if (
            symbol in ("", rules.symbol)
            and base in ("", rules.base_coin)
            and wanted_status in ("", row["status"])
        ):
            rows.append((number, row))
    found = page(rows, params, 500, 1000)
    # Here, unlike elsewhere, the last page has no cursor.
    if len(found["list"]) < whole(params, "limit", 500):
        found["nextPageCursor"] = ""
    return found


def _instrument(venue: Venue, rules: SymbolRules, number: int) -> Row:
    tick = rules.tick_size
    return {
        "symbol": rules.symbol,
        "symbolId": number,
        "contractType": "LinearPerpetual",
        "status": "Closed" if venue.is_delisted(rules.symbol) else "Trading",
        "baseCoin": rules.base_coin,
        "quoteCoin": "USDT",
        "launchTime": str(rules.launch_ms),
        "deliveryTime": str(venue.delisting_ms.get(rules.symbol, 0)),
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(tick.normalize().as_tuple().exponent))),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": str(rules.max_leverage),
            "leverageStep": str(rules.leverage_step),
        },
        "priceFilter": {
            "minPrice": format(tick, "f"),
            "maxPrice": format(tick * MAX_PRICE_TICKS, "f"),
            "tickSize": format(tick, "f"),
        },
        "lotSizeFilter": {
            "maxOrderQty": format(rules.max_order_qty, "f"),
            "minOrderQty": format(rules.min_order_qty, "f"),
            "qtyStep": format(rules.qty_step, "f"),
            "postOnlyMaxOrderQty": format(rules.max_order_qty, "f"),
            "maxMktOrderQty": format(rules.max_market_qty, "f"),
            "minNotionalValue": text(rules.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": rules.funding_interval_min,
        "settleCoin": "USDT",
        "copyTrading": "both",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
        "symbolType": "",
    }


def tickers(venue: Venue, params: Params) -> Row:
    """Give one symbol's ticker, or all of them."""
    check_linear(params)
    symbol = word(params, "symbol")
    names = [venue.rules_of(symbol).symbol] if symbol else list(venue.rules)
    rows = [ticker(venue, name) for name in names if not venue.is_delisted(name)]
    return {"category": "linear", "list": rows}


def ticker(venue: Venue, symbol: str) -> Row:
    now, prices = venue.now_ms, venue.prices
    rules = venue.rules[symbol]
    last, touch = venue.last(symbol), prices.touch(symbol, now)
    day = prices.kline(symbol, DAY_MS // 1000, now - DAY_MS, now)
    interval = rules.funding_interval_min * 60_000
    return {
        "symbol": symbol,
        "lastPrice": text(last),
        "indexPrice": text(prices.index(symbol, now)),
        "markPrice": text(venue.mark(symbol)),
        "prevPrice24h": text(day.open),
        "price24hPcnt": text((last / day.open - 1).quantize(Decimal("0.000001"))),
        "highPrice24h": text(day.high),
        "lowPrice24h": text(day.low),
        "prevPrice1h": text(prices.last(symbol, now - 3_600_000)),
        "openInterest": "69655.813",
        "openInterestValue": text((Decimal("69655.813") * last).quantize(Decimal("0.01"))),
        "turnover24h": text(day.turnover),
        "volume24h": text(day.volume),
        "fundingRate": text(venue.funding_rate(symbol)),
        "nextFundingTime": str((now // interval + 1) * interval),
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": str(venue.delisting_ms.get(symbol, 0)),
        "ask1Size": text(touch.ask_size),
        "bid1Price": text(touch.bid),
        "ask1Price": text(touch.ask),
        "bid1Size": text(touch.bid_size),
        "basis": "",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "fundingIntervalHour": str(rules.funding_interval_min // 60),
        "fundingCap": "0.00375",
        "basisRateYear": "",
    }


def kline(venue: Venue, params: Params) -> Row:
    """Give candles newest first, the unfinished one included."""
    check_linear(params)
    symbol = venue.rules_of(required(params, "symbol")).symbol
    interval = required(params, "interval")
    limit = whole(params, "limit", 200)
    if interval not in (*MINUTES, "D", "W", "M"):
        raise Refused(10001, "params error: interval invalid")
    if not 1 <= limit <= 1000:
        raise Refused(10001, "params error: limit must be 1 to 1000")
    starts = _starts(venue, symbol, interval, params, limit)
    rows = []
    for start in sorted(starts, reverse=True):
        seconds = (_candle_end(interval, start) - start) // 1000
        candle = venue.prices.kline(symbol, seconds, start, venue.now_ms)
        prices = (candle.open, candle.high, candle.low, candle.close)
        rows.append([str(start), *map(text, prices), text(candle.volume), text(candle.turnover)])
    return {"symbol": symbol, "category": "linear", "list": rows}


def _starts(venue: Venue, symbol: str, interval: str, params: Params, limit: int) -> list[int]:
    """Choose candles: the oldest from `start` on when that stands alone, else the newest."""
    launch = venue.rules[symbol].launch_ms
    start, end = whole(params, "start", 0), whole(params, "end", 0)
    last = min(end or venue.now_ms, venue.now_ms)
    first = max(start, launch)
    found: list[int] = []
    if start and not end:
        for at in _forward(interval, first):
            if at > last or len(found) == limit:
                break
            found.append(at)
        return found
    at = candle_start(interval, last)
    while at >= first and len(found) < limit:
        found.append(at)
        at = candle_start(interval, at - 1)
    return found


def _forward(interval: str, first_ms: int) -> Iterator[int]:
    at = candle_start(interval, first_ms)
    if at < first_ms:
        at = _candle_end(interval, at)
    while True:
        yield at
        at = _candle_end(interval, at)


def candle_start(interval: str, ms: int) -> int:
    """Give the start of the candle `ms` lies in."""
    if interval == "M":
        month = datetime.fromtimestamp(ms / 1000, UTC).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        return int(month.timestamp()) * 1000
    if interval == "W":
        return (ms - FIRST_MONDAY_MS) // (7 * DAY_MS) * 7 * DAY_MS + FIRST_MONDAY_MS
    length = DAY_MS if interval == "D" else int(interval) * 60_000
    return ms // length * length


def _candle_end(interval: str, start_ms: int) -> int:
    if interval == "M":
        return candle_start("M", start_ms + 32 * DAY_MS)
    if interval == "W":
        return start_ms + 7 * DAY_MS
    return start_ms + (DAY_MS if interval == "D" else int(interval) * 60_000)


def funding_history(venue: Venue, params: Params) -> Row:
    """Give past funding rates newest first; startTime alone is an error."""
    check_linear(params)
    rules = venue.rules_of(required(params, "symbol"))
    start, end = whole(params, "startTime", 0), whole(params, "endTime", 0)
    limit = whole(params, "limit", 200)
    if start and not end:
        raise Refused(10001, "params error: endTime is required with startTime")
    if not 1 <= limit <= 200:
        raise Refused(10001, "params error: limit must be 1 to 200")
    interval = rules.funding_interval_min * 60_000
    latest = min(end or venue.now_ms, venue.now_ms) // interval * interval
    first = max(start, rules.launch_ms, latest - (limit - 1) * interval)
    rate = text(venue.funding_rate(rules.symbol))
    rows = [
        {"symbol": rules.symbol, "fundingRate": rate, "fundingRateTimestamp": str(at)}
        for at in range(latest, first - 1, -interval)
    ]
    return {"category": "linear", "list": rows}


def announcements(venue: Venue, params: Params) -> Row:
    """Give what was announced, newest first; the language is required."""
    required(params, "locale")
    kind, limit = word(params, "type"), whole(params, "limit", 20)
    rows = [
        row for name, found in venue.announcements.items() if kind in ("", name) for row in found
    ]
    return {"total": len(rows), "list": rows[:limit]}


def system_status(venue: Venue, params: Params) -> Row:
    """Give planned, running and past maintenance."""
    return {"list": list(venue.system_status)}


def price_limit(venue: Venue, params: Params) -> Row:
    """Give the prices beyond which a limit order is refused now."""
    rules = venue.rules_of(required(params, "symbol"))
    last = venue.last(rules.symbol)
    return {
        "symbol": rules.symbol,
        "buyLmt": text(on_grid(last * (1 + PRICE_BAND), rules.tick_size, ROUND_FLOOR)),
        "sellLmt": text(on_grid(last * (1 - PRICE_BAND), rules.tick_size, ROUND_CEILING)),
        "ts": str(venue.now_ms),
    }
