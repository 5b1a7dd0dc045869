"""The money of the state machine's venue, and what its ledger keeps of every entry that left.

The checking side: nothing here is the product's, so that a mistake there can't hide itself here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from exchange.domain import ZERO, OrderReport, OrderRequest

START_EQUITY = Decimal(1000)
DAILY_LIMIT = Decimal("0.06")
FEE = Decimal("0.00055")


@dataclass(frozen=True, slots=True)
class EntryLeft:
    """An entry as it left for the venue: the ``stamp`` tells what came before what, ``start`` is
    equity at 00:00 UTC, ``worst`` what the day loses if all that can be lost is."""

    link_id: str
    stamp: int
    start: Decimal
    worst: Decimal


@dataclass
class Money:
    """Wallet and position by the executions alone. ``held`` is signed."""

    wallet: Decimal = START_EQUITY
    held: Decimal = ZERO
    average: Decimal = ZERO
    starts: dict[date, Decimal] = field(default_factory=dict)

    def trade(self, change: Decimal, price: Decimal) -> None:
        """A signed quantity at a price, with its fee."""
        self.wallet -= abs(change) * price * FEE
        if self.held * change >= 0:
            value = abs(self.held) * self.average + abs(change) * price
            self.held += change
            self.average = value / abs(self.held)
            return
        closed = min(abs(change), abs(self.held))
        sign = 1 if self.held > 0 else -1
        self.wallet += (price - self.average) * closed * sign
        self.held += change
        if self.held * sign < 0:
            self.average = price

    def equity(self, price: Decimal) -> Decimal:
        """Wallet and open result at ``price``."""
        return self.wallet + (price - self.average) * self.held

    def open_day(self, now: datetime, price: Decimal) -> Decimal:
        """Equity at the start of the day of ``now``, which is kept when it is first asked."""
        return self.starts.setdefault(now.date(), self.equity(price))

    def worst_day(
        self,
        start: Decimal,
        level: Decimal,
        working: Iterable[tuple[OrderRequest, OrderReport]],
        request: OrderRequest,
    ) -> Decimal:
        """The day's result once the position is closed at ``level``, and every working entry and
        the new one are filled and stopped."""
        lost = at_stop(request, request.qty)
        for other, report in working:
            lost += at_stop(other, report.qty - report.filled_qty)
        return self.equity(level) - abs(self.held) * level * FEE - lost - start


def at_stop(request: OrderRequest, qty: Decimal) -> Decimal:
    """What ``qty`` of a long entry loses at its stop, with both fees."""
    if request.price is None or request.stop_loss is None:
        raise ValueError("an entry without price or stop")
    distance = request.price - request.stop_loss
    return qty * (distance + (request.price + request.stop_loss) * FEE)
