"""Compare our books with the venue's log of the wallet, day by day and entry by entry.

Nothing is ever corrected here: a difference is stored with the execution or cashflow it is about,
told once, and looked at again until it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from exchange.domain import ZERO, LedgerEntry, LedgerKind, quantise
from exchange.errors import ExchangeError
from exchange.models import ExchangeAccount
from trading.accounting import Line, book_lines, days_between, first_day, midnight
from trading.choices import EventLevel, WalletCheckState
from trading.events import record
from trading.models import WalletCheck

# Reads the venue's log from a moment on, oldest first; raises ``ExchangeError``.
LedgerReader = Callable[[datetime], Sequence[LedgerEntry]]

DAY = timedelta(days=1)
# How long after midnight a day counts as complete: its last entries may be shown late.
COMPLETE_AFTER = timedelta(minutes=5)
# Two clocks may book an entry on two sides of midnight.
OVERLAP = timedelta(minutes=10)
# A day that differs, or could not be read, is asked for again this much later (wall time).
AGAIN = {
    WalletCheckState.DIFFERS: timedelta(hours=1),
    WalletCheckState.UNREAD: timedelta(minutes=5),
}
# For how long after its end a day that differs is looked at by itself.
PATIENCE = timedelta(days=7)
# As many days are asked for in one go; the log is read in windows of a week.
DAYS_AT_ONCE = 7
FINDINGS_KEPT = 100
MISSING = "–"


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry that differs: our amount and the venue's; None: not there."""

    what: str
    entry_id: str
    symbol: str
    ours: Decimal | None
    venue: Decimal | None

    @property
    def difference(self) -> Decimal:
        """The venue's less ours."""
        return (self.venue or ZERO) - (self.ours or ZERO)

    @property
    def sentence(self) -> str:
        about = f"{self.what} {self.entry_id}" + (f" ({self.symbol})" if self.symbol else "")
        return f"{about}: ours {_text(self.ours)}, the exchange {_text(self.venue)}"

    def as_json(self) -> dict[str, str]:
        return {
            "what": self.what,
            "id": self.entry_id,
            "symbol": self.symbol,
            "ours": _text(self.ours),
            "venue": _text(self.venue),
            "difference": _text(self.difference),
        }


@dataclass(frozen=True, slots=True)
class DayCompared:
    """A day's change of the wallet by our books and by the venue's log."""

    booked: Decimal
    reported: Decimal
    findings: tuple[Finding, ...]

    @property
    def difference(self) -> Decimal:
        return self.reported - self.booked


def _text(amount: Decimal | None) -> str:
    return MISSING if amount is None else f"{quantise(amount):f}"


def books_begin(account: ExchangeAccount, today: date) -> date:
    """The first day that can be compared: when the account was connected, or its market began."""
    session = getattr(account, "market_session", None)
    began = account.connected_at or (session.start if session else None)
    return min(began.date() if began else today, first_day(account, today))


def days_due(account: ExchangeAccount, market_now: datetime, wall_now: datetime) -> list[date]:
    """Complete days that were not compared yet, oldest first, and those that are due again."""
    newest = (market_now - COMPLETE_AFTER).date() - DAY
    checked = {row.day: row for row in WalletCheck.objects.filter(account=account, day__lte=newest)}
    return [
        day
        for day in days_between(books_begin(account, market_now.date()), newest)
        if day not in checked or _again(checked[day], newest, wall_now)
    ]


def _again(check: WalletCheck, newest: date, wall_now: datetime) -> bool:
    pause = AGAIN.get(WalletCheckState(check.state))
    if pause is None or wall_now - check.checked_at < pause:
        return False
    return check.state == WalletCheckState.UNREAD or newest - check.day <= PATIENCE


def wallet_checks_run(
    account: ExchangeAccount,
    read: LedgerReader,
    *,
    market_now: datetime,
    wall_now: datetime,
    days: Sequence[date] | None = None,
) -> list[WalletCheck]:
    """Compare ``days``, or those that are due, and store what was found. The venue is asked
    before anything is written; where it does not answer the days are stored as unread."""
    wanted = days_due(account, market_now, wall_now) if days is None else sorted(days)
    found: list[WalletCheck] = []
    for start in range(0, len(wanted), DAYS_AT_ONCE):
        batch = wanted[start : start + DAYS_AT_ONCE]
        compared = _compare(account, read, batch)
        found += [_store(account, day, compared.get(day), wall_now) for day in batch]
    return found


def _compare(
    account: ExchangeAccount, read: LedgerReader, days: Sequence[date]
) -> dict[date, DayCompared]:
    """Each of ``days``; none where the log can't be read."""
    since, until = midnight(days[0]) - OVERLAP, midnight(days[-1]) + DAY + OVERLAP
    try:
        theirs = {_key(entry): entry for entry in read(since) if entry.time < until}
    except ExchangeError:
        return {}
    ours = {line.entry_id: line for line in book_lines(account, until) if line.time >= since}
    return {day: _compare_day(day, ours, theirs, exact=account.uses_paper_ledger) for day in days}


def _key(entry: LedgerEntry) -> str:
    """Our executions are known by their own id, all else by the log's: also an execution that the
    log does not name, so that none stands for another."""
    named = entry.kind is LedgerKind.EXECUTION and entry.exec_id
    return entry.exec_id if named else entry.entry_id


def _compare_day(
    day: date, ours: Mapping[str, Line], theirs: Mapping[str, LedgerEntry], *, exact: bool
) -> DayCompared:
    """An entry belongs to the day of our books; one that we lack, to the day of the log."""
    keys = [key for key, line in ours.items() if line.time.date() == day]
    keys += [key for key, one in theirs.items() if key not in ours and one.time.date() == day]
    booked = sum((ours[key].amount for key in keys if key in ours), ZERO)
    reported = sum((theirs[key].amount for key in keys if key in theirs), ZERO)
    findings = [
        finding
        for key in keys
        if (finding := _finding(key, ours.get(key), theirs.get(key), exact=exact)) is not None
    ]
    return DayCompared(quantise(booked), quantise(reported), tuple(findings))


def _finding(
    key: str, line: Line | None, entry: LedgerEntry | None, *, exact: bool
) -> Finding | None:
    """What differs, to the last of 8 places. Only where an amount had to be rounded may an exchange
    that rounds elsewhere differ by that; our own ledger rounds as the books do."""
    if line is not None and entry is not None:
        slack = ZERO if exact else line.slack
        if abs(entry.amount - line.amount) <= slack:
            return None
    return Finding(
        what=str(line.kind if line else entry.kind if entry else ""),
        entry_id=key,
        symbol=line.symbol if line else entry.symbol if entry else "",
        ours=line.amount if line else None,
        venue=entry.amount if entry else None,
    )


def _store(
    account: ExchangeAccount, day: date, compared: DayCompared | None, wall_now: datetime
) -> WalletCheck:
    """Keep the result, and tell what is new in it."""
    before = WalletCheck.objects.filter(account=account, day=day).first()
    if compared is None:
        return _store_unread(account, day, before, wall_now)
    findings = [one.as_json() for one in compared.findings[:FINDINGS_KEPT]]
    state = WalletCheckState.AGREED
    if findings:
        state = WalletCheckState.DIFFERS
    elif before is not None and before.findings:
        # What differed once stays on record.
        state, findings = WalletCheckState.MENDED, before.findings
    values: dict[str, Any] = {
        "state": state,
        "booked": compared.booked,
        "reported": compared.reported,
        "difference": compared.difference,
        "findings": findings,
        "checked_at": wall_now,
    }
    with transaction.atomic():
        check, _ = WalletCheck.objects.update_or_create(account=account, day=day, defaults=values)
        _tell(check, compared, before)
    return check


def _store_unread(
    account: ExchangeAccount, day: date, before: WalletCheck | None, wall_now: datetime
) -> WalletCheck:
    """An exchange that does not answer says nothing: what was found before stands."""
    if before is not None:
        if before.state == WalletCheckState.UNREAD:
            WalletCheck.objects.filter(pk=before.pk).update(checked_at=wall_now)
            before.checked_at = wall_now
        return before
    return WalletCheck.objects.create(
        account=account,
        day=day,
        state=WalletCheckState.UNREAD,
        booked=ZERO,
        checked_at=wall_now,
    )


def _tell(check: WalletCheck, compared: DayCompared, before: WalletCheck | None) -> None:
    was = before.state if before else ""
    if check.state == WalletCheckState.DIFFERS:
        if before is not None and was == check.state and before.findings == check.findings:
            return
        more = len(compared.findings) - 1
        text = (
            f"Wallet of {check.day}: {compared.findings[0].sentence}"
            + (f", and {more} more" if more else "")
            + f". By sum {_text(check.difference)} USDT."
        )
        level = EventLevel.WARNING
    elif was == WalletCheckState.DIFFERS:
        text, level = f"Wallet of {check.day}: books and exchange agree now.", EventLevel.NOTICE
    else:
        return
    record(
        "wallet_differs" if check.state == WalletCheckState.DIFFERS else "wallet_agrees",
        text,
        account=check.account,
        level=level,
        data={"wallet_check": check.pk, "day": str(check.day), "findings": check.findings[:10]},
    )
