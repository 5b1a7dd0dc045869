"""At which price and quantity the paper venue fills: the cost model, pure arithmetic.

Who takes liquidity pays half the spread (at least one tick), 0.02 % and
0.1 % x sqrt(quantity / depth), the square-root law of market impact. Depth is the volume of the
step, or of a minute at its pace when it is shorter: else the cost of an order would depend on how
often prices are asked for. Order and step are valued at the same price, so the ratio of notionals
is the ratio of quantities. Prices are rounded to a tick against the account.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from exchange.domain import Instrument, PriceStep, Side

BASE_SLIPPAGE = Decimal("0.0002")
IMPACT = Decimal("0.001")
# Reached when an order is 96 times the step's volume, and taken when there was no volume at all:
# the model knows nothing of such cases, so they get one bad but sane price.
MAX_SLIPPAGE = Decimal("0.01")
VOLUME_SHARE = Decimal("0.1")
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


def depth(step: PriceStep) -> Decimal:
    """The volume that an order at one instant of the step is measured against."""
    span = step.end - step.start
    if span >= MINUTE:
        return step.volume
    return step.volume * (MINUTE // MICROSECOND) / (span // MICROSECOND)


def slippage(qty: Decimal, volume: Decimal) -> Decimal:
    """Share of the price that taking ``qty`` costs where ``volume`` is traded."""
    if volume <= 0:
        return MAX_SLIPPAGE
    return min(MAX_SLIPPAGE, BASE_SLIPPAGE + IMPACT * (qty / volume).sqrt())


def half_spread(step: PriceStep, instrument: Instrument) -> Decimal:
    """Distance from last price to the other side of the book, at least one tick."""
    return max(step.spread / 2, instrument.tick_size)


def round_against(price: Decimal, side: Side, instrument: Instrument) -> Decimal:
    """The tick at or beyond ``price`` that is worse for who trades ``side``."""
    if side is Side.BUY:
        return instrument.ceil_price(price)
    return max(instrument.tick_size, instrument.floor_price(price))


def taker_price(
    base: Decimal, side: Side, qty: Decimal, step: PriceStep, instrument: Instrument
) -> Decimal:
    """Price of a market order that meets the market at ``base``."""
    cost = half_spread(step, instrument) + base * slippage(qty, depth(step))
    return round_against(base + side.sign * cost, side, instrument)


def ioc_price(
    limit: Decimal,
    base: Decimal,
    side: Side,
    qty: Decimal,
    step: PriceStep,
    instrument: Instrument,
) -> Decimal | None:
    """Price of an immediate order that meets the market at ``base``; None when the book is beyond
    its limit."""
    touch = base + side.sign * half_spread(step, instrument)
    if (touch - limit) * side.sign > 0:
        return None
    price = taker_price(base, side, qty, step, instrument)
    return min(price, limit) if side is Side.BUY else max(price, limit)


def limit_qty(remaining: Decimal, volume: Decimal, instrument: Instrument) -> Decimal:
    """How much of a limit order can fill where ``volume`` is traded: a tenth of it, and at least
    one quantity step."""
    share = instrument.floor_qty(volume * VOLUME_SHARE)
    return min(remaining, max(share, instrument.qty_step))
