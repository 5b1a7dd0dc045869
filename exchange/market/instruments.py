"""Trading rules of USDT perpetuals for markets that have no venue to ask."""

from __future__ import annotations

from decimal import Decimal

from exchange.domain import Instrument

MIN_NOTIONAL = Decimal(5)


def _perpetual(
    symbol: str, tick_size: str, qty_step: str, max_qty: str, max_leverage: str
) -> Instrument:
    """The smallest order of these perpetuals is one quantity step, worth at least 5 USDT."""
    return Instrument(
        symbol=symbol,
        tick_size=Decimal(tick_size),
        qty_step=Decimal(qty_step),
        min_qty=Decimal(qty_step),
        max_qty=Decimal(max_qty),
        min_notional=MIN_NOTIONAL,
        max_leverage=Decimal(max_leverage),
    )


KNOWN_INSTRUMENTS: dict[str, Instrument] = {
    instrument.symbol: instrument
    for instrument in (
        _perpetual("BTCUSDT", "0.1", "0.001", "1190", "100"),
        _perpetual("ETHUSDT", "0.01", "0.01", "7240", "100"),
        _perpetual("SOLUSDT", "0.01", "0.1", "79770", "100"),
        _perpetual("BNBUSDT", "0.1", "0.01", "24600", "75"),
        _perpetual("XRPUSDT", "0.0001", "0.1", "4900000", "75"),
        _perpetual("DOGEUSDT", "0.00001", "1", "26000000", "75"),
        _perpetual("ADAUSDT", "0.0001", "1", "7700000", "75"),
        _perpetual("AVAXUSDT", "0.001", "0.1", "152000", "75"),
        _perpetual("LINKUSDT", "0.001", "0.1", "220000", "75"),
        _perpetual("LTCUSDT", "0.01", "0.1", "35000", "75"),
    )
}


def instrument_from_prices(symbol: str, prices: list[Decimal]) -> Instrument:
    """Rules for a symbol that is not in the table, from a sample of its prices.

    The tick is one unit of the last decimal place that occurs. The quantity step is the power of
    ten that is worth at most 1 USDT at the last price, so that the minimum of 5 USDT can be met;
    leverage is at most 25 and an order at most ten million steps.
    """
    exponents = [_exponent(price) for price in prices]
    tick_size = Decimal(1).scaleb(min(min(exponents), 0))
    qty_step = Decimal(1).scaleb(-prices[-1].adjusted())
    if qty_step * prices[-1] > 1:
        qty_step /= 10
    return Instrument(
        symbol=symbol,
        tick_size=tick_size,
        qty_step=qty_step,
        min_qty=qty_step,
        max_qty=qty_step * 10_000_000,
        min_notional=MIN_NOTIONAL,
        max_leverage=Decimal(25),
    )


def _exponent(price: Decimal) -> int:
    exponent = price.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
