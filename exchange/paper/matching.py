"""Matching: what one price step does to the orders and the position of its symbol.

A step is walked open -> worse extreme for the owner -> better extreme -> close. The last leg
stays between extremes that were both visited, so it can touch nothing new and is left out.
The instant inside a step is unknown: fills at the open carry the step's start, others its middle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from exchange.domain import ExecutionKind, Instrument, OrderType, PriceStep, Side
from exchange.paper import fills, margin
from exchange.paper.book import Book
from exchange.paper.state import OpenPosition, VenueOrder


@dataclass(frozen=True, slots=True)
class _Leg:
    """A straight move of price; ``at`` is the time its fills carry."""

    start: Decimal
    end: Decimal
    at: datetime

    @property
    def low(self) -> Decimal:
        return min(self.start, self.end)

    @property
    def high(self) -> Decimal:
        return max(self.start, self.end)


@dataclass(frozen=True, slots=True)
class _Hit:
    """Something price meets at ``base`` on a leg: an order, or a level of the position (None),
    liquidation included."""

    base: Decimal
    kind: ExecutionKind
    order: VenueOrder | None = None


class StepMatcher:
    """Matches one step against a book."""

    def __init__(
        self, book: Book, step: PriceStep, instrument: Instrument, leverage: Decimal
    ) -> None:
        self._book = book
        self._leverage = leverage
        self._step = step
        self._instrument = instrument
        # Orders that met this step's volume already; a limit order gets one share per step.
        self._served: set[str] = set()
        # Where an order was triggered on the leg that is walked: what it opened was not there
        # before, so its stop can't be met at the leg's start.
        self._triggered_at: Decimal | None = None

    def run(self) -> None:
        """Fill what the step reaches."""
        for order in self._orders():
            # A fill before it may have taken this one out of the book.
            working = order.order_id in self._book.orders
            if working and not order.rests and order.trigger is None:
                self._take_at_open(order)
        for leg in self._legs():
            self._triggered_at = None
            while (hit := self._next_hit(leg)) is not None:
                self._fill(hit, leg)

    def _orders(self) -> list[VenueOrder]:
        """Orders of this symbol that were there before the step ended."""
        step = self._step
        orders = self._book.orders.values()
        return [one for one in orders if one.symbol == step.symbol and one.created_at < step.end]

    def _position(self) -> OpenPosition | None:
        return self._book.positions.get(self._step.symbol)

    def _take_at_open(self, order: VenueOrder) -> None:
        """Fill a market or immediate order at the step's open, and cancel what is left of it. An
        open that is older than the order can't be had any more: then at the close."""
        step = self._step
        older = step.began is not None and step.began < order.created_at
        base = step.close if older else step.open
        self._take(order, base, step.end if older else max(step.start, order.created_at))

    def _take(self, order: VenueOrder, base: Decimal, at: datetime) -> None:
        """Fill what can be had at once at ``base``, and cancel the rest."""
        step, instrument = self._step, self._instrument
        order = self._fitted(order)
        qty: Decimal = order.remaining
        price: Decimal | None
        if order.order_type is OrderType.MARKET:
            price = fills.taker_price(base, order.side, qty, step, instrument)
        else:
            qty = fills.limit_qty(qty, fills.depth(step), instrument)
            price = fills.ioc_price(order.reference, base, order.side, qty, step, instrument)
        if price is not None:
            self._book.execute(order, qty=qty, price=price, instrument=instrument, at=at)
            order = self._book.orders.get(order.order_id, order)
        if order.order_id in self._book.orders:
            self._book.cancel(order, at, "immediate_or_cancel")

    def _fitted(self, order: VenueOrder) -> VenueOrder:
        """The order with its quantity cut to the position, if it may only reduce."""
        position = self._position()
        if not order.reduce_only or position is None:
            return order
        wanted = position.qty if order.close_all else min(order.remaining, position.qty)
        return replace(order, qty=order.filled_qty + wanted)

    def _legs(self) -> tuple[_Leg, _Leg]:
        step = self._step
        middle = step.start + (step.end - step.start) / 2
        worse, better = step.high, step.low
        if self._owner_side() is Side.BUY:
            worse, better = step.low, step.high
        return _Leg(step.open, worse, middle), _Leg(worse, better, middle)

    def _owner_side(self) -> Side | None:
        position = self._position()
        if position is not None:
            return position.side
        return next((order.side for order in self._orders()), None)

    def _next_hit(self, leg: _Leg) -> _Hit | None:
        """What price meets first on the leg. At one price orders go before the stop, and the
        stop before the target."""
        hits = [
            _Hit(price, ExecutionKind.TRADE, order)
            for order in self._orders()
            if (price := self._order_touched(order, leg)) is not None
        ]
        position = self._position()
        if position is not None:
            hits += self._levels_touched(position, leg)
        return min(hits, key=lambda hit: abs(hit.base - leg.start), default=None)

    def _order_touched(self, order: VenueOrder, leg: _Leg) -> Decimal | None:
        if order.trigger is not None:
            return self._trigger_touched(order, order.trigger, leg)
        return self._limit_touched(order, leg)

    def _trigger_touched(self, order: VenueOrder, trigger: Decimal, leg: _Leg) -> Decimal | None:
        """The first price of the leg at or beyond the trigger. Of a step that began before the
        order only the close is certainly younger than it."""
        step, rises = self._step, order.side is Side.BUY
        if step.began is not None and step.began < order.created_at:
            beyond = step.close >= trigger if rises else step.close <= trigger
            return step.close if beyond else None
        if rises:
            return max(trigger, leg.start) if leg.high >= trigger else None
        return min(trigger, leg.start) if leg.low <= trigger else None

    def _limit_touched(self, order: VenueOrder, leg: _Leg) -> Decimal | None:
        """Price of a resting order that the leg trades through by a tick or starts beyond."""
        if not order.rests or order.order_id in self._served:
            return None
        limit, tick = order.reference, self._instrument.tick_size
        if order.side is Side.BUY:
            return min(limit, leg.start) if leg.low <= limit - tick else None
        return max(limit, leg.start) if leg.high >= limit + tick else None

    def _levels_touched(self, position: OpenPosition, leg: _Leg) -> list[_Hit]:
        hits: list[_Hit] = self._liquidation_touched(position, leg)
        stop, target = position.stop_loss, position.take_profit
        rises = position.side is Side.BUY
        if stop is not None and (leg.low <= stop if rises else leg.high >= stop):
            start = self._held_from(leg)
            base = min(stop, start) if rises else max(stop, start)
            hits.append(_Hit(base, ExecutionKind.STOP_LOSS))
        # Whether price saw the target after the entry or before it can't be known from one step.
        if target is None or position.symbol in self._book.entered:
            return hits
        if leg.high >= target if rises else leg.low <= target:
            base = max(target, leg.start) if rises else min(target, leg.start)
            hits.append(_Hit(base, ExecutionKind.TAKE_PROFIT))
        return hits

    def _liquidation_touched(self, position: OpenPosition, leg: _Leg) -> list[_Hit]:
        """By the mark price where the market has one; it is met at the far end of the leg unless
        the last price gets there as well."""
        step, sign = self._step, position.side.sign
        level = margin.liquidation_price(position, self._leverage, self._instrument)
        worst = leg.low if sign > 0 else leg.high
        by_last = (worst - level) * sign <= 0
        if step.mark_low is not None and step.mark_high is not None:
            mark = step.mark_low if sign > 0 else step.mark_high
            if (mark - level) * sign > 0:
                return []
        elif not by_last:
            return []
        if not by_last:
            return [_Hit(leg.end, ExecutionKind.LIQUIDATION)]
        start = self._held_from(leg)
        base = min(level, start) if sign > 0 else max(level, start)
        return [_Hit(base, ExecutionKind.LIQUIDATION)]

    def _held_from(self, leg: _Leg) -> Decimal:
        """The price of the leg from which on the position was held."""
        return leg.start if self._triggered_at is None else self._triggered_at

    def _fill(self, hit: _Hit, leg: _Leg) -> None:
        if hit.order is not None:
            if hit.order.trigger is not None:
                self._fill_triggered(hit.order, hit.base, leg)
            else:
                self._fill_resting(hit.order, hit.base, leg)
            return
        position = self._book.positions[self._step.symbol]
        price = self._level_price(hit, position)
        at = max(self._moment(hit.base, leg), position.updated_at)
        self._book.close_position(
            position, price=price, instrument=self._instrument, at=at, kind=hit.kind
        )

    def _level_price(self, hit: _Hit, position: OpenPosition) -> Decimal:
        """What closing at a level brings. A liquidated position is taken over at the price at
        which its margin is gone, if the market gives less."""
        side, instrument = position.side.opposite, self._instrument
        if hit.kind is ExecutionKind.TAKE_PROFIT:
            return fills.round_against(hit.base, side, instrument)
        price = fills.taker_price(hit.base, side, position.qty, self._step, instrument)
        if hit.kind is not ExecutionKind.LIQUIDATION:
            return price
        bankrupt = margin.bankruptcy_price(position, self._leverage, instrument)
        return max(price, bankrupt) if side is Side.SELL else min(price, bankrupt)

    def _fill_triggered(self, order: VenueOrder, base: Decimal, leg: _Leg) -> None:
        step = self._step
        older = step.began is not None and step.began < order.created_at
        at = step.end if older else max(self._moment(base, leg), order.created_at)
        self._triggered_at = base
        self._take(order, base, at)

    def _fill_resting(self, order: VenueOrder, price: Decimal, leg: _Leg) -> None:
        self._served.add(order.order_id)
        order = self._fitted(order)
        qty = fills.limit_qty(order.remaining, self._step.volume, self._instrument)
        opened_beyond = price != order.reference
        self._book.execute(
            order,
            qty=qty,
            price=fills.round_against(price, order.side, self._instrument),
            instrument=self._instrument,
            at=max(self._moment(price, leg), order.updated_at),
            # Beyond its limit at the first price it could meet: it never rested, it took.
            is_maker=not (opened_beyond and order.created_at >= self._step.start),
        )

    def _moment(self, price: Decimal, leg: _Leg) -> datetime:
        at_open = price == self._step.open == leg.start
        return self._step.start if at_open else leg.at
