"""Realised profit per execution: netted per symbol, exact over a whole position."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import PLACES, Side, quantise
from trading.domain.books import Fill, PositionBooks, Realised

D = Decimal
PRICES = st.decimals("0.00000100", "70000", places=8)
QUANTITIES = st.decimals("0.001", "50", places=3)


def fill(side: str, qty: str, price: str, symbol: str = "BTCUSDT") -> Fill:
    return Fill(symbol, Side(side), D(qty), D(price))


def results(*fills: Fill) -> list[Realised]:
    books = PositionBooks()
    return [books.take(one) for one in fills]


def test_an_entry_earns_nothing_and_its_exit_the_difference() -> None:
    assert [one.amount for one in results(fill("buy", "2", "100"), fill("sell", "2", "103"))] == [
        D(0),
        D(6),
    ]


def test_a_short_earns_when_it_is_bought_back_lower() -> None:
    assert results(fill("sell", "2", "100"), fill("buy", "1", "97"))[1].amount == D(3)


def test_a_part_releases_its_share_of_the_average_cost() -> None:
    told = results(fill("buy", "1", "100"), fill("buy", "3", "104"), fill("sell", "2", "104"))
    assert told[2].amount == D(2)


def test_a_fill_beyond_the_position_opens_the_other_side() -> None:
    books = PositionBooks()
    books.take(fill("buy", "1", "100"))
    assert books.take(fill("sell", "3", "110")).amount == D(10)
    held = books.held["BTCUSDT"]
    assert (held.side, held.qty, held.cost) == (Side.SELL, D(2), D(220))


def test_symbols_do_not_mix() -> None:
    books = PositionBooks()
    books.take(fill("buy", "1", "100"))
    assert books.take(fill("sell", "1", "50", "ETHUSDT")).amount == 0
    assert set(books.held) == {"BTCUSDT", "ETHUSDT"}


def test_only_rounded_amounts_have_slack() -> None:
    exact = results(fill("buy", "1", "100"), fill("sell", "1", "103"))
    assert [one.slack for one in exact] == [D(0), D(0)]
    thirds = results(fill("buy", "3", "100.00000001"), fill("sell", "1", "103"))
    assert thirds[1].slack == 0
    uneven = results(fill("buy", "1", "100"), fill("buy", "2", "101"), fill("sell", "1", "103"))
    assert uneven[2].slack == PLACES


@given(
    entries=st.lists(st.tuples(QUANTITIES, PRICES), min_size=1, max_size=4),
    prices=st.lists(PRICES, min_size=1, max_size=4),
    short=st.booleans(),
)
def test_a_closed_position_has_earned_exit_less_entry_value(
    entries: Sequence[tuple[D, D]], prices: Sequence[D], short: bool
) -> None:
    into, out_of = (Side.SELL, Side.BUY) if short else (Side.BUY, Side.SELL)
    books = PositionBooks()
    value = D(0)
    for qty, price in entries:
        books.take(Fill("BTCUSDT", into, qty, price))
        value -= quantise(qty * price)
    held = books.held["BTCUSDT"].qty
    parts = [held // len(prices) for _ in prices[1:]]
    parts = [*(part for part in parts if part), held - sum(parts)]
    earned = D(0)
    for qty, price in zip(parts, prices, strict=False):
        earned += books.take(Fill("BTCUSDT", out_of, qty, price)).amount
        value += quantise(qty * price)
    if "BTCUSDT" in books.held:
        rest = books.held["BTCUSDT"].qty
        earned += books.take(Fill("BTCUSDT", out_of, rest, prices[-1])).amount
        value += quantise(rest * prices[-1])
    assert books.held == {}
    assert earned == into.sign * value
