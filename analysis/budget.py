"""What models may cost a day: promised before a call, settled after it, in the database.

Amounts are US dollars, days are UTC days of wall time. A row moves only if nobody moved it since
it was read, so workers at the same purse never count over each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal

from django.db import transaction

from analysis.errors import BudgetSpent
from analysis.models import Spend
from exchange.domain import PLACES, ZERO, quantise


@dataclass(frozen=True, slots=True)
class Purse:
    """Who pays, such as "bot:12", and at most how much a UTC day."""

    key: str
    cap: Decimal


def budget_reserve(purses: Sequence[Purse], amount: Decimal, day: date) -> None:
    """Promise ``amount`` from every purse, or from none of them.

    Raises ``BudgetSpent`` naming the first purse that would go over its cap.
    """
    amount = amount.quantize(PLACES, rounding=ROUND_UP)
    with transaction.atomic():
        # In one order for all, so that two reservations never wait for each other's purse.
        for purse in sorted(purses, key=lambda each: each.key):
            _move(purse.key, day, amount, calls=1, cap=purse.cap)


def budget_settle(keys: Sequence[str], reserved: Decimal, actual: Decimal, day: date) -> None:
    """Put what a call cost in the place of what was promised for it on ``day``.

    A call that cost nothing is no call any more. One that cost more than promised is counted in
    full, even over the cap: it is spent.
    """
    reserved = reserved.quantize(PLACES, rounding=ROUND_UP)
    change = quantise(actual) - reserved
    calls = -1 if actual == 0 else 0
    if change == 0 and calls == 0:
        return
    with transaction.atomic():
        for key in sorted(keys):
            _move(key, day, change, calls=calls)


def spent_today(key: str, day: date) -> Decimal:
    """Spent and promised by the purse on ``day``."""
    return Spend.objects.filter(key=key, day=day).values_list("amount", flat=True).first() or ZERO


def _move(key: str, day: date, change: Decimal, *, calls: int, cap: Decimal | None = None) -> None:
    """Add to one purse. Each lost round means that another writer got on, so this ends."""
    seen, _ = Spend.objects.get_or_create(key=key, day=day)
    while True:
        amount = max(seen.amount + change, ZERO)
        if cap is not None and amount > cap:
            raise BudgetSpent(
                f"{key} has spent {_dollars(seen.amount)} of {_dollars(cap)} today; "
                f"this call may cost {_dollars(change)}"
            )
        moved = Spend.objects.filter(pk=seen.pk, version=seen.version).update(
            amount=amount, calls=max(seen.calls + calls, 0), version=seen.version + 1
        )
        if moved == 1:
            return
        seen.refresh_from_db()


def _dollars(amount: Decimal) -> str:
    return f"${amount:.4f}"
