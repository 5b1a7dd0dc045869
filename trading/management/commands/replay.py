"""Trade stored candles step by step and print the honest result."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError

from exchange.errors import MarketDataError
from exchange.management.base import DatabaseCommand
from trading.choices import RiskProfile
from trading.counterfactual import counterfactuals_follow
from trading.errors import ActionRefused
from trading.management.replaying import (
    add_period,
    period,
    replay_account,
    symbols_of,
    telling,
)
from trading.management.stored import history_notes
from trading.reports import run_report
from trading.stepped import SteppedDriver


class Command(DatabaseCommand):
    """``manage.py replay --symbols BTCUSDT,ETHUSDT --from 2024-01-01 --to 2025-01-01``"""

    help = "Replay the candle archive through the whole system, in steps, on paper."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_period(parser)
        parser.add_argument(
            "--profile", default=RiskProfile.CONSERVATIVE, choices=[p.value for p in RiskProfile]
        )
        parser.add_argument("--name", default="", help="of the account; made from the time else")

    def handle(self, *args: Any, **options: Any) -> None:
        symbols, timeframe = symbols_of(options["symbols"]), options["timeframe"]
        start, end = period(options["start"], options["end"])
        name = options["name"] or f"Replay {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        try:
            for note in history_notes(symbols, timeframe, start, end):
                self.stdout.write(note)
            profile = RiskProfile(options["profile"])
            account = replay_account(name, symbols, timeframe, profile, start, end)
            began = time.monotonic()
            driver = SteppedDriver(account, end)
            differences = driver.run(telling(self.stdout, began))
        except (ActionRefused, MarketDataError) as exc:
            raise CommandError(str(exc)) from exc
        took = time.monotonic() - began
        self.stdout.write(run_report(account, took))
        followed = counterfactuals_follow(account, driver.market)
        self.stdout.write(f"signals that never traded, followed to their outcome: {followed}")
        if differences:
            raise CommandError(
                f"ledgers differ in {len(differences)} places: {'; '.join(differences[:5])}"
            )
        self.stdout.write("Ledgers agree on every execution, fee, funding payment and balance.")
        self.stdout.write(f"Look at it in the console: account {account.name}")
