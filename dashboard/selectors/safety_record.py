"""What this installation itself went through in the last 30 days, per account and never summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Max, Q

from dashboard import format as fmt
from dashboard.selectors.safety import AccountNow
from trading.choices import OrderState
from trading.models import Event, Order, Trade

RECORD_DAYS: Final = 30
LATE = ("order_late", "trade_late_fill")
KINDS: Final = (
    *LATE,
    "engine_differs",
    "engine_started",
    "stop_restored",
    "trade_unprotected",
    "trade_external",
)


_STATE_WORDS: dict[str, str] = {
    OrderState.UNKNOWN: "still unknown",
    OrderState.NOT_PLACED: "never reached the exchange",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with what it is out of, or how it ended."""

    label: str
    value: str
    about: str


@dataclass(frozen=True, slots=True)
class Record:
    """One account's figures."""

    name: str
    mode: str
    figures: tuple[Figure, ...]


def record_read(accounts: Sequence[AccountNow], now: datetime) -> list[Record]:
    """Each of ``accounts``, over ``RECORD_DAYS`` days of wall time before ``now``."""
    since = now - timedelta(days=RECORD_DAYS)
    trades, orders, events = _trades(since), _orders(since), _events(since)
    return [
        Record(
            account.name,
            account.mode,
            _figures(account, trades.get(account.id, {}), orders.get(account.id, {}), events),
        )
        for account in accounts
    ]


def _trades(since: datetime) -> dict[int, dict[str, Any]]:
    rows = (
        Trade.objects.filter(created_at__gte=since)
        .exclude(opened_market=None)
        .values("account_id")
        .annotate(n=Count("id"), worst=Max("longest_naked_ms"))
        .order_by()
    )
    return {row["account_id"]: dict(row) for row in rows}


def _orders(since: datetime) -> dict[int, dict[str, tuple[int, int]]]:
    """By account and state: how many orders, and how many of them were ever unknown."""
    rows = (
        Order.objects.filter(created_at__gte=since)
        .values("account_id", "state")
        .annotate(n=Count("id"), unknown=Count("id", filter=Q(unknown_since__isnull=False)))
        .order_by()
    )
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for row in rows:
        found.setdefault(row["account_id"], {})[row["state"]] = (row["n"], row["unknown"])
    return found


def _events(since: datetime) -> dict[tuple[int | None, str], int]:
    rows = (
        Event.objects.filter(created_at__gte=since, kind__in=KINDS)
        .values("account_id", "kind")
        .annotate(n=Count("id"))
        .order_by()
    )
    return {(row["account_id"], row["kind"]): row["n"] for row in rows}


def _figures(
    account: AccountNow,
    trades: dict[str, Any],
    orders: dict[str, tuple[int, int]],
    events: dict[tuple[int | None, str], int],
) -> tuple[Figure, ...]:
    def happened(*kinds: str) -> str:
        return f"{sum(events.get((account.id, kind), 0) for kind in kinds):,}"

    n_trades = trades.get("n", 0)
    n_orders = sum(n for n, _ in orders.values())
    worst = fmt.duration_ms(trades["worst"]) if n_trades else fmt.UNKNOWN
    return (
        Figure("Longest without a stop", worst, f"of {_count(n_trades, 'opened trade')}"),
        Figure("Unknown orders", *_unknown(orders, n_orders)),
        Figure("Late arrivals", happened(*LATE), "orders and fills after their end"),
        Figure(
            "Differences with the exchange",
            happened("engine_differs"),
            "times that a comparison proved one",
        ),
        Figure("Stops set again", happened("stop_restored"), "missing on the exchange"),
        Figure(
            "Closed for want of a stop",
            happened("trade_unprotected"),
            f"of {_count(n_trades, 'opened trade')}",
        ),
        Figure("Others' positions met", happened("trade_external"), "positions that are not ours"),
        Figure("Starts of the trader", happened("engine_started"), "planned ones and recoveries"),
    )


def _unknown(orders: dict[str, tuple[int, int]], n_orders: int) -> tuple[str, str]:
    """How many orders were without a certain answer, and how they stand now."""
    unknown = sum(count for _, count in orders.values())
    ended = [
        f"{count} {_STATE_WORDS.get(state, OrderState(state).label.lower())}"
        for state, (_, count) in sorted(orders.items())
        if count
    ]
    about = f"of {_count(n_orders, 'order')}"
    return f"{unknown:,}", f"{about}: {', '.join(ended)}" if ended else about


def _count(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"
