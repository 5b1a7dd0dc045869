"""Show where our tables and the venue differ, per account."""

from __future__ import annotations

import time
import uuid
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from exchange.errors import ExchangeError, MarketDataError
from exchange.management.base import DatabaseCommand
from exchange.models import ExchangeAccount
from trading import wiring
from trading.choices import CommandKind, CommandState
from trading.errors import TradingError
from trading.execution.desk import Desk
from trading.execution.differences import Difference, Reconciliation
from trading.execution.lease import AccountLease
from trading.execution.reconcile import reconcile
from trading.models import Command as TraderCommand
from trading.models import Event, Lease
from trading.services import command_request
from trading.wallet_report import compare_wallets

# A trader that was heard of this lately is asked to do it.
ALIVE = timedelta(seconds=10)
ANSWER_S = 15.0
LOOK_EVERY_S = 0.1
ENDED = frozenset({CommandState.DONE, CommandState.REFUSED, CommandState.FAILED})

# A difference is proved, and mended, when it was read twice, so far apart. What a repair did shows
# in the reading after it, where new differences may need their own proof.
PROOF_PAUSE_S = 2.5
READINGS = 5

# Where no repair can help, by kind of difference.
REMEDIES = {
    "result": "compare with closed P&L on the venue; what is missing comes with the next funding",
    "told": "ask again in a moment, then look at the trader's log",
    "wallet": "look for transfers and funding in the venue's transaction log",
}
UNPROVED_REMEDY = "seen for a moment only, so left alone: ask again"
UNMENDED_REMEDY = "the repair did not help: run it again, then look at the symbol on the venue"
USUAL_REMEDY = "look at the symbol on the venue, then close the trade or hand it over"
EXTERNAL_REMEDY = "not ours, left alone: close it on the venue to trade the symbol here"


UNTOLD = (
    Difference(
        "told",
        "",
        "tables and exchange are not reconciled, and the trader has not said why yet",
        proved=True,
    ),
)


class Unanswered(CommandError):
    """The account could not be compared."""


class Command(DatabaseCommand):
    """``manage.py reconcile [--account ID] [--repair | --wallet [--days N]]``; exit code 1 where
    something differs.

    A running trader is asked to do it; without one it is done here, under the account's lease. The
    wallet is compared here in any case: that only reads.
    """

    help = "Compare our tables with the exchange, and mend them with --repair."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", type=int, help="id of the only account to compare")
        parser.add_argument("--repair", action="store_true", help="mend what differs")
        parser.add_argument(
            "--wallet", action="store_true", help="compare whole days with the log of the wallet"
        )
        parser.add_argument("--days", type=int, default=7, help="how many of them (7)")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts, failed, differing = self._accounts(options["account"]), [], []
        if options["wallet"]:
            compare_wallets(self.stdout, accounts, options["days"])
            return
        for account in accounts:
            try:
                found = _compare(account, repair=options["repair"])
            except Unanswered as exc:
                failed.append(account)
                self.stdout.write(f"{account}: not compared, {exc}")
                continue
            self._show(account, found, repaired=options["repair"])
            if not found.clean:
                differing.append(account)
        if failed or differing:
            raise CommandError(
                f"{len(differing)} of {len(accounts)} accounts differ, "
                f"{len(failed)} could not be compared"
            )

    def _accounts(self, wanted: int | None) -> list[ExchangeAccount]:
        accounts = ExchangeAccount.objects.exclude(market_session=None)
        if wanted is None:
            return list(accounts.filter(is_active=True))
        found = list(accounts.filter(pk=wanted))
        if not found:
            raise CommandError(f"there is no account with id {wanted} to compare")
        return found

    def _show(self, account: ExchangeAccount, found: Reconciliation, *, repaired: bool) -> None:
        rows = [(one.text, _remedy(one, repaired=repaired)) for one in found.differences]
        rows += [
            (f"{symbol}: a position that is not ours", EXTERNAL_REMEDY) for symbol in found.external
        ]
        booked = f", {found.booked_executions} executions booked" if found.booked_executions else ""
        verdict = "agrees with the exchange" if found.clean else "differs"
        self.stdout.write(f"{account}: {verdict}{booked}")
        for text in found.mended:
            self.stdout.write(f"  repair: {text}")
        for line in _table(rows):
            self.stdout.write(line)


def _remedy(difference: Difference, *, repaired: bool) -> str:
    if not difference.proved:
        return UNPROVED_REMEDY
    if difference.mend:
        return UNMENDED_REMEDY if repaired else f"--repair: {difference.mend}"
    return REMEDIES.get(difference.kind, USUAL_REMEDY)


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Two columns with their heading; nothing without rows."""
    if not rows:
        return []
    lines = [("difference", "what to do"), *rows]
    width = max(len(left) for left, _ in lines)
    return [f"  {left:<{width}}  {right}" for left, right in lines]


def _compare(account: ExchangeAccount, *, repair: bool) -> Reconciliation:
    """Ask the running trader or compare here. Raises ``Unanswered``."""
    lease = Lease.objects.filter(account=account).exclude(holder="").first()
    if lease is not None and timezone.now() - lease.heartbeat_at <= ALIVE:
        return _ask_trader(account, repair=repair)
    try:
        return _compare_here(account, repair=repair)
    except (ExchangeError, MarketDataError, TradingError) as exc:
        raise Unanswered(f"the exchange does not answer: {exc}") from exc


def _compare_here(account: ExchangeAccount, *, repair: bool) -> Reconciliation:
    lease = AccountLease(account, wiring.WALL)
    if not lease.acquire():
        raise Unanswered("another process holds the account; ask again in a moment")
    try:
        venue = wiring.open_venue(account)
        try:
            desk = Desk(account, venue.client, venue.market, wiring.WALL, lease)
            return _until_proved(desk, repair=repair)
        finally:
            venue.close()
    finally:
        lease.release()


def _until_proved(desk: Desk, *, repair: bool) -> Reconciliation:
    """Compare until every difference is proved or gone, and after a repair once more."""
    pause = 0.0 if desk.account.uses_paper_ledger else PROOF_PAUSE_S
    mended: list[str] = []
    for reading in range(1, READINGS + 1):
        # The last reading only shows what is left.
        found = reconcile(desk, repair=repair and reading < READINGS)
        mended += found.mended
        if not found.mended and all(one.proved for one in found.differences):
            break
        time.sleep(pause)
        desk.lease.renew(reconciled=False, doubts=[], external=list(found.external))
    return replace(found, mended=tuple(mended))


def _ask_trader(account: ExchangeAccount, *, repair: bool) -> Reconciliation:
    command = command_request(
        account=account,
        kind=CommandKind.RECONCILE,
        idempotency_key=f"reconcile-{uuid.uuid4().hex}",
        actor=None,
        payload={"repair": True} if repair else {},
    )
    deadline = time.monotonic() + ANSWER_S
    _wait(deadline, lambda: _ended(command))
    command.refresh_from_db()
    if command.state != CommandState.DONE:
        raise Unanswered(f"the trader answered: {command.answer}")
    # It compares after it took the command, and tells with its second renewal from then.
    _await_heartbeat(account, deadline)
    _await_heartbeat(account, deadline)
    while not _settled(account, repair=repair) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
    lease = Lease.objects.get(account=account)
    told = _told_differences(lease) or UNTOLD
    differences = () if lease.reconciled else told
    return Reconciliation(differences, tuple(lease.external_symbols), 0, _told_mended(command))


def _settled(account: ExchangeAccount, *, repair: bool) -> bool:
    """Whether the trader has proof of what differs, and no repair of it is still to come."""
    lease = Lease.objects.get(account=account)
    told = _told_differences(lease)
    mending = repair and any(one.mend for one in told)
    return lease.reconciled or (bool(told) and not mending)


def _ended(command: TraderCommand) -> bool:
    return TraderCommand.objects.filter(pk=command.pk, state__in=ENDED).exists()


def _await_heartbeat(account: ExchangeAccount, deadline: float) -> None:
    heard = Lease.objects.get(account=account).heartbeat_at
    _wait(deadline, lambda: Lease.objects.get(account=account).heartbeat_at > heard)


def _wait(deadline: float, done: Callable[[], bool]) -> None:
    while not done():
        if time.monotonic() > deadline:
            raise Unanswered(f"the trader did not answer within {ANSWER_S:.0f} s")
        time.sleep(LOOK_EVERY_S)


def _told_differences(lease: Lease) -> tuple[Difference, ...]:
    """What the trader last said about differences that it has not said are gone."""
    said = Event.objects.filter(
        account=lease.account,
        kind__in=("engine_differs", "engine_agrees"),
        created_at__gte=lease.acquired_at,
    ).first()
    if said is None or said.kind == "engine_agrees":
        return ()
    return tuple(map(Difference.from_json, said.data["differences"]))


def _told_mended(command: TraderCommand) -> tuple[str, ...]:
    said = Event.objects.filter(
        account=command.account, kind="engine_mended", created_at__gte=command.created_at
    ).first()
    return tuple(said.data["mended"]) if said else ()
