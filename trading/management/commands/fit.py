"""Say which symbols an account can trade at a typical stop."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from exchange.management.base import DatabaseCommand
from exchange.models import ExchangeAccount
from trading import wiring
from trading.fit import UNTOLD, fits_of


class Command(DatabaseCommand):
    help = "Whether an account can trade each symbol of its bots: OK, coarse (74 %), too small."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", help="name or id of the account")

    def handle(self, *args: Any, **options: Any) -> None:
        account = _account(options["account"])
        try:
            found = fits_of(account, wiring.market_for(account))
        except UNTOLD as error:
            raise CommandError(str(error)) from error
        if not found:
            self.stdout.write(f"{account} has no bots.")
        for bot, fits in found:
            self.stdout.write(f"{bot} ({bot.timeframe})")
            for fit in fits:
                self.stdout.write(f"  {fit.symbol:<14} {fit.words:<14} {fit.text}")


def _account(named: str) -> ExchangeAccount:
    accounts = ExchangeAccount.objects.select_related("market_session")
    found = accounts.filter(name=named).first()
    if found is None and named.isdecimal():
        found = accounts.filter(pk=int(named)).first()
    if found is None:
        raise CommandError(f"there is no account {named!r}")
    return found
