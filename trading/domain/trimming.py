"""What becomes of a position that does not match its plan once its entry is final."""

from __future__ import annotations

from decimal import Decimal

from exchange.domain import ZERO, Instrument
from trading.domain.settings import SignalRules
from trading.domain.trade import TradeBook


def trimmed_qty(
    book: TradeBook,
    stop_loss: Decimal,
    planned_risk: Decimal,
    instrument: Instrument,
    rules: SignalRules,
) -> Decimal | None:
    """The quantity to shrink to, or None while the position is as planned.

    Below the venue's minimum it is closed; one that loses more than 1.2 times the plan at its
    stop, costs included, is cut to the plan.
    """
    qty, price = book.open_qty, book.avg_entry
    if qty < instrument.min_qty or qty * price < instrument.min_notional:
        return ZERO
    costs = 2 * instrument.taker_fee * price + rules.slippage_allowance * stop_loss
    unit_loss = abs(price - stop_loss) + costs
    if unit_loss * qty <= rules.risk_overrun * planned_risk:
        return None
    return instrument.floor_qty(planned_risk / unit_loss)
