"""Watch the stops of all Bybit accounts in a process of its own."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import CommandError

from exchange.management.base import DatabaseCommand
from exchange.models import ExchangeAccount
from trading import wiring
from trading.execution.watchdog_threads import WatchdogSupervisor, watched_accounts

STOP_TIMEOUT_S = 5.0


class Command(DatabaseCommand):
    """``manage.py watchdog [--account ID]``; needs the database only to start."""

    help = "Watch that no open position stands without its stop, even while the trader is down."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", type=int, help="id of the only account to watch")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["account"]
        if wanted is not None:
            self._refuse_what_needs_none(wanted)
        stopped = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopped.set()

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        only = None if wanted is None else [wanted]
        supervisor = WatchdogSupervisor(wiring.watchdog_client, wiring.WALL, only)
        names = ", ".join(str(account) for account in watched_accounts(only))
        supervisor.start()
        self.stdout.write(
            f"Accounts to watch: {names}."
            if names
            else "No account to watch yet: none on Bybit has a key. Accounts on simulated fills "
            "need no watchdog: their positions live in our own database."
        )
        self.stdout.flush()
        stopped.wait()
        supervisor.stop(STOP_TIMEOUT_S)

    @staticmethod
    def _refuse_what_needs_none(wanted: int) -> None:
        account = ExchangeAccount.objects.filter(pk=wanted).first()
        if account is None:
            raise CommandError(f"there is no account with id {wanted}")
        if account.uses_paper_ledger:
            raise CommandError(
                f"{account} needs no watchdog: its positions live in our own database"
            )
        if not account.api_key:
            raise CommandError(f"{account} has no key yet: connect it first")
