"""What happened, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from dashboard import format as fmt
from dashboard.selectors.paging import Page, page_of
from exchange.models import ExchangeAccount
from trading.choices import EventLevel
from trading.models import Event, Trade

LOUD = (EventLevel.WARNING, EventLevel.CRITICAL)
PLUG_KIND = "plug_result"


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event; ``url`` leads to the row it speaks about."""

    id: int
    level: str
    kind: str
    text: str
    market_time: datetime | None
    created_at: datetime
    trade_id: int | None
    cycle_id: int | None


def event_row(event: Event) -> EventRow:
    """The event as lists show it."""
    return EventRow(
        id=event.pk,
        level=event.level,
        kind=event.kind.replace("_", " "),
        text=fmt.one_stop(event.text),
        market_time=event.market_time,
        created_at=event.created_at,
        trade_id=event.data.get("trade"),
        cycle_id=event.data.get("cycle"),
    )


def events_of(account: ExchangeAccount) -> QuerySet[Event]:
    """Events of ``account`` and those that concern every account."""
    return Event.objects.filter(Q(account=account) | Q(account=None))


def alerts(account: ExchangeAccount, count: int = 5) -> list[EventRow]:
    """The newest warnings and critical events of ``account``."""
    rows = events_of(account).filter(level__in=LOUD).order_by("-id")[:count]
    return [event_row(event) for event in rows]


def event_list(account: ExchangeAccount, level: str, before: int | None) -> Page[EventRow]:
    """Events of ``account`` older than id ``before``; ``level`` empty takes all."""
    rows = events_of(account).order_by("-id")
    if level:
        rows = rows.filter(level=level)
    return page_of(rows, before, event_row)


def trade_timeline(trade: Trade) -> list[EventRow]:
    """Events that name the trade or the signal it came from, oldest first."""
    rows = Event.objects.filter(
        Q(data__trade=trade.pk) | Q(data__signal=trade.signal_id), account=trade.account_id
    ).order_by("id")
    return [event_row(event) for event in rows]


def plug_result(account: ExchangeAccount, after: int | None) -> Event | None:
    """The result of the plug pulled after event ``after``, once it is there; None: the newest."""
    results = Event.objects.filter(account=account, kind=PLUG_KIND)
    if after is None:
        return results.order_by("-id").first()
    return results.filter(id__gt=after).order_by("id").first()
