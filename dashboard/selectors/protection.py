"""Are the positions covered: the figures that stand in the header of every page.

All from what the trader wrote: it reads the stops back every two seconds and compares ledger and
exchange every minute. Once it is silent its figures say what was, and none of them is good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Max, Min, Q

from dashboard import format as fmt
from exchange.models import ExchangeAccount
from trading.choices import TradeState
from trading.models import Lease, Trade

RECORD_BACK: Final = timedelta(days=30)
# A trader that was not heard of for this long tells nothing about now.
SILENT_S: Final = 10
MAX_NAKED_S: Final = 5
# The comparison repeats every minute.
AGREED_LATE_S: Final = 150


@dataclass(frozen=True, slots=True)
class Protection:
    """Coverage of one account's open trades. ``longest_ms`` is the longest time that one of them
    was without a confirmed stop, ``month_ms`` that of any trade of 30 days; None without a trade.
    ``agreed_s`` is the age of the last agreement of ledger and exchange."""

    protected: int
    open_trades: int
    longest_ms: int | None
    month_ms: int | None
    orphans: int
    reconciled: bool
    agreed_s: float | None
    known: bool
    tone: str

    @property
    def agreement(self) -> str:
        """Sign between ledger and exchange."""
        return "=" if self.reconciled and self.known else "?" if not self.known else "≠"


def protection_read(account: ExchangeAccount, now: datetime) -> Protection:
    """Read the coverage of ``account`` at wall time ``now``, with one query."""
    lease = getattr(account, "lease", None)
    known = _is_known(lease, now)
    is_open = Q(state=TradeState.OPEN)
    covered = is_open & Q(protected_at__isnull=False, naked_since__isnull=True)
    recent = Q(created_at__gte=now - RECORD_BACK, opened_market__isnull=False)
    found = (
        Trade.objects.filter(is_open | recent, account=account)
        .order_by()
        .aggregate(
            open=Count("id", filter=is_open),
            covered=Count("id", filter=covered),
            longest=Max("longest_naked_ms", filter=is_open),
            month=Max("longest_naked_ms"),
            naked_since=Min("naked_since", filter=is_open),
        )
    )
    naked_ms = _naked_ms(found["naked_since"], now)
    compared = lease.compared_at if lease else None
    protection = Protection(
        protected=found["covered"],
        open_trades=found["open"],
        longest_ms=_longest(found["longest"], naked_ms),
        month_ms=_longest(found["month"], naked_ms),
        orphans=len(lease.orphan_orders) if lease else 0,
        reconciled=bool(lease and lease.reconciled),
        agreed_s=(now - compared).total_seconds() if compared else None,
        known=known,
        tone="",
    )
    return _toned(protection, naked_ms)


def _is_known(lease: Lease | None, now: datetime) -> bool:
    if lease is None or not lease.holder:
        return False
    silent: float = (now - lease.heartbeat_at).total_seconds()
    return silent <= SILENT_S


def _naked_ms(since: datetime | None, now: datetime) -> int:
    """For how long the position that waits longest for its stop has none now."""
    return max(0, int((now - since).total_seconds() * 1000)) if since else 0


def _longest(known_ms: int | None, naked_ms: int) -> int | None:
    return None if known_ms is None else max(known_ms, naked_ms)


def _toned(found: Protection, naked_ms: int) -> Protection:
    late = found.agreed_s is None or found.agreed_s > AGREED_LATE_S
    if naked_ms > MAX_NAKED_S * 1000 or (found.open_trades and not found.known):
        tone = "bad"
    elif (
        found.protected < found.open_trades
        or found.orphans
        or not found.known
        or not found.reconciled
        or late
    ):
        tone = "warn"
    else:
        tone = "good"
    return replace(found, tone=tone)


def protection_values(found: Protection) -> dict[str, str]:
    """The header's figures as text, by the name of their place. What the trader does not vouch for
    any more has a question mark."""
    doubt = "" if found.known else "?"
    return {
        "cover": f"{found.protected}/{found.open_trades}{doubt}",
        "naked": fmt.duration_ms(found.longest_ms),
        "naked_month": fmt.duration_ms(found.month_ms),
        "orphans": f"{found.orphans}{doubt}",
        "agreed": fmt.age(found.agreed_s),
    }
