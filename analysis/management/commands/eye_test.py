"""Examine whether a profile can read the charts drawn here."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from analysis.budget import Purse
from analysis.chart_style import ChartStyle
from analysis.choices import ExamState, Grade
from analysis.eye_test.prepare import Examiner
from analysis.eye_test.run import Progress, exam_purse, eye_test_estimate, eye_test_run
from analysis.eye_test.sheet import contact_sheet
from analysis.identity import reading_identity
from analysis.management.arguments import LARGEST_SEED, dollars, seed
from analysis.management.naming import model_profile_named, prompt_named
from analysis.models import AnalystProfile, EyeTest, PromptVersion
from exchange.management.base import DatabaseCommand
from exchange.market.clock import WallClock

# Dollars that may be spent without asking.
CONSENT_OVER = Decimal(1)
SHEET_SEED = 1
PROGRESS_EVERY = 20


class Command(DatabaseCommand):
    """``manage.py eye_test --profile P``: prints the estimate, asks, examines, prints the marks.

    Run again with the same seed, it goes on where it was broken off.
    """

    help = "Examine whether a profile can read the charts drawn here, and grade it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--profile", default="", help="name of the profile")
        parser.add_argument(
            "--prompt", default="", help='such as "Chart reading" or "Chart reading v2"'
        )
        parser.add_argument("--short", action="store_true", help="a fifth of it: no vote earned")
        parser.add_argument("--seed", type=seed, help="of the charts; a new one by default")
        parser.add_argument("--cap", type=dollars, help="US dollars it may cost at most a day")
        parser.add_argument("--yes", action="store_true", help="don't ask before spending")
        parser.add_argument("--sheet", type=Path, help="only draw sample charts into this PNG")

    def handle(self, *args: Any, **options: Any) -> None:
        prompt_version = prompt_named(options["prompt"])
        if options["sheet"]:
            examiner = Examiner(prompt_version, options["seed"] or SHEET_SEED)
            self._draw(examiner, options["sheet"])
            return
        if not options["profile"]:
            raise CommandError("--profile names whom to examine")
        profile = model_profile_named(options["profile"])
        seed = options["seed"] or _seed(profile, prompt_version, short=options["short"])
        exam = self._examine(profile, prompt_version, seed, options)
        self._print(exam)
        if exam.state != ExamState.DONE:
            raise CommandError(f"broken off: {exam.note}. Run it again with --seed {seed}.")

    def _draw(self, examiner: Examiner, path: Path) -> None:
        try:
            path.write_bytes(contact_sheet(examiner, ChartStyle()))
        except OSError as error:
            raise CommandError(f"the sheet can't go to {path}: {error.strerror}") from error
        self.stdout.write(f"wrote {path}")

    def _examine(
        self,
        profile: AnalystProfile,
        prompt_version: PromptVersion,
        seed: int,
        options: dict[str, Any],
    ) -> EyeTest:
        estimate = eye_test_estimate(
            profile=profile, prompt_version=prompt_version, seed=seed, short=options["short"]
        )
        self.stdout.write(
            f"{profile} with {prompt_version}, seed {seed}: {estimate.calls} questions, "
            f"about ${estimate.cost:.2f}"
        )
        if estimate.cost > CONSENT_OVER and not options["yes"]:
            _ask_for_consent()
        purse = exam_purse(profile, prompt_version, seed, estimate)
        if options["cap"] is not None:
            purse = Purse(purse.key, options["cap"])
        self.stdout.write(f"At most ${purse.cap:.2f} a day.")
        return eye_test_run(
            profile=profile,
            prompt_version=prompt_version,
            seed=seed,
            short=options["short"],
            purses=(purse,),
            clock=WallClock(),
            progress=self._tell,
        )

    def _tell(self, progress: Progress) -> None:
        if progress.done % PROGRESS_EVERY == 0 or progress.done == progress.planned:
            self.stdout.write(f"  {progress.done} of {progress.planned}, ${progress.cost:.2f}")

    def _print(self, exam: EyeTest) -> None:
        for row in exam.results:
            passed = {True: "passed", False: "FAILED", None: "-"}[row["passed"]]
            self.stdout.write(f"{row['part']:<4}{row['title']:<23}{row['n']:>5}  {passed:<7}")
            self.stdout.write(f"      {row['text']}")
        self.stdout.write(
            f"Grade: {Grade(exam.grade).label}. Cost ${exam.cost:.4f}, estimated "
            f"${exam.estimate:.4f}."
        )


def _seed(profile: AnalystProfile, prompt_version: PromptVersion, *, short: bool) -> int:
    """That of an examination which was broken off, else a new one."""
    unfinished = (
        EyeTest.objects.filter(
            profile=profile,
            identity=reading_identity(profile, prompt_version),
            short=short,
        )
        .exclude(state=ExamState.DONE)
        .first()
    )
    return unfinished.seed if unfinished else 1 + secrets.randbelow(LARGEST_SEED)


def _ask_for_consent() -> None:
    if not sys.stdin.isatty():
        raise CommandError("it costs more than a dollar: agree with --yes")
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was asked")
