"""``manage.py watchdog`` as somebody at a terminal sees it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from exchange.choices import Mode
from exchange.models import VenueLink
from tests.factories import AccountFactory
from trading.execution import watchdog_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def surroundings(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(watchdog_threads, "TELL_EVERY_S", 0.02)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("watchdog", *arguments, stdout=out)
    return out.getvalue()


def test_an_unknown_account_and_one_without_a_key_are_refused() -> None:
    account = AccountFactory.create(name="Demo", mode=Mode.DEMO)
    with pytest.raises(CommandError, match="no account with id 77"):
        run("--account", "77")
    with pytest.raises(CommandError, match=r"Demo \(DEMO\) has no key yet"):
        run("--account", str(account.pk))


@pytest.mark.parametrize("mode", [Mode.SIM, Mode.REPLAY, Mode.PAPER])
def test_an_account_on_our_own_ledger_needs_none(mode: Mode) -> None:
    account = AccountFactory.create(name="Own", mode=mode)
    with pytest.raises(CommandError, match="its positions live in our own database"):
        run("--account", str(account.pk))


@pytest.mark.usefixtures("stopped_soon")
def test_without_an_account_on_bybit_it_waits_for_one() -> None:
    AccountFactory.create(name="Paper", mode=Mode.PAPER)
    assert "none on Bybit has a key" in run()


@pytest.mark.usefixtures("stopped_soon")
def test_an_account_whose_venue_is_refused_is_told_in_its_link() -> None:
    # Real money is refused by the wiring, so that nothing is connected here.
    account = AccountFactory.create(name="Real", mode=Mode.LIVE, api_key="key")
    assert run("--account", str(account.pk)) == "Accounts to watch: Real (LIVE).\n"
    link = VenueLink.objects.get(name=f"watchdog-{account.pk}")
    assert link.state == "degraded"
    assert "real money is refused" in link.reason
