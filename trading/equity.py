"""The equity curve of an account: its points, where days and weeks begin, and its peak.

A point shows the account after what happened at its instant, but one at exactly 00:00 UTC shows it
before: everything from midnight on belongs to the new day. The value per unit is what the equity
would be had nobody moved money, as a multiple of the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from django.db import transaction
from django.db.models import Max

from exchange.domain import ZERO, quantise
from exchange.models import ExchangeAccount
from trading.choices import CashflowKind
from trading.models import Cashflow, EquityPoint, PeakBase

ONE = Decimal(1)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that came (above 0) or went, at a market time."""

    time: datetime
    amount: Decimal


def day_start(moment: datetime) -> datetime:
    """00:00 UTC of the day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def week_start(moment: datetime) -> datetime:
    """Monday 00:00 UTC of the week."""
    return day_start(moment) - timedelta(days=moment.weekday())


def transfers_since(account: ExchangeAccount, since: datetime) -> list[Transfer]:
    """Transfers from ``since`` on, oldest first."""
    rows = Cashflow.objects.filter(
        account=account, kind=CashflowKind.TRANSFER, time__gte=since
    ).order_by("time", "id")
    return [Transfer(time, amount) for time, amount in rows.values_list("time", "amount")]


def moved(transfers: Sequence[Transfer], since: datetime, until: datetime) -> Decimal:
    """The sum of transfers from ``since`` up to and with ``until``."""
    return sum((one.amount for one in transfers if since <= one.time <= until), ZERO)


@dataclass(frozen=True, slots=True)
class Start:
    """``equity`` that a day or week is counted from, and since when transfers are to be told apart
    from its results."""

    equity: Decimal
    since: datetime


def start_at(account: ExchangeAccount, moment: datetime, now: datetime) -> Start:
    """The start at ``moment``: the newest point up to then, else the first one before ``now``. What
    was moved before that first point is in it already."""
    points = EquityPoint.objects.filter(account=account)
    before = points.filter(time__lte=moment).order_by("-time").first()
    if before is not None:
        return Start(before.equity, moment)
    first = points.filter(time__lte=now).order_by("time").first()
    if first is None:
        return Start(account.start_equity, moment)
    at_midnight = first.time == day_start(first.time)
    return Start(first.equity, first.time if at_midnight else first.time + INSTANT)


def starts_of(account: ExchangeAccount, now: datetime) -> tuple[Start, Start]:
    """The starts at 00:00 UTC of today and of Monday."""
    day, week = day_start(now), week_start(now)
    rows = EquityPoint.objects.filter(account=account, time__in=(day, week)).order_by()
    known = {time: Start(equity, time) for time, equity in rows.values_list("time", "equity")}
    for moment in {day, week} - known.keys():
        known[moment] = start_at(account, moment, now)
    return known[day], known[week]


def unit_value_after(
    before: EquityPoint, transfers: Sequence[Transfer], equity: Decimal, at: datetime
) -> Decimal:
    """The value per unit at ``at``, when equity is ``equity`` and ``before`` was the last point.

    Modified Dietz: gain without transfers over the capital at work, each transfer weighted by the
    part of the time it was there. Without capital the value stays as it was.
    """
    value = before.unit_value if before.unit_value is not None else ONE
    within = [one for one in transfers if _between(before.time, one.time, at)]
    span = (at - before.time) / timedelta(microseconds=1)
    gain = equity - before.equity - sum((one.amount for one in within), ZERO)
    capital = before.equity
    for one in within:
        left = (at - one.time) / timedelta(microseconds=1)
        capital += one.amount * (Decimal(left) / Decimal(span) if span else ZERO)
    if capital <= 0:
        return value
    return max(ZERO, quantise(value * (1 + gain / capital)))


def _between(start: datetime, moment: datetime, end: datetime) -> bool:
    """Whether what happened at ``moment`` shows in a point at ``end`` and not in one at
    ``start``."""
    after = moment >= start if start == day_start(start) else moment > start
    return after and (moment < end if end == day_start(end) else moment <= end)


@transaction.atomic
def point_save(
    account: ExchangeAccount, *, time: datetime, wallet: Decimal, equity: Decimal
) -> None:
    """Keep a point of the curve, with its value per unit. The start of a day, once kept, stays."""
    points = EquityPoint.objects.filter(account=account)
    if time == day_start(time) and points.filter(time=time).exists():
        return
    before = points.filter(time__lt=time).order_by("-time").first()
    value = ONE
    if before is not None:
        if before.unit_value is None:
            units_restate(account, before.time)
            before.refresh_from_db()
        transfers = transfers_since(account, before.time)
        value = unit_value_after(before, transfers, equity, time)
    EquityPoint.objects.update_or_create(
        account=account,
        time=time,
        defaults={"wallet": wallet, "equity": equity, "unit_value": value},
    )
    later = points.filter(time__gt=time).order_by("time").first()
    if later is not None:
        units_restate(account, later.time)


@transaction.atomic
def units_restate(account: ExchangeAccount, since: datetime) -> None:
    """Work out the values per unit of points from ``since`` on anew: a transfer was told late, or
    points have none yet."""
    points = EquityPoint.objects.filter(account=account)
    known = points.filter(time__lt=since, unit_value__isnull=False).order_by("-time").first()
    chain = list(
        points.filter(time__gte=known.time).order_by("time") if known else points.order_by("time")
    )
    if not chain:
        return
    transfers = transfers_since(account, chain[0].time)
    if known is None and chain[0].unit_value is None:
        chain[0].unit_value = ONE
        EquityPoint.objects.filter(pk=chain[0].pk).update(unit_value=ONE)
    for before, point in pairwise(chain):
        value = unit_value_after(before, transfers, point.equity, point.time)
        if value != point.unit_value:
            point.unit_value = value
            EquityPoint.objects.filter(pk=point.pk).update(unit_value=value)


@dataclass(frozen=True, slots=True)
class Standing:
    """Value per unit now and at its highest since the peak was last re-based."""

    value: Decimal
    peak: Decimal
    since: datetime | None = None

    @property
    def drawdown(self) -> Decimal:
        """The share of the peak that is lost, 0 at a new one."""
        return max(ZERO, 1 - self.value / self.peak) if self.peak > 0 else ZERO


def standing(
    account: ExchangeAccount,
    equity: Decimal,
    now: datetime,
    newest: EquityPoint | None,
    transfers: Sequence[Transfer],
) -> Standing:
    """How the account stands against its peak with ``equity`` now. ``newest`` is its last point,
    ``transfers`` those since then at least."""
    value = ONE
    if newest is not None:
        value = unit_value_after(newest, transfers, equity, max(now, newest.time))
    base = PeakBase.objects.filter(account=account).order_by("-id").first()
    points = EquityPoint.objects.filter(account=account)
    if base is not None:
        points = points.filter(time__gt=base.time)
    highest = points.aggregate(highest=Max("unit_value"))["highest"]
    known = [value, highest, base.unit_value if base else None]
    peak = max(one for one in known if one is not None)
    return Standing(value, peak, base.time if base else None)
