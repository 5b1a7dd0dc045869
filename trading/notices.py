"""What the exchange announces, kept as blackouts of each account that trades there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction

from exchange.models import ExchangeAccount
from trading.choices import BlackoutAction, BlackoutKind, EventLevel
from trading.events import record
from trading.models import Blackout

SOURCE = "Bybit"
NAME_LENGTH = 80


class Announced(Protocol):
    """A notice of the exchange: its id there, when it counts, and for which symbols (none: all)."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...
    @property
    def symbols(self) -> frozenset[str]: ...
    @property
    def cancelled(self) -> bool: ...


def notices_keep(account: ExchangeAccount, notices: Iterable[Announced], now: datetime) -> int:
    """Store what is new and concerns the account, and follow what has changed. Returns how many
    are new. A blackout that an operator has switched off stays off."""
    traded = frozenset(account.market_session.symbols)
    return sum(_keep(account, notice, traded, now) for notice in notices)


def _keep(
    account: ExchangeAccount, notice: Announced, traded: frozenset[str], now: datetime
) -> bool:
    concerned = notice.symbols & traded
    if notice.symbols and not concerned:
        return False
    source_key = f"{account.pk}:{notice.key}"
    stored = Blackout.objects.filter(source_key=source_key)
    times = {"starts_at": notice.start, "ends_at": notice.end}
    if stored.exists():
        stored.update(**times, symbols=sorted(concerned))
        if notice.cancelled:
            stored.update(is_active=False)
        return False
    if notice.cancelled or notice.end <= now:
        return False
    with transaction.atomic():
        row = Blackout.objects.create(
            account=account,
            name=notice.title[:NAME_LENGTH],
            kind=BlackoutKind.ONCE,
            action=BlackoutAction.NO_ENTRIES,
            symbols=sorted(concerned),
            source=SOURCE,
            source_key=source_key,
            **times,
        )
        _tell(account, row, now)
    return True


def _tell(account: ExchangeAccount, row: Blackout, now: datetime) -> None:
    what = ", ".join(row.symbols) or "all symbols"
    soon = row.starts_at is not None and row.starts_at <= now + timedelta(hours=24)
    record(
        "exchange_notice",
        f"{SOURCE} announces: {row.name}. No entries in {what} while it lasts."[:300],
        account=account,
        level=EventLevel.WARNING if soon else EventLevel.NOTICE,
        data={"blackout": row.pk},
    )
