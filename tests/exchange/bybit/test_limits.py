"""Budgets: never over the venue's limit, and a share of each is for protective calls alone."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.bybit.endpoints import Endpoint, Priority
from exchange.bybit.limits import WINDOW_S, Budget, BudgetSpent, Limits, address_budget
from exchange.bybit.rest import BybitRest
from exchange.errors import OrderNotSent, OrderRejected, RateLimited
from tests.exchange.bybit.rest_venue import HandClock, RestVenue, answer, open_door, refuse

ENTRY, QUERY, PROTECT = Priority.ENTRY, Priority.QUERY, Priority.PROTECT
PLACE = Endpoint.PLACE_ORDER


def limits(clock: HandClock) -> Limits:
    return Limits(clock.monotonic, clock.sleep, address_budget(), threading.Lock())


def spend(budgets: Limits, endpoint: Endpoint, priority: Priority, calls: int) -> None:
    for _ in range(calls):
        budgets.wait_turn(endpoint, priority, patience_s=0)


@pytest.mark.parametrize("priority", [ENTRY, QUERY])
@pytest.mark.parametrize("endpoint", Endpoint, ids=lambda each: each.name)
def test_at_least_thirty_percent_are_for_protection(endpoint: Endpoint, priority: Priority) -> None:
    budgets = limits(HandClock())
    with pytest.raises(BudgetSpent):
        spend(budgets, endpoint, priority, endpoint.call.per_second)
    reserved = -(-endpoint.call.per_second * 3 // 10)
    spend(budgets, endpoint, PROTECT, reserved)
    with pytest.raises(BudgetSpent):
        spend(budgets, endpoint, PROTECT, 1)


def test_protection_may_use_all_of_it() -> None:
    budgets = limits(HandClock())
    spend(budgets, PLACE, PROTECT, 10)
    with pytest.raises(BudgetSpent) as spent:
        spend(budgets, PLACE, PROTECT, 1)
    assert spent.value.wait_s == pytest.approx(WINDOW_S)


def test_who_may_wait_waits_exactly() -> None:
    clock = HandClock()
    budgets = limits(clock)
    spend(budgets, PLACE, ENTRY, 7)
    clock.pass_by(0.75)
    budgets.wait_turn(PLACE, QUERY, patience_s=0.5)
    assert clock.waits == [pytest.approx(WINDOW_S - 0.75)]


@given(
    st.lists(st.tuples(st.sampled_from([ENTRY, QUERY, PROTECT]), st.floats(0, 0.4)), max_size=80)
)
def test_no_second_ever_holds_more_than_the_limit(
    calls: list[tuple[Priority, float]],
) -> None:
    budget, now, left = Budget(10, 1.0), 0.0, []
    for priority, pause in calls:
        now += pause
        left.append(budget.free_at(now, priority))
        budget.take(now, priority)
    left.sort()
    assert all(later - first >= 1 - 1e-9 for first, later in zip(left, left[10:], strict=False))


def test_one_address_holds_all_accounts() -> None:
    clock = HandClock()
    address, lock = address_budget(), threading.Lock()
    both = [Limits(clock.monotonic, clock.sleep, address, lock) for _ in range(2)]
    for number in range(420):
        clock.seconds += 0.01
        both[number % 2].wait_turn(list(Endpoint)[number % 6], QUERY, patience_s=10)
    assert clock.waits == []
    with pytest.raises(BudgetSpent):
        both[0].wait_turn(Endpoint.KLINES, QUERY, patience_s=0)
    both[0].wait_turn(Endpoint.KLINES, PROTECT, patience_s=0)


def test_venues_own_limit_is_taken_over() -> None:
    budgets = limits(HandClock())
    budgets.learn(PLACE, {"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "19"})
    spend(budgets, PLACE, ENTRY, 14)
    with pytest.raises(BudgetSpent):
        spend(budgets, PLACE, ENTRY, 1)


def test_what_others_used_up_is_believed() -> None:
    budgets = limits(HandClock())
    budgets.learn(PLACE, {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "3"})
    with pytest.raises(BudgetSpent):
        spend(budgets, PLACE, ENTRY, 1)
    spend(budgets, PLACE, PROTECT, 3)


@pytest.mark.parametrize("limit", ["", "x", "-5", "0", "1.5"])
def test_odd_headers_change_nothing(limit: str) -> None:
    budgets = limits(HandClock())
    budgets.learn(PLACE, {"X-Bapi-Limit": limit})
    spend(budgets, PLACE, ENTRY, 7)
    with pytest.raises(BudgetSpent) as spent:
        spend(budgets, PLACE, ENTRY, 1)
    assert spent.value.wait_s == pytest.approx(WINDOW_S)


def test_venues_pause_holds_protection_too() -> None:
    clock = HandClock()
    budgets = limits(clock)
    budgets.hold(PLACE, 0.8)
    budgets.wait_turn(PLACE, PROTECT, patience_s=5)
    assert clock.waits == [pytest.approx(0.8)]


def test_entry_is_refused_rather_than_late(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    for _ in range(7):
        door.write(PLACE, priority=ENTRY)
    with pytest.raises(OrderNotSent, match="budget"):
        door.write(PLACE, priority=ENTRY)
    assert clock.waits == []
    door.write(PLACE, priority=QUERY)
    assert clock.waits == [pytest.approx(WINDOW_S)]
    for _ in range(10):
        door.write(PLACE, priority=PROTECT)
    assert rest_venue.count("/v5/order/create") == 18
    door.close()


def test_query_waits_no_longer_than_its_deadline(rest_venue: RestVenue) -> None:
    door = open_door(rest_venue, clock=HandClock())
    for _ in range(3):
        door.read(Endpoint.FEE_RATE)
    with pytest.raises(RateLimited) as limited:
        door.read(Endpoint.FEE_RATE, deadline_s=0.6)
    assert limited.value.retry_after_s == pytest.approx(WINDOW_S)
    door.close()


def test_throttled_read_waits_for_the_venues_reset(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then("/v5/position/list", refuse(10006), answer(status=429))
    assert door.read(Endpoint.POSITIONS).result == {}
    assert sum(clock.waits) >= 2
    door.close()


def test_throttled_write_is_certain_and_holds_the_next(rest_venue: RestVenue) -> None:
    clock = HandClock()
    door = open_door(rest_venue, clock=clock)
    rest_venue.then("/v5/order/create", refuse(10006))
    with pytest.raises(OrderRejected) as refused:
        door.write(PLACE, priority=PROTECT)
    assert refused.value.code == "rate_limited"
    with pytest.raises(OrderNotSent):
        door.write(PLACE, priority=ENTRY)
    door.write(PLACE, priority=PROTECT)
    assert clock.waits == [pytest.approx(1.0)]
    door.close()


def test_headers_of_answers_reach_the_budgets(door: BybitRest, rest_venue: RestVenue) -> None:
    rest_venue.then(
        "/v5/order/create", answer(headers={"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "1"})
    )
    door.write(PLACE, priority=ENTRY)
    with pytest.raises(OrderNotSent):
        door.write(PLACE, priority=ENTRY)
