"""A venue built anew over the same rows goes on as if nothing had happened."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest

from exchange.domain import Side
from exchange.errors import ExchangeUnavailable, OrderRejected
from exchange.models import ExchangeAccount
from exchange.paper.ledger import PaperExchange
from tests.exchange.paper.engine_account import order
from tests.exchange.paper.scripted_market import MINUTE, Bar, ScriptedMarket, bar
from tests.exchange.paper.test_ledger import failing_writes, make_account, tables

pytestmark = pytest.mark.django_db(transaction=True)

Move = Callable[[PaperExchange, ScriptedMarket], object]


def random_bar(dice: random.Random, start: Decimal) -> Bar:
    close = start + Decimal(dice.randint(-30, 30)) / 10
    high = max(start, close) + Decimal(dice.randint(0, 20)) / 10
    low = min(start, close) - Decimal(dice.randint(0, 20)) / 10
    return bar(start, high, low, close, volume=Decimal(dice.randint(5, 400)) / 10)


def move(dice: random.Random, number: int, price: Decimal) -> Move:
    """One thing a trader might do; what the venue refuses is part of the story."""
    side = dice.choice(list(Side))
    limit = price - side.sign * Decimal(dice.randint(-5, 20)) / 10
    stop, target = limit - side.sign * 4, limit + side.sign * 4
    link_id, tenths = f"order-{number}", Decimal(dice.randint(1, 90)) / 10
    moves: list[Move] = [
        lambda venue, _: venue.place_order(
            order(side, tenths, limit, link_id=link_id, stop=stop, target=target)
        ),
        lambda venue, _: venue.place_order(order(side, tenths, link_id=link_id)),
        lambda venue, _: venue.place_order(
            order(side, tenths, trigger=price + side.sign * 2, stop=limit, link_id=link_id)
        ),
        lambda venue, _: venue.place_order(
            order(side, 0, reduce_only=True, close_all=True, link_id=link_id)
        ),
        lambda venue, _: venue.cancel_order(
            symbol="BTCUSDT", order_link_id=f"order-{max(0, number - 2)}"
        ),
        lambda venue, _: venue.set_leverage(symbol="BTCUSDT", leverage=Decimal(number % 5 + 1)),
        lambda venue, _: venue.set_trading_stop(
            symbol="BTCUSDT", stop_loss=price - side.sign * 2, take_profit=None
        ),
        lambda _, market: market.settle_funding("0.0003", after=MINUTE),
    ]
    return dice.choice(moves)


def live_through(account: ExchangeAccount, seed: int, *, restarts: bool) -> None:
    dice, market = random.Random(seed), ScriptedMarket()
    venue = PaperExchange(account, market)
    for number in range(40):
        price = market.quote("BTCUSDT").last
        with suppress(OrderRejected):
            move(dice, number, price)(venue, market)
        if restarts:
            venue = PaperExchange(account, market)
        market.play(random_bar(dice, price))
        venue.drain()
        if restarts:
            venue = PaperExchange(account, market)


@pytest.mark.parametrize("seed", range(6))
def test_restarts_between_all_steps_change_no_row(seed: int) -> None:
    steady, restarted = make_account("steady"), make_account("restarted")
    live_through(steady, seed, restarts=False)
    live_through(restarted, seed, restarts=True)

    rows = tables(steady)
    assert len(rows[3]) > 5
    assert tables(restarted) == rows


@pytest.mark.parametrize(
    "table", ["paperaccount", "paperorder", "paperposition", "paperexecution", "paperledgerentry"]
)
def test_death_between_two_writes_is_made_up_after_the_restart(table: str) -> None:
    steady, killed = make_account("steady"), make_account("killed")
    for account in (steady, killed):
        market = ScriptedMarket()
        PaperExchange(account, market).place_order(order(Side.BUY, 10, stop=97, link_id="entry"))
        market.play(bar(100, 100, 100, 100))
        if account is killed:
            with failing_writes(table), pytest.raises(ExchangeUnavailable):
                PaperExchange(account, market).drain()
        PaperExchange(account, market).drain()

    assert tables(killed) == tables(steady)


@pytest.mark.parametrize("seed", range(6))
def test_wallet_is_start_equity_and_ledger(seed: int) -> None:
    account = make_account("paper")
    live_through(account, seed, restarts=False)

    (wallet,), _, _, executions, entries = tables(account)
    assert wallet["wallet"] == account.start_equity + sum(one["amount"] for one in entries)
    booked = {one["exec_id"] for one in entries if one["exec_id"]}
    assert booked == {one["exec_id"] for one in executions}
