"""Whatever is ordered and wherever price goes: nothing appears and nothing is lost."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import ZERO, LedgerKind, Side, VenueOrderStatus, quantise
from tests.exchange.paper.engine_account import INSTRUMENTS, EngineAccount, order
from tests.exchange.paper.scripted_market import Bar, bar

START_WALLET = Decimal(100_000)
BTC = INSTRUMENTS["BTCUSDT"]

ticks = st.integers(-60, 60)
prices = st.integers(800, 1200).map(lambda tick: Decimal(tick) / 10)


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    """A bar anywhere near 100, often with little volume."""
    open_, close = draw(prices), draw(prices)
    high = max(open_, close) + abs(draw(ticks)) / Decimal(10)
    low = min(open_, close) - abs(draw(ticks)) / Decimal(10)
    volume = Decimal(draw(st.integers(0, 60_000))) / 1000
    return Bar(open_, high, low, close, volume, Decimal(draw(st.integers(0, 5))) / 10)


@st.composite
def orders(draw: st.DrawFn) -> dict[str, object]:
    side = draw(st.sampled_from(Side))
    near = draw(prices)
    away = side.sign * Decimal(draw(st.integers(1, 80))) / 10
    beyond = near + side.sign * Decimal(draw(st.integers(1, 60))) / 10
    return {
        "trigger": draw(st.sampled_from([None, None, beyond])),
        "side": side,
        "qty": Decimal(draw(st.integers(60, 30_000))) / 1000,
        "limit": draw(st.sampled_from([None, near])),
        "ioc": draw(st.booleans()),
        "reduce_only": draw(st.booleans()),
        "stop": draw(st.sampled_from([None, near - away])),
        "target": draw(st.sampled_from([None, near + away])),
    }


actions = st.one_of(
    st.tuples(st.just("play"), bars()),
    st.tuples(st.just("place"), orders()),
    st.tuples(st.just("close"), st.sampled_from(Side)),
    st.tuples(st.just("funding"), st.sampled_from(["0.0001", "-0.00037"])),
    st.tuples(st.just("levels"), st.tuples(prices, prices)),
    st.tuples(st.just("leverage"), st.integers(1, 20)),
)


def perform(account: EngineAccount, action: tuple[str, object]) -> None:
    match action:
        case ("play", Bar() as one):
            account.play(one)
        case ("place", dict() as wish):
            account.place(order(**wish))
        case ("close", Side() as side):
            account.place(order(side, 0, reduce_only=True, close_all=True))
        case ("funding", str() as rate):
            account.settle_funding(rate)
        case ("levels", (Decimal() as stop, Decimal() as target)):
            account.set_levels(stop, target)
        case ("leverage", int() as leverage):
            account.set_leverage(leverage)


@given(st.lists(actions, max_size=40))
def test_books_balance(script: list[tuple[str, object]]) -> None:
    account = EngineAccount(wallet=START_WALLET)
    for action in script:
        perform(account, action)

    executions = account.executions
    assert account.state.wallet == START_WALLET + sum(one.amount for one in account.ledger)
    assert account.signed_qty() == sum((one.side.sign * one.qty for one in executions), ZERO)
    ids = [one.exec_id for one in executions] + [one.entry_id for one in account.ledger]
    assert len(set(ids)) == len(ids)
    for one in account.orders.values():
        if one.order_link_id:
            booked = [fill for fill in executions if fill.order_link_id == one.order_link_id]
            assert sum((fill.qty for fill in booked), ZERO) == one.filled_qty
            assert one.filled_qty <= one.qty
            assert (one.status is VenueOrderStatus.FILLED) == (one.remaining == 0)


@given(st.lists(actions, max_size=40))
def test_flat_account_has_earned_exactly_what_it_traded(script: list[tuple[str, object]]) -> None:
    account = EngineAccount(wallet=START_WALLET)
    for action in script:
        perform(account, action)
    for link_id in [one.order_link_id for one in account.state.orders.values()]:
        account.cancel(link_id)
    for side in Side:
        account.place(order(side, 0, reduce_only=True, close_all=True))
    account.play(bar(100, 100, 100, 100))

    traded = sum(
        (-one.side.sign * one.qty * one.price - one.fee for one in account.executions), ZERO
    )
    funding = [one.amount for one in account.ledger if one.kind is LedgerKind.FUNDING]
    assert account.signed_qty() == 0
    assert account.state.wallet == START_WALLET + traded + sum(funding)


@given(st.lists(actions, max_size=40))
def test_prices_are_on_ticks_and_money_has_eight_places(script: list[tuple[str, object]]) -> None:
    account = EngineAccount(wallet=START_WALLET)
    for action in script:
        perform(account, action)

    for one in account.executions:
        assert one.price % BTC.tick_size == 0
        assert one.qty % BTC.qty_step == 0
        assert one.fee == quantise(one.fee)
    for held in account.state.positions.values():
        assert abs(held.cost - held.avg_price * held.qty) < Decimal("0.000001")


@given(st.lists(actions, max_size=30))
def test_same_events_give_the_same_account(script: list[tuple[str, object]]) -> None:
    first, second = EngineAccount(), EngineAccount()
    for action in script:
        perform(first, action)
        perform(second, action)

    assert first.state == second.state
    assert first.executions == second.executions


@given(bars(), st.sampled_from(Side), st.integers(1, 400))
def test_market_order_is_never_better_than_the_open(one: Bar, side: Side, tenths: int) -> None:
    account = EngineAccount()
    account.place(order(side, Decimal(tenths) / 10))
    account.play(one)

    (fill,) = account.executions
    worse = (fill.price - one.open) * side.sign
    assert BTC.tick_size <= worse <= one.open * Decimal("0.02")
