"""Do the books agree with the wallet, and has the kill switch been tried: two lines per account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import OuterRef, Q, Subquery

from dashboard import format as fmt
from dashboard.selectors.safety_check import BAD, GOOD, NONE, WARNING, Check
from exchange.models import ExchangeAccount
from trading.choices import KillLevel, WalletCheckState
from trading.kill_progress import kill_words
from trading.models import KillRun, WalletCheck

# A drill that lies further back proves little of what runs now.
DRILL_BACK = timedelta(days=30)
NAMED = 3


def newest_wallet_checks() -> dict[int, list[WalletCheck]]:
    """By account: the newest day that was compared, then every other day that differs."""
    same = WalletCheck.objects.filter(account=OuterRef("pk")).order_by("-day")
    newest = ExchangeAccount.objects.values_list(Subquery(same.values("pk")[:1]), flat=True)
    wanted = Q(state=WalletCheckState.DIFFERS) | Q(pk__in=newest.exclude(wallet_checks=None))
    found: dict[int, list[WalletCheck]] = {}
    for row in WalletCheck.objects.filter(wanted).order_by("-day"):
        found.setdefault(row.account_id, []).append(row)
    return found


def wallet_check_line(rows: Sequence[WalletCheck], now: datetime) -> Check:
    """The line about the daily comparison with the wallet."""
    name = "Wallet"
    if not rows:
        return Check(name, NONE, "No whole day has been compared with the exchange's log yet.")
    newest = rows[0]
    age = fmt.age((now - newest.checked_at).total_seconds())
    differing = [row for row in rows if row.state == WalletCheckState.DIFFERS]
    if differing:
        n = len(differing)
        text = (
            f"{n} day{'' if n == 1 else 's'} differ{'s' if n == 1 else ''} from the exchange's log."
        )
        details = tuple(
            f"{row.day}: by {fmt.plain(row.difference, signed=True)} USDT, "
            f"{len(row.findings)} {'entry' if len(row.findings) == 1 else 'entries'}"
            for row in differing[:NAMED]
        )
        return Check(name, BAD, text, details)
    label = WalletCheckState(newest.state).label.lower()
    if newest.state == WalletCheckState.UNREAD:
        return Check(name, WARNING, f"{newest.day} could not be read, tried {age} ago.")
    return Check(name, GOOD, f"{newest.day} {label} with the exchange's log, looked {age} ago.")


def newest_drills() -> Mapping[int, KillRun]:
    """The newest drill of each account."""
    found: dict[int, KillRun] = {}
    for run in KillRun.objects.filter(drill=True).order_by("id"):
        if run.account_id is not None:
            found[run.account_id] = run
    return found


def drill_line(run: KillRun | None, now: datetime) -> Check:
    """The line about the newest drill of the kill switch."""
    name = "Kill drill"
    if run is None:
        return Check(name, NONE, "The kill switch was never tried on this account.")
    age = fmt.age((now - run.pressed_at).total_seconds())
    details = (f"{KillLevel(run.level).label}: {kill_words(run, run.done_at or now)}.",)
    if run.done_at is None:
        return Check(name, WARNING, f"Tried {age} ago and not done yet.", details)
    took = fmt.duration_ms((run.done_at - run.pressed_at).total_seconds() * 1000)
    outcome = GOOD if now - run.pressed_at <= DRILL_BACK else NONE
    return Check(name, outcome, f"Tried {age} ago, all seen done after {took}.", details)
