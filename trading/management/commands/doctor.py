"""Examine the installation and its accounts, and say what to do about each finding."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from exchange.bybit.findings import Finding, Level, problem
from exchange.choices import Mode
from exchange.models import ExchangeAccount
from trading.accounts import LIVE_PRICE_MODES
from trading.connection import account_examine
from trading.errors import ActionRefused
from trading.installation import database_findings, installation_findings

WORDS = {Level.OK: "OK", Level.WARNING: "WARN", Level.PROBLEM: "PROBLEM"}
CHECK_WIDTH = 22


class Command(BaseCommand):
    """``manage.py doctor [--account ID]``: exit code 1 where there is a problem."""

    help = "Examine database, processes, keys and each account's connection to Bybit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", type=int, help="id of the only account to examine")

    def handle(self, *args: Any, **options: Any) -> None:
        self.counts = dict.fromkeys(Level, 0)
        self._title("Installation")
        self._print(database_findings())
        if not self.counts[Level.PROBLEM]:
            accounts = _accounts(options["account"])
            self._print(installation_findings(accounts, timezone.now()))
            for account in accounts:
                self._account(account)
        told = ", ".join(f"{self.counts[level]} {WORDS[level]}" for level in Level)
        self.stdout.write(f"\n{told}")
        if self.counts[Level.PROBLEM]:
            raise CommandError("there are problems; each line above says what to do")

    def _account(self, account: ExchangeAccount) -> None:
        if Mode(account.mode) not in LIVE_PRICE_MODES:
            return
        self._title(f"{account}, {account.region}")
        try:
            self._print(account_examine(account).findings)
        except ActionRefused as error:
            self._print([problem("connection", f"{error}.", "Open the account's connection page.")])

    def _title(self, text: str) -> None:
        self.stdout.write(f"\n{text}")

    def _print(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.counts[finding.level] += 1
            line = f"  {WORDS[finding.level]:<8} {finding.check:<{CHECK_WIDTH}} {finding.text}"
            self.stdout.write(line)
            if finding.what_to_do:
                self.stdout.write(f"{'':>{CHECK_WIDTH + 12}}> {finding.what_to_do}")


def _accounts(wanted: int | None) -> list[ExchangeAccount]:
    accounts = ExchangeAccount.objects.select_related("market_session")
    if wanted is None:
        return list(accounts.filter(is_active=True).order_by("pk"))
    found = list(accounts.filter(pk=wanted))
    if not found:
        raise CommandError(f"there is no account with id {wanted}")
    return found
