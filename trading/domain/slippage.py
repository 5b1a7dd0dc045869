"""What an execution cost against the price it was meant for, and how far a trade ran each way."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from exchange.domain import ZERO, Side, quantise


@dataclass(frozen=True, slots=True)
class PricedFill:
    """``qty`` was filled at ``price``; ``reference`` is what it was meant for: the stop, the
    target, or the last price when the order was asked for. None where nobody knows."""

    qty: Decimal
    price: Decimal
    reference: Decimal | None


def entry_slippage(
    side: Side, entry_value: Decimal, entry_qty: Decimal, entry_price: Decimal
) -> Decimal:
    """s x (value of the entries - signal's entry price x quantity), in USDT; s = +1 for a long.

    Greater than 0 is worse than the signal: a long that was bought dearer, a short sold cheaper.
    """
    return quantise(side.sign * (entry_value - entry_price * entry_qty))


def exit_slippage(side: Side, fills: list[PricedFill]) -> Decimal | None:
    """Sum of s x (reference - price) x quantity over the exits of a trade on ``side``, in USDT.

    Greater than 0 is worse than the reference. None without exits, or where the reference of one
    is not known: a part of the slippage is not the slippage.
    """
    total = ZERO
    for fill in fills:
        if fill.reference is None:
            return None
        total += side.sign * (fill.reference - fill.price) * fill.qty
    return quantise(total) if fills else None


def excursion_r(
    side: Side, avg_entry: Decimal, initial_stop: Decimal, price: Decimal | None
) -> Decimal | None:
    """How far ``price`` is from the entry in units of R = |average entry - initial stop|.

    With the most favourable price of a trade it is the MFE, with the least favourable one the MAE
    (below 0). None where the price or R is not known.
    """
    risk = abs(avg_entry - initial_stop)
    if price is None or not risk or not avg_entry:
        return None
    return quantise(side.sign * (price - avg_entry) / risk)
