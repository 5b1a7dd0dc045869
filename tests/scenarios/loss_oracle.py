"""The daily loss limit, worked out again from the venue's own ledger and nothing else.

It knows neither our tables nor our rules: orders the venue took, their executions, the entries of
its wallet, and the prices that were played. All three kinds of rows get their ids from one counter
of the venue, which says what came before what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from exchange.models import ExchangeAccount, PaperExecution, PaperLedgerEntry, PaperOrder

ZERO = Decimal(0)
# What the rules charge for a way out at the stop: the taker's fee and the slippage allowance.
TAKER = Decimal("0.00055")
SLIPPAGE = Decimal("0.0005")
# Amounts are stored with 8 places.
ROUNDING = Decimal("0.0001")

# Closes by symbol, oldest first.
Prices = Mapping[str, Sequence[tuple[datetime, Decimal]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that the venue took: what the day could come to with it, as a share of its start."""

    order_link_id: str
    time: datetime
    worst: Decimal
    start: Decimal

    @property
    def share(self) -> Decimal:
        return self.worst / self.start if self.start > 0 else Decimal(-1)

    def exceeds(self, limit: Decimal) -> bool:
        """Whether it was taken although the day might lose more than ``limit``."""
        return self.start <= 0 or self.worst < -limit * self.start - ROUNDING


@dataclass(frozen=True, slots=True)
class _Open:
    """A position as executions make it, with the stop of the order that opened it."""

    qty: Decimal
    value: Decimal
    sign: int
    stop: Decimal

    @property
    def average(self) -> Decimal:
        return self.value / self.qty


def number(venue_id: str) -> int:
    """The place of a row in the venue's own order: its ids end in one counter."""
    return int("".join(char for char in venue_id if char.isdigit()))


def entries_of(account: ExchangeAccount, prices: Prices) -> list[Entry]:
    """Every entry the venue took, oldest first, each judged at the instant it was taken."""
    orders = list(PaperOrder.objects.filter(account=account))
    fills = sorted(PaperExecution.objects.filter(account=account), key=lambda r: number(r.exec_id))
    wallet = list(PaperLedgerEntry.objects.filter(account=account))
    entries = sorted(
        (one for one in orders if not one.reduce_only and one.status != "rejected"),
        key=lambda one: number(one.order_id),
    )
    return [_judge(one, entries, fills, wallet, account.start_equity, prices) for one in entries]


def _judge(
    entry: PaperOrder,
    entries: Sequence[PaperOrder],
    fills: Sequence[PaperExecution],
    wallet: Sequence[PaperLedgerEntry],
    start_equity: Decimal,
    prices: Prices,
) -> Entry:
    at, place = entry.created_at, number(entry.order_id)
    stops = {one.order_id: one.stop_loss for one in entries}
    before = [one for one in fills if number(one.exec_id) < place]
    now = start_equity + sum((e.amount for e in wallet if number(e.entry_id) < place), ZERO)
    at_stops = sum((_at_stop(one) for one in _positions(before, stops).values()), ZERO)
    working = sum(
        (
            _risk(one, one.qty - _filled(one, before))
            for one in entries
            if number(one.order_id) < place and _works(one, at)
        ),
        ZERO,
    )
    worst = now + at_stops - working - _risk(entry, entry.qty)
    start = _equity_before(
        at.replace(hour=0, minute=0, second=0, microsecond=0),
        fills,
        wallet,
        start_equity,
        prices,
        stops,
    )
    return Entry(entry.order_link_id, at, worst - start, start)


def _equity_before(
    midnight: datetime,
    fills: Sequence[PaperExecution],
    wallet: Sequence[PaperLedgerEntry],
    start_equity: Decimal,
    prices: Prices,
    stops: Mapping[str, Decimal | None],
) -> Decimal:
    """Equity at 00:00: what happened before, and positions at the last price then."""
    held = _positions([one for one in fills if one.time < midnight], stops)
    money = start_equity + sum((one.amount for one in wallet if one.time < midnight), ZERO)
    return money + sum(
        (
            (_price(prices[symbol], midnight) - one.average) * one.qty * one.sign
            for symbol, one in held.items()
        ),
        ZERO,
    )


def _price(closes: Sequence[tuple[datetime, Decimal]], moment: datetime) -> Decimal:
    return [price for time, price in closes if time <= moment][-1]


def _positions(
    fills: Sequence[PaperExecution], stops: Mapping[str, Decimal | None]
) -> dict[str, _Open]:
    held: dict[str, _Open] = {}
    for one in fills:
        sign = 1 if one.side == "buy" else -1
        now = held.get(one.symbol)
        if now is None:
            stop = stops.get(one.order_id)
            assert stop is not None, f"{one.exec_id} opened a position without a stop"
            held[one.symbol] = _Open(one.qty, one.qty * one.price, sign, stop)
        elif now.sign == sign:
            value = now.value + one.qty * one.price
            held[one.symbol] = _Open(now.qty + one.qty, value, sign, now.stop)
        else:
            left = now.qty - one.qty
            held[one.symbol] = _Open(left, now.average * left, now.sign, now.stop)
            if left == 0:
                del held[one.symbol]
    return held


def _at_stop(one: _Open) -> Decimal:
    gain = (one.stop - one.average) * one.sign * one.qty
    return gain - one.qty * one.stop * (TAKER + SLIPPAGE)


def _risk(order: PaperOrder, qty: Decimal) -> Decimal:
    """What an entry loses if it fills at its limit and is stopped, all costs with it."""
    assert order.price is not None
    assert order.stop_loss is not None
    distance = abs(order.price - order.stop_loss)
    costs = order.price * TAKER + order.stop_loss * (TAKER + SLIPPAGE)
    return qty * Decimal(distance + costs)


def _filled(order: PaperOrder, before: Sequence[PaperExecution]) -> Decimal:
    return sum((one.qty for one in before if one.order_id == order.order_id), ZERO)


def _works(order: PaperOrder, at: datetime) -> bool:
    """Whether an earlier order was still working then."""
    return order.status in ("new", "partially_filled") or order.updated_at > at
