"""Run the traders of this installation in a process of their own."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import CommandError

from exchange.management.base import DatabaseCommand
from exchange.models import ExchangeAccount
from trading.traders import TraderSupervisor

STOP_TIMEOUT_S = 5.0


class Command(DatabaseCommand):
    """``manage.py trader [--account ID]``; passive while another one holds the account."""

    help = "Trade the active accounts: send orders, protect positions, reconcile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", type=int, help="id of the only account to trade")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["account"]
        if wanted is not None and not ExchangeAccount.objects.filter(pk=wanted).exists():
            raise CommandError(f"there is no account with id {wanted}")
        stopped = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopped.set()

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        supervisor = TraderSupervisor(None if wanted is None else [wanted])
        supervisor.start()
        names = ", ".join(str(account) for account in supervisor.accounts)
        # A log says what follows: that another process trades one of them, or a take-over.
        self.stdout.write(
            f"Accounts to trade: {names}."
            if names
            else "No account to trade: none is active on a market that runs by itself."
        )
        self.stdout.flush()
        stopped.wait()
        supervisor.stop(STOP_TIMEOUT_S)
