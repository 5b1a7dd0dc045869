"""Trade stored candles step by step and print the honest result."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from analysis.services import profile_technical
from exchange.choices import Mode
from exchange.domain import TIMEFRAMES
from exchange.errors import MarketDataError
from exchange.management.base import DatabaseCommand
from exchange.models import ExchangeAccount
from trading.choices import Autonomy, BotState, RiskProfile
from trading.errors import ActionRefused
from trading.management.stored import history_notes
from trading.reports import run_report
from trading.services import account_create, bot_create
from trading.stepped import Progress, SteppedDriver

PRINT_EVERY_S = 10.0


class Command(DatabaseCommand):
    """``manage.py replay --symbols BTCUSDT,ETHUSDT --from 2024-01-01 --to 2025-01-01``"""

    help = "Replay the candle archive through the whole system, in steps, on paper."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbols", required=True, help="with commas between them")
        parser.add_argument("--timeframe", default="1h", choices=list(TIMEFRAMES))
        parser.add_argument("--from", dest="start", required=True, help="first day, UTC")
        parser.add_argument("--to", dest="end", required=True, help="day after the last, UTC")
        parser.add_argument(
            "--profile", default=RiskProfile.CONSERVATIVE, choices=[p.value for p in RiskProfile]
        )
        parser.add_argument("--name", default="", help="of the account; made from the time else")

    def handle(self, *args: Any, **options: Any) -> None:
        symbols = [part.strip() for part in options["symbols"].split(",") if part.strip()]
        start, end = _day(options["start"]), _day(options["end"])
        if end <= start:
            raise CommandError("--to must be later than --from")
        name = options["name"] or f"Replay {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        try:
            for note in history_notes(symbols, options["timeframe"], start, end):
                self.stdout.write(note)
            account = _account(
                name, symbols, options["timeframe"], RiskProfile(options["profile"]), start, end
            )
            began = time.monotonic()
            differences = SteppedDriver(account, end).run(self._progress(began))
        except (ActionRefused, MarketDataError) as exc:
            raise CommandError(str(exc)) from exc
        took = time.monotonic() - began
        self.stdout.write(run_report(account, took))
        if differences:
            raise CommandError(
                f"ledgers differ in {len(differences)} places: {'; '.join(differences[:5])}"
            )
        self.stdout.write("Ledgers agree on every execution, fee, funding payment and balance.")
        self.stdout.write(f"Look at it in the console: account {account.name}")

    def _progress(self, began: float) -> Any:
        printed = [began]

        def tell(progress: Progress) -> None:
            now = time.monotonic()
            if now - printed[0] >= PRINT_EVERY_S:
                printed[0] = now
                left = (now - began) * (1 / max(progress.share, 1e-9) - 1)
                self.stdout.write(
                    f"{progress.now:%Y-%m-%d} {progress.share:6.1%}, about {left:.0f} s left"
                )

        return tell


@transaction.atomic
def _account(
    name: str,
    symbols: list[str],
    timeframe: str,
    profile: RiskProfile,
    start: datetime,
    end: datetime,
) -> ExchangeAccount:
    """An account on the archive with one bot that trades all of it; both or neither."""
    account = account_create(
        name=name,
        mode=Mode.REPLAY,
        profile=profile,
        symbols=symbols,
        market_start=start,
        market_end=end,
        speed=0,
    )
    bot_create(
        account=account,
        name=f"{name} bot",
        timeframe=timeframe,
        symbols=symbols,
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
    )
    return account


def _day(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise CommandError(f"{text!r} is no date; write it as 2024-01-31") from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
