"""Write an account's books as CSV for an accountant."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from exchange.management.base import DatabaseCommand
from exchange.models import ExchangeAccount
from trading.accounting import midnight
from trading.accounting_export import export_chunks, export_rows

SAY_EVERY_S = 1.0


class Progress:
    """Says on the error channel how far a long export is, once a second."""

    def __init__(self, out: Any, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._monotonic = monotonic
        self._said = monotonic()
        self.entries = 0

    def __call__(self, moment: datetime) -> None:
        self.entries += 1
        now = self._monotonic()
        if now - self._said >= SAY_EVERY_S:
            self._said = now
            self._out.write(f"{self.entries:,} entries read, up to {moment:%Y-%m-%d}")


class Command(DatabaseCommand):
    """``manage.py export_ledger --account ID --from DAY --to DAY [--out FILE]``; both days are
    included. Without a file the rows go to standard output, progress always to standard error."""

    help = "Write one CSV row per execution, fee, funding payment and transfer of an account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", type=int, required=True, help="id of the account")
        parser.add_argument("--from", type=_day, required=True, dest="first", help="first UTC day")
        parser.add_argument("--to", type=_day, required=True, dest="last", help="last UTC day")
        parser.add_argument("--out", type=Path, help="file to write; it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        account = ExchangeAccount.objects.filter(pk=options["account"]).first()
        if account is None:
            raise CommandError(f"there is no account with id {options['account']}")
        first, last = options["first"], options["last"]
        if last < first:
            raise CommandError("--to is before --from")
        path: Path | None = options["out"]
        progress = Progress(self.stderr)
        start, end = midnight(first), midnight(last + timedelta(days=1))
        chunks = export_chunks(export_rows(account, start, end, progress))
        if path is None:
            for chunk in chunks:
                self.stdout.write(chunk, ending="")
        else:
            try:
                with path.open("x", newline="", encoding="utf-8") as file:
                    file.writelines(chunks)
            except OSError as exc:
                raise CommandError(f"{path} can't be written: {exc.strerror}") from exc
        self.stderr.write(f"{progress.entries:,} entries read, written to {path or 'the output'}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise ArgumentTypeError(f"{text!r} is no day such as 2026-03-01") from exc
