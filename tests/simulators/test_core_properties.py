"""What must hold on the simulated exchange whatever is sent to it."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.bench import HOUR_MS, START_MS, Bench
from tests.simulators.bybit.ledger import duplicate_link_ids, naked_gaps, positions_at

SIDES = st.sampled_from(["Buy", "Sell"])
QTYS = st.integers(1, 3000).map(lambda steps: str(Decimal(steps) / 1000))
PRICES = st.integers(920, 1080).map(lambda ticks: str(Decimal(ticks) / 10))
ACTIONS = st.one_of(
    st.tuples(st.just("market"), SIDES, QTYS, st.booleans()),
    st.tuples(st.just("limit"), SIDES, QTYS, PRICES),
    st.tuples(st.just("conditional"), SIDES, QTYS, PRICES),
    st.tuples(st.just("levels"), PRICES, PRICES, st.booleans(), QTYS),
    st.tuples(st.just("price"), PRICES),
    st.tuples(st.just("book"), QTYS),
    st.tuples(st.just("funding")),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("adl"), QTYS),
    st.tuples(st.just("liquidate")),
)


def set_levels(bench: Bench, target: str, stop: str, part: str) -> None:
    """Set both levels of the position, or add a stop for a part of it."""
    levels = {"tpslMode": "Full", "takeProfit": target, "stopLoss": stop}
    if part:
        levels = {"tpslMode": "Partial", "stopLoss": stop, "slSize": part}
    bench.call("POST", "/v5/position/trading-stop", symbol="BTCUSDT", **levels)


def act(bench: Bench, action: tuple[object, ...]) -> None:
    what, *values = action
    text = [str(value) for value in values]
    if what == "market":
        bench.order(text[0], text[1], reduceOnly=values[2])
    elif what == "limit":
        bench.order(text[0], text[1], orderType="Limit", price=text[2])
    elif what == "conditional":
        rises = Decimal(text[2]) > bench.prices.last("BTCUSDT", bench.now_ms)
        bench.order(text[0], text[1], triggerPrice=text[2], triggerDirection=1 if rises else 2)
    elif what == "levels":
        set_levels(bench, text[0], text[1], text[3] if values[2] else "")
    elif what == "price":
        bench.price(text[0])
    elif what == "book":
        bench.prices.book = Decimal(text[0])
    elif what == "funding":
        bench.wait(8 * HOUR_MS)
    elif what == "cancel":
        bench.call("POST", "/v5/order/cancel-all", symbol="BTCUSDT")
    elif what == "adl":
        bench.exchange.adl("BTCUSDT", Decimal(text[0]))
    else:
        bench.exchange.liquidate("BTCUSDT")


def log_changes(bench: Bench) -> Decimal:
    account = bench.exchange.account()
    return sum((Decimal(record.row["change"]) for record in account.log), Decimal(0))


@settings(max_examples=60)
@given(st.lists(ACTIONS, max_size=25))
def test_books_balance(actions: list[tuple[object, ...]]) -> None:
    bench = Bench()
    for action in actions:
        act(bench, action)
    account = bench.exchange.account()
    assert bench.wallet() == Decimal(1000) + log_changes(bench)

    sizes: dict[str, Decimal] = defaultdict(Decimal)
    fees = Decimal(0)
    for record in account.executions:
        row = record.row
        fees += Decimal(row["execFee"])
        if row["execType"] != "Funding":
            sign = 1 if row["side"] == "Buy" else -1
            sizes[row["symbol"]] += sign * Decimal(row["execQty"])
    held = {symbol: size for symbol, size in sizes.items() if size}
    assert held == positions_at(bench.exchange.ledger.rows)
    assert held == {each.symbol: each.size for each in account.open_positions()}
    gains = sum((Decimal(record.row["cashFlow"]) for record in account.log), Decimal(0))
    assert log_changes(bench) == gains - fees


@settings(max_examples=40)
@given(st.lists(ACTIONS, max_size=25))
def test_orders_and_levels_stay_consistent(actions: list[tuple[object, ...]]) -> None:
    bench = Bench()
    for action in actions:
        act(bench, action)
    account = bench.exchange.account()
    for position in account.positions.values():
        for level in position.levels():
            assert level.is_open
            assert level.qty == abs(position.size)
            assert account.open_orders[level.order_id] is level
        assert position.size or not position.partials
        assert all(level.is_open for level in position.partials)
    for order in account.orders.values():
        assert order.cum_qty <= order.qty
        assert order.is_open == (order.order_id in account.open_orders)
        if order.status == "Filled":
            assert order.cum_qty == order.qty
    rows = bench.exchange.ledger.rows
    assert [row["n"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["ms"] for row in rows] == sorted(row["ms"] for row in rows)
    assert duplicate_link_ids(rows) == []
    gaps = naked_gaps(rows, bench.now_ms)
    assert all(START_MS <= gap.from_ms < gap.to_ms <= bench.now_ms for gap in gaps)
