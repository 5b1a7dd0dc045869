"""Ask the golden set again."""

from __future__ import annotations

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError

from analysis.budget import Purse
from analysis.canary import canary_run
from analysis.errors import AnalystUnavailable
from analysis.management.arguments import dollars
from analysis.management.naming import model_profile_named, prompt_named
from exchange.management.base import DatabaseCommand
from exchange.market.clock import WallClock

DEFAULT_CAP = Decimal(5)


class Command(DatabaseCommand):
    """``manage.py canary --profile P``: 40 charts compared with the first time."""

    help = "Ask the golden set of charts again and compare the answers with the baseline."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--profile", required=True, help="name of the profile")
        parser.add_argument("--prompt", default="", help='such as "Chart reading v2"')
        parser.add_argument("--cap", type=dollars, default=DEFAULT_CAP, help="US dollars a day")

    def handle(self, *args: Any, **options: Any) -> None:
        profile = model_profile_named(options["profile"])
        try:
            run = canary_run(
                profile=profile,
                prompt_version=prompt_named(options["prompt"]),
                purses=(Purse(f"canary:{profile.pk}", options["cap"]),),
                clock=WallClock(),
            )
        except AnalystUnavailable as error:
            raise CommandError(f"broken off: {error}") from error
        for name, (hits, count) in run.results["shares"].items():
            self.stdout.write(f"{name:<20} {hits:>3} of {count}")
        self.stdout.write(f"mean read-back error {run.results['mean_error']}")
        kind = "baseline" if run.is_baseline else run.alarm or "as before"
        self.stdout.write(f"{kind}. Cost ${run.cost:.4f}.")
