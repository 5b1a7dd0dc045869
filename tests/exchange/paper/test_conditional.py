"""Orders that wait for a price: kept back, sent when it comes, taken at once or dropped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from exchange.domain import ExecutionKind, OrderRequest, Side, VenueOrderStatus
from exchange.models import ExchangeAccount, PaperOrder
from exchange.paper import margin
from exchange.paper.ledger import PaperExchange
from tests.exchange.paper.engine_account import INSTRUMENTS, EngineAccount, order
from tests.exchange.paper.scripted_market import START, Bar, ScriptedMarket, bar, step
from tests.exchange.paper.test_ledger import make_account

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
CANCELLED, FILLED, NEW = (
    VenueOrderStatus.CANCELLED,
    VenueOrderStatus.FILLED,
    VenueOrderStatus.NEW,
)


def breakout(side: Side = BUY, *, limit: str = "102.5", trigger: str = "102") -> EngineAccount:
    """An account at 100 with a conditional order for one unit."""
    account = EngineAccount()
    outcome = account.place(order(side, 1, limit, ioc=True, trigger=trigger, link_id="break"))
    assert outcome.refusal is None
    return account


def test_it_waits_while_price_stays_below() -> None:
    account = breakout()
    account.play(bar(100, "101.9", 99, 101))
    assert account.orders["break"].status is NEW
    assert not account.executions


@pytest.mark.parametrize(
    ("side", "limit", "trigger", "one"),
    [
        (BUY, "102.5", "102", bar(100, 103, 100, 103)),
        (SELL, "97.5", "98", bar(100, 100, 97, 97)),
    ],
)
def test_it_takes_at_the_trigger_with_the_costs_of_a_taker(
    side: Side, limit: str, trigger: str, one: Bar
) -> None:
    account = breakout(side, limit=limit, trigger=trigger)
    account.play(one)
    (fill,) = account.executions
    assert account.orders["break"].status is FILLED
    assert (fill.price - D(trigger)) * side.sign >= D("0.1")
    assert (D(limit) - fill.price) * side.sign >= 0
    assert not fill.is_maker


def test_it_never_pays_more_than_its_limit() -> None:
    account = breakout(limit="102.1")
    account.play(bar(100, 103, 100, 103))
    (fill,) = account.executions
    assert fill.price == D("102.1")


def test_a_gap_beyond_the_limit_drops_it() -> None:
    account = breakout()
    account.play(bar(104, 105, 104, 105), bar(102, 102, 102, 102))
    assert account.orders["break"].status is CANCELLED
    assert account.orders["break"].reject_reason == "immediate_or_cancel"
    assert not account.executions


def test_a_gap_within_the_limit_takes_at_the_open() -> None:
    account = breakout(limit="104")
    account.play(bar(103, 103, 103, 103))
    assert account.executions[0].price >= D("103.1")


def test_what_a_thin_market_does_not_give_is_dropped() -> None:
    account = breakout()
    account.play(bar(100, 103, 100, 103, volume=4))
    done = account.orders["break"]
    assert (done.status, done.filled_qty) == (CANCELLED, D("0.4"))


def test_a_market_order_may_wait_too() -> None:
    account = EngineAccount()
    account.place(order(BUY, 1, trigger=102, link_id="break"))
    account.play(bar(100, 101, 100, 101), bar(104, 104, 104, 104))
    assert account.executions[0].price > 104


def test_its_stop_counts_from_the_first_step_and_its_target_does_not() -> None:
    account = EngineAccount()
    account.place(order(BUY, 1, "102.5", ioc=True, trigger=102, stop=98, target=104))
    account.play(bar(100, 105, 99, 105))
    assert account.signed_qty() == 1
    account = EngineAccount()
    account.place(order(BUY, 1, "102.5", ioc=True, trigger=102, stop=98, target=104))
    account.play(bar(100, 105, 97, 105))
    assert [one.kind for one in account.executions] == [
        ExecutionKind.TRADE,
        ExecutionKind.STOP_LOSS,
    ]


@pytest.mark.parametrize(
    ("wish", "one", "left_at"),
    [
        (order(BUY, 1, "102.5", ioc=True, trigger=102, stop=98), bar(100, 105, 90, 104), "97.8"),
        (order(SELL, 1, "97.5", ioc=True, trigger=98, stop=101), bar(100, 110, 95, 96), "101.2"),
        (order(BUY, 1, "102.5", ioc=True, trigger=102, stop=98), bar(100, 105, 97, 104), "97.8"),
    ],
)
def test_what_price_did_before_the_trigger_makes_its_stop_no_worse(
    wish: OrderRequest, one: Bar, left_at: str
) -> None:
    account = EngineAccount()
    account.place(wish)
    account.play(one)
    entered, left = account.executions
    assert (entered.kind, left.kind) == (ExecutionKind.TRADE, ExecutionKind.STOP_LOSS)
    assert left.price == D(left_at)


def test_a_trigger_jumped_over_is_stopped_where_price_goes_on_to() -> None:
    account = EngineAccount()
    account.place(order(BUY, 1, "106", ioc=True, trigger=102, stop=98))
    account.play(bar(105, 106, 90, 104))
    assert [one.price for one in account.executions] == [D("105.2"), D("97.8")]


def test_its_margin_is_bound_at_once_and_free_after_a_cancel() -> None:
    account = EngineAccount(wallet=1000)
    account.place(order(BUY, 9, "102.5", ioc=True, trigger=102, link_id="break"))
    assert margin.available(account.state, INSTRUMENTS) < 80
    assert account.place(order(BUY, 9)).refusal is not None
    account.cancel("break")
    assert margin.available(account.state, INSTRUMENTS) == 1000
    account.play(bar(100, 103, 100, 103))
    assert not account.executions


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (order(BUY, 1, "100.5", ioc=True, trigger=100), "trigger_passed"),
        (order(SELL, 1, "99.5", ioc=True, trigger=101), "trigger_passed"),
        (order(BUY, 1, "102.5", ioc=True, trigger="102.05"), "price_not_on_tick"),
        (order(BUY, 1, "102.5", trigger=102), "invalid_order"),
        (order(BUY, 1, "102.5", ioc=True, trigger=102, stop=103), "stop_wrong_side"),
    ],
)
def test_what_makes_no_sense_is_refused(request_: object, code: str) -> None:
    outcome = EngineAccount().place(request_)  # type: ignore[arg-type]
    assert outcome.refusal is not None
    assert outcome.refusal.code == code
    assert not outcome.state.orders


def test_of_a_step_that_began_before_it_only_the_close_counts() -> None:
    later = START + timedelta(seconds=30)
    for close, filled in ((101, 0), (102, 1)):
        account = breakout()
        waiting = {key: replace(one, created_at=later) for key, one in account.state.orders.items()}
        account.state = replace(account.state, orders=waiting)
        told = replace(step(bar(100, 105, 99, close), START), start=later, began=START)
        account.apply(told)
        assert len(account.executions) == filled


@pytest.mark.django_db(transaction=True)
def test_it_survives_a_restart() -> None:
    account: ExchangeAccount = make_account("paper")
    market = ScriptedMarket()
    wish = order(BUY, 1, "102.5", ioc=True, trigger=102, stop=98, link_id="break")
    PaperExchange(account, market).place_order(wish)
    assert PaperOrder.objects.get().trigger_price == 102
    again = PaperExchange(account, market)
    assert [one.order_link_id for one in again.open_orders()] == ["break"]
    market.play(bar(100, 103, 100, 103))
    third = PaperExchange(account, market)
    (held,) = third.positions()
    assert (held.qty, held.stop_loss) == (D(1), D(98))
