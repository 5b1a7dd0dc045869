"""Blackouts as the console lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from dashboard import format as fmt
from dashboard.selectors.market import market_read
from exchange.models import ExchangeAccount
from trading.blackouts import windows_of
from trading.choices import BlackoutAction, BlackoutKind
from trading.domain.blackouts import BlackoutWindow
from trading.models import Blackout

AHEAD = timedelta(days=31)
SHOWN = 3
TONES = {
    BlackoutAction.HALVE: "info",
    BlackoutAction.NO_ENTRIES: "warn",
    BlackoutAction.FLATTEN: "bad",
}


@dataclass(frozen=True, slots=True)
class BlackoutRow:
    """One blackout; ``windows`` are the next ones in words, ``runs`` says that one lasts now."""

    id: int
    name: str
    kind: str
    action: str
    tone: str
    symbols: str
    scope: str
    source: str
    active: bool
    editable: bool
    runs: bool
    windows: list[str]


def blackout_list(account: ExchangeAccount) -> list[BlackoutRow]:
    """Blackouts of the account and of all accounts, those that are on first."""
    now = market_read(account).now or timezone.now()
    rows = Blackout.objects.filter(Q(account=account) | Q(account=None))
    return [_row(row, now) for row in rows.order_by("-is_active", "name", "pk")]


def _row(row: Blackout, now: datetime) -> BlackoutRow:
    windows = windows_of(row, now, now + AHEAD)
    symbols = ", ".join(symbol.removesuffix("USDT") for symbol in row.symbols)
    return BlackoutRow(
        id=row.pk,
        name=row.name,
        kind=BlackoutKind(row.kind).label,
        action=BlackoutAction(row.action).label,
        tone=TONES[BlackoutAction(row.action)],
        symbols=symbols or "all symbols",
        scope="this account" if row.account_id else "all accounts",
        source=row.source,
        active=row.is_active,
        editable=not row.source_key,
        runs=row.is_active and any(one.start <= now < one.end for one in windows),
        windows=[_words(one, row, now) for one in windows[:SHOWN]] or ["nothing in 31 days"],
    )


def _words(window: BlackoutWindow, row: Blackout, now: datetime) -> str:
    """ "now until Wed 05-08 14:00" or "Fri 05-10 22:00 to Sun 05-12 22:00, in 2 d 10 h"."""
    name = window.name.removeprefix(f"{row.name}: ")
    which = f"{name}: " if row.kind == BlackoutKind.ICS else ""
    end = f"{window.end:%a %m-%d %H:%M}"
    if window.start <= now:
        return f"{which}now until {end}"
    left = fmt.age((window.start - now).total_seconds())
    same_day = window.start.date() == window.end.date()
    until = f"{window.end:%H:%M}" if same_day else end
    return f"{which}{window.start:%a %m-%d %H:%M} to {until}, in {left}"
