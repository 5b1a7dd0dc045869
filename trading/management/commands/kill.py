"""The kill switch on the command line: press, watch, arm again; also without trader or database."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from exchange.models import ExchangeAccount
from trading.choices import KillLevel, TradingStateName
from trading.errors import ActionRefused
from trading.kill import accounts_of, kill_press
from trading.kill_file import kill_file, kill_file_drop, kill_file_words
from trading.kill_progress import kill_follow, kill_words
from trading.models import KillRun, Lease
from trading.rearming import rearm, rearm_refusals, trading_state_held
from trading.traders import AccountTrader

# A trader that was heard of this lately does the work; else this command does.
ALIVE = timedelta(seconds=10)
LOOK_EVERY_S = 0.2
TELL_EVERY_S = 2.0
STOP_S = 10.0
NOT_DONE, NO_DATABASE = 1, 2
ACTIVE = TradingStateName.ACTIVE


class Command(BaseCommand):
    """``manage.py kill [--account NAME | --all] [--level N] [--reason ...]``.

    Exit code 0 when everything was seen done, 1 when something is still open, 2 when the database
    does not answer: then the file KILL stops entries, and the rest is named as not done.
    """

    help = "Stop trading, and wait until the exchange shows it; --status, --rearm, --drill."

    def add_arguments(self, parser: ArgumentParser) -> None:
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--account", help="name of the only account to stop")
        scope.add_argument("--all", action="store_true", help="everything (the default)")
        levels = "; ".join(f"{level.value} {level.label.lower()}" for level in KillLevel)
        parser.add_argument(
            "--level", type=int, choices=[int(level) for level in KillLevel], default=3, help=levels
        )
        parser.add_argument("--reason", default="", help="kept with the press")
        parser.add_argument("--drill", action="store_true", help="an exercise, on paper only")
        parser.add_argument("--status", action="store_true", help="show how it stands, do nothing")
        parser.add_argument("--rearm", action="store_true", help="one step back to trading")
        parser.add_argument(
            "--timeout", type=float, default=120.0, help="seconds to wait for the exchange"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        pressed_at = timezone.now()
        try:
            account = _account(options["account"])
            if options["status"]:
                self._status(account)
            elif options["rearm"]:
                self._rearm(account, options["reason"])
            else:
                self._press(account, pressed_at, options)
        except ActionRefused as exc:
            raise CommandError(str(exc), returncode=NOT_DONE) from exc
        except DatabaseError as exc:
            self._without_database(options, exc)

    def _press(self, account: ExchangeAccount | None, pressed_at: Any, options: Any) -> None:
        run = kill_press(
            account=account,
            level=KillLevel(options["level"]),
            reason=options["reason"] or "pressed on the command line",
            actor=None,
            channel="command",
            drill=options["drill"],
            pressed_at=pressed_at,
        )
        self.stdout.write(f"{run}. {kill_words(run, timezone.now())}")
        with self._traders(accounts_of(account)):
            self._watch(run, options["timeout"])
        if run.done_at is None:
            words = kill_words(run, timezone.now())
            raise CommandError(f"not everything is done: {words}", returncode=NOT_DONE)
        self.stdout.write(f"Everything was seen done: {kill_words(run, run.done_at)}")
        self._tell_external(accounts_of(account))

    def _watch(self, run: KillRun, timeout_s: float) -> None:
        began = told_at = time.monotonic()
        while run.done_at is None and time.monotonic() - began < timeout_s:
            time.sleep(LOOK_EVERY_S)
            kill_follow(run)
            run.refresh_from_db()
            if run.done_at is None and time.monotonic() - told_at >= TELL_EVERY_S:
                told_at = time.monotonic()
                self.stdout.write(f"  {kill_words(run, timezone.now())}")

    def _tell_external(self, accounts: Sequence[ExchangeAccount]) -> None:
        for lease in Lease.objects.filter(account__in=accounts).select_related("account"):
            if lease.external_symbols:
                symbols = ", ".join(lease.external_symbols)
                self.stdout.write(f"{lease.account}: {symbols} is not ours and stays as it is.")

    @contextmanager
    def _traders(self, accounts: Sequence[ExchangeAccount]) -> Iterator[None]:
        """Traders of our own, while nobody else is heard of."""
        threads = [AccountTrader(account) for account in accounts if not _is_traded(account)]
        for thread in threads:
            self.stdout.write(f"{thread.account}: no trader is heard of, so it is done from here.")
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.stop()
            for thread in threads:
                thread.join(STOP_S)

    def _status(self, account: ExchangeAccount | None) -> None:
        """How it stands; without an account named, of everything and of each account."""
        self._status_of(account)
        for one in accounts_of(None) if account is None else ():
            self._status_of(one)

    def _status_of(self, account: ExchangeAccount | None) -> None:
        scope = account.name if account else "everything"
        self.stdout.write(f"{scope}: {trading_state_held(account).label}")
        if account is None and (lies := kill_file_words()):
            self.stdout.write(f"  {lies}")
        newest = KillRun.objects.filter(account=account).first()
        if newest is None:
            self.stdout.write(f"  The kill switch was never pressed for {scope}.")
        else:
            done = "done" if newest.done_at else "not done yet"
            when = f"{newest.pressed_at:%Y-%m-%d %H:%M:%S} UTC"
            words = kill_words(newest, newest.done_at or timezone.now())
            self.stdout.write(f"  {newest}, {when}, {done}: {words}")
        for refusal in rearm_refusals(account):
            self.stdout.write(f"  Against arming: {refusal}")

    def _rearm(self, account: ExchangeAccount | None, reason: str) -> None:
        held = [one for one in accounts_of(account) if trading_state_held(one) is not ACTIVE]
        if account is None and trading_state_held(None) is ACTIVE and held:
            names = ", ".join(one.name for one in held)
            raise ActionRefused(f"everything is armed; name the account that is not: {names}")
        row = rearm(account=account, actor=None, reason=reason)
        self.stdout.write(f"{row.account or 'everything'}: {row.get_state_display()}")

    def _without_database(self, options: Any, error: DatabaseError) -> None:
        known = type(error).__name__
        if options["status"] or options["rearm"]:
            lies = kill_file_words() or "there is no KILL file"
            raise CommandError(
                f"the database does not answer ({known}); {lies}.", returncode=NO_DATABASE
            )
        if options["level"] < KillLevel.REDUCE or options["drill"]:
            raise CommandError(
                f"the database does not answer ({known}): nothing was done. Levels 2 to 4 can stop "
                "all entries without it.",
                returncode=NO_DATABASE,
            )
        kill_file_drop(options["reason"] or "pressed on the command line, without a database")
        raise CommandError(
            f"the database does not answer ({known}).\n"
            f"  done:     {kill_file()} stops all entries of all accounts that use this data folder"
            "\n  not done: the trading state is not stored, working entries are not cancelled, "
            "positions are not closed\n"
            "  Stops and targets stand at the exchange. Run it again once the database answers.",
            returncode=NO_DATABASE,
        )


def _account(name: str | None) -> ExchangeAccount | None:
    if not name:
        return None
    found = ExchangeAccount.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(ExchangeAccount.objects.values_list("name", flat=True))
        raise CommandError(f"there is no account {name!r}; there is {names}", returncode=NOT_DONE)
    return found


def _is_traded(account: ExchangeAccount) -> bool:
    lease = Lease.objects.filter(account=account).exclude(holder="").first()
    return lease is not None and timezone.now() - lease.heartbeat_at <= ALIVE
