"""Budgets of models: nobody spends over a cap, also with many at the same purse."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection

from analysis.budget import Purse, budget_reserve, budget_settle, spent_today
from analysis.errors import BudgetSpent
from analysis.models import Spend

TODAY = date(2026, 3, 2)
TOMORROW = date(2026, 3, 3)


def purse(key: str = "bot:1", cap: str = "1") -> Purse:
    return Purse(key, Decimal(cap))


@pytest.mark.django_db
def test_promise_is_replaced_by_what_the_call_cost() -> None:
    budget_reserve([purse()], Decimal("0.25"), TODAY)
    assert spent_today("bot:1", TODAY) == Decimal("0.25")
    budget_settle(["bot:1"], Decimal("0.25"), Decimal("0.07"), TODAY)
    assert spent_today("bot:1", TODAY) == Decimal("0.07")
    assert Spend.objects.get().calls == 1


@pytest.mark.django_db
def test_cap_can_be_reached_and_not_passed() -> None:
    budget_reserve([purse()], Decimal(1), TODAY)
    with pytest.raises(BudgetSpent, match=r"bot:1 has spent \$1\.0000 of \$1\.0000 today"):
        budget_reserve([purse()], Decimal("0.00000001"), TODAY)
    assert spent_today("bot:1", TODAY) == Decimal(1)


@pytest.mark.django_db
@pytest.mark.parametrize("poor", ["account:1", "bot:1"])
def test_refusing_purse_leaves_the_others_alone(poor: str) -> None:
    rich = "bot:1" if poor == "account:1" else "account:1"
    with pytest.raises(BudgetSpent, match=poor):
        budget_reserve([purse(rich), purse(poor, "0.1")], Decimal("0.2"), TODAY)
    assert spent_today(rich, TODAY) == 0
    assert spent_today(poor, TODAY) == 0


@pytest.mark.django_db
def test_each_day_has_its_own_budget() -> None:
    budget_reserve([purse()], Decimal(1), TODAY)
    budget_reserve([purse()], Decimal(1), TOMORROW)
    budget_settle(["bot:1"], Decimal(1), Decimal("0.5"), TODAY)
    assert spent_today("bot:1", TODAY) == Decimal("0.5")
    assert spent_today("bot:1", TOMORROW) == Decimal(1)


@pytest.mark.django_db
def test_call_that_never_left_is_not_counted() -> None:
    budget_reserve([purse()], Decimal("0.2"), TODAY)
    budget_settle(["bot:1"], Decimal("0.2"), Decimal(0), TODAY)
    row = Spend.objects.get()
    assert (row.amount, row.calls) == (0, 0)


@pytest.mark.django_db
def test_call_over_its_promise_is_counted_in_full() -> None:
    budget_reserve([purse()], Decimal("0.9"), TODAY)
    budget_settle(["bot:1"], Decimal("0.9"), Decimal("1.2"), TODAY)
    assert spent_today("bot:1", TODAY) == Decimal("1.2")


@pytest.mark.django_db
def test_no_fraction_of_a_promise_is_lost_by_rounding() -> None:
    amount = Decimal("0.000000004")
    budget_reserve([purse()], amount, TODAY)
    assert spent_today("bot:1", TODAY) == Decimal("0.00000001")
    budget_settle(["bot:1"], amount, Decimal(0), TODAY)
    assert spent_today("bot:1", TODAY) == 0


@pytest.mark.django_db(transaction=True)
def test_eight_workers_at_two_purses_never_pass_a_cap() -> None:
    purses = [purse("bot:1", "1"), purse("account:1", "100")]

    def spend(number: int) -> int:
        try:
            taken = 0
            for _ in range(10):
                try:
                    budget_reserve(purses if number % 2 else purses[::-1], Decimal("0.03"), TODAY)
                except BudgetSpent:
                    continue
                taken += 1
            return taken
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(spend, range(8)))
    assert taken == 33
    assert spent_today("bot:1", TODAY) == Decimal("0.99")
    assert spent_today("account:1", TODAY) == Decimal("0.99")


@pytest.mark.django_db(transaction=True)
def test_eight_workers_lose_no_settlement() -> None:
    key = ["bot:1"]

    def work(_: int) -> None:
        try:
            for _ in range(5):
                budget_reserve([purse("bot:1", "100")], Decimal("0.10"), TODAY)
                budget_settle(key, Decimal("0.10"), Decimal("0.04"), TODAY)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    row = Spend.objects.get()
    assert (row.amount, row.calls) == (Decimal("1.60"), 40)
