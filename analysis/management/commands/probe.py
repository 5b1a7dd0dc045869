"""Measure what an endpoint does with pictures."""

from __future__ import annotations

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError

from analysis.budget import Purse
from analysis.choices import ImageFamily
from analysis.errors import AnalystUnavailable
from analysis.eye_test.marks import LEGIBILITY_RESERVE
from analysis.management.arguments import dollars
from analysis.management.naming import model_profile_named
from analysis.probe import ProbeReport, probe_run, probe_save
from exchange.management.base import DatabaseCommand
from exchange.market.clock import WallClock

DEFAULT_CAP = Decimal(3)


class Command(DatabaseCommand):
    """``manage.py probe --profile P``: tokens per picture, smallest type, order of fields."""

    help = "Measure what an endpoint does with pictures; --save puts it on the profile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--profile", required=True, help="name of the profile")
        parser.add_argument("--save", action="store_true", help="store tokens and family")
        parser.add_argument("--cap", type=dollars, default=DEFAULT_CAP, help="US dollars a day")

    def handle(self, *args: Any, **options: Any) -> None:
        profile = model_profile_named(options["profile"])
        purse = Purse(f"probe:{profile.pk}", options["cap"])
        try:
            report = probe_run(profile=profile, purses=(purse,), clock=WallClock())
            self._print(report)
            if options["save"]:
                saved = probe_save(profile, report)
                self.stdout.write(
                    f"{saved}: {saved.image_tokens} tokens a chart, {saved.image_family}"
                )
        except AnalystUnavailable as error:
            raise CommandError(str(error)) from error

    def _print(self, report: ProbeReport) -> None:
        self.stdout.write("picture      tokens  of 32 px patches")
        for cost in report.costs:
            tokens = "unknown" if cost.tokens is None else str(cost.tokens)
            each = "" if cost.tokens is None else f"{cost.tokens / cost.patches:.2f}"
            self.stdout.write(f"{cost.width} x {cost.height:<5} {tokens:>7}  {each}")
        family = ImageFamily(report.family).label if report.family else "unknown"
        self.stdout.write(f"Family: {family}")
        for size, share in report.read.items():
            self.stdout.write(f"type of {size} px: {share * 100:.0f} % read")
        verdict = "large enough" if report.is_legible else "TOO SMALL"
        self.stdout.write(
            f"Smallest type read: {report.floor or 'none'} px; the smallest on a chart is "
            f"{report.smallest_text:.0f} px, {verdict} with a reserve of {LEGIBILITY_RESERVE}"
        )
        order = "in the order of the schema" if report.keys_in_order else "IN ANOTHER ORDER"
        self.stdout.write(f"Fields come {order}.")
