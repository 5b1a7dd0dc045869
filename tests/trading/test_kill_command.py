"""``manage.py kill``: with a trader, without one, and without a database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from exchange.models import ExchangeAccount
from tests.trading.commands import books_account, outcome_of
from trading.choices import TradingStateName
from trading.kill_file import kill_file
from trading.models import KillRun, OperatorAction
from trading.rearming import trading_state_held

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def account(settings: Settings, tmp_path: Path) -> Iterator[ExchangeAccount]:
    with books_account(settings, tmp_path) as made:
        yield made


def run(*arguments: str) -> tuple[str, str]:
    """What it printed, and why its exit code is not 0."""
    return outcome_of("kill", *arguments)


def test_it_does_the_work_where_no_trader_is_heard_of(account: ExchangeAccount) -> None:
    told, error = run("--account", "Books", "--level", "4", "--reason", "an exercise", "--drill")
    assert error == ""
    assert "Books (SIM): no trader is heard of, so it is done from here." in told
    assert "Everything was seen done: entries off" in told
    assert KillRun.objects.get().drill
    assert OperatorAction.objects.get().reason == "an exercise"
    account.lease.refresh_from_db()
    assert account.lease.status == "stopped"


def test_it_shows_how_it_stands_and_arms_in_two_steps(account: ExchangeAccount) -> None:
    run("--all", "--level", "3", "--reason", "looks wrong")
    told, _ = run("--status")
    assert "everything: Halted" in told
    assert "the KILL file lies in the data folder" in told
    assert run("--rearm")[1] == "1: give a reason; it is kept with the change"
    assert "Reducing" in run("--rearm", "--reason", "looked")[0]
    assert "Active" in run("--rearm", "--reason", "looked twice")[0]
    assert not kill_file().exists()
    assert trading_state_held(None) is TradingStateName.ACTIVE


def test_a_halt_of_one_account_is_not_hidden_behind_everything(account: ExchangeAccount) -> None:
    run("--account", "Books", "--level", "3", "--reason", "only this one")
    told, _ = run("--status")
    assert "everything: Active\n  The kill switch was never pressed for everything." in told
    assert "Books: Halted" in told
    assert "No entries, working ones cancelled: Books" in told
    error = run("--rearm", "--reason", "looked")[1]
    assert error == "1: everything is armed; name the account that is not: Books"
    assert "Reducing" in run("--rearm", "--account", "Books", "--reason", "looked")[0]


def test_it_names_the_accounts_there_are(account: ExchangeAccount) -> None:
    assert run("--account", "Bokks")[1] == "1: there is no account 'Bokks'; there is Books"
    assert not KillRun.objects.exists()


@pytest.mark.parametrize(("level", "stops"), [("4", True), ("1", False)])
def test_without_a_database_the_file_stops_entries(tmp_path: Path, level: str, stops: bool) -> None:
    """In a process of its own, whose database nobody serves."""
    environment = {
        "PATH": os.environ["PATH"],
        "AUTOTRADER_DATA": str(tmp_path),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "kill", "--level", level, "--reason", "no database"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 2
    assert (tmp_path / "KILL").exists() is stops
    if stops:
        assert "not done: the trading state is not stored" in done.stderr
        assert "no database" in (tmp_path / "KILL").read_text()
    else:
        assert "nothing was done" in done.stderr
