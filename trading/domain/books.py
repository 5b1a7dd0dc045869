"""An account's books: executions in, realised profit per execution out.

Positions are netted per symbol, as the venue nets them. An entry costs price x quantity, rounded
to 8 places; an exit releases its share of the cost, rounded, and the last one all that is left, so
that over a whole position the results add up to exit value less entry value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from exchange.domain import PLACES, ZERO, Side, quantise


@dataclass(frozen=True, slots=True)
class Fill:
    """An execution as the books need it."""

    symbol: str
    side: Side
    qty: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Held:
    """An open position: what it cost, and how often an amount of it had to be rounded."""

    side: Side
    qty: Decimal
    cost: Decimal
    roundings: int = 0


@dataclass(frozen=True, slots=True)
class Realised:
    """What a fill earned before its fee. ``slack`` is by how much a venue that rounds the same
    amounts elsewhere may differ; 0 where nothing had to be rounded."""

    amount: Decimal
    slack: Decimal = ZERO


class PositionBooks:
    """The positions of one account while its executions are told, oldest first."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}

    def take(self, fill: Fill) -> Realised:
        """Book ``fill``: what it closes is realised, what it opens is not."""
        held = self.held.get(fill.symbol)
        if held is None or held.side is fill.side:
            self._add(held, fill)
            return Realised(ZERO)
        closed = min(held.qty, fill.qty)
        realised = self._reduce(held, fill, closed)
        if fill.qty > closed:
            self._add(None, replace(fill, qty=fill.qty - closed))
        return realised

    def _add(self, held: Held | None, fill: Fill) -> None:
        exact = fill.price * fill.qty
        cost = quantise(exact)
        before = held or Held(fill.side, ZERO, ZERO)
        self.held[fill.symbol] = Held(
            fill.side,
            before.qty + fill.qty,
            before.cost + cost,
            before.roundings + (cost != exact),
        )

    def _reduce(self, held: Held, fill: Fill, closed: Decimal) -> Realised:
        whole = closed == held.qty
        share = held.cost if whole else held.cost * closed / held.qty
        value = fill.price * closed
        released, received = quantise(share), quantise(value)
        roundings = held.roundings + (released != share) + (received != value)
        if whole:
            del self.held[fill.symbol]
        else:
            self.held[fill.symbol] = replace(
                held, qty=held.qty - closed, cost=held.cost - released, roundings=roundings
            )
        return Realised(held.side.sign * (received - released), roundings * PLACES)
