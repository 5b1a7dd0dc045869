"""Management commands as tests run them: an account with data of its own, and what was told."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests.exchange.paper.scripted_market import START
from trading.choices import RiskProfile
from trading.services import account_create
from trading.wiring import forget_markets


@contextmanager
def books_account(settings: Settings, folder: Path) -> Iterator[ExchangeAccount]:
    """A simulated account in real time whose data lies in ``folder``."""
    settings.DATA_DIR = folder
    forget_markets()
    yield account_create(
        name="Books",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["BTCUSDT"],
        market_start=START,
        speed=1,
    )
    forget_markets()


def outcome_of(command: str, *arguments: str) -> tuple[str, str]:
    """What the command printed, and why its exit code is not 0."""
    out = io.StringIO()
    try:
        call_command(command, *arguments, stdout=out)
    except CommandError as exc:
        return out.getvalue(), f"{exc.returncode}: {exc}"
    return out.getvalue(), ""
