"""``manage.py doctor`` as somebody at a terminal sees it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pytest_django.fixtures import Settings

from analysis.profiles import api_key_set
from config.schedule import schedule_ensure
from exchange.bybit.findings import Finding, Level
from exchange.choices import LinkState, Mode
from exchange.models import ExchangeAccount, VenueLink
from tests.factories import CycleFactory, ModelProfileFactory
from tests.simulators.bybit.server import SimServer
from trading.choices import BotState, CycleState, RiskProfile
from trading.connection import Application, account_connect
from trading.installation import installation_findings
from trading.models import Bot, Lease
from trading.services import account_create

pytestmark = pytest.mark.django_db
SECRET = "sim-secret"


@pytest.fixture(autouse=True)
def venue(settings: Settings, tmp_path: Path) -> Iterator[SimServer]:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    settings.REDIS_URL = None
    tmp_path.chmod(0o700)
    with SimServer() as server:
        settings.BYBIT_REST_URL = server.url
        server.exchange.set_key(ips=["127.0.0.1"])
        yield server


@pytest.fixture
def account() -> ExchangeAccount:
    wish = Application(
        name="Demo",
        mode=Mode.DEMO,
        symbols=("BTCUSDT",),
        api_key="sim-key",
        api_secret=SECRET,
    )
    made = account_connect(wish, actor=None)
    now = timezone.now()
    Lease.objects.filter(account=made).update(holder="boot/1/1", heartbeat_at=now)
    VenueLink.objects.create(name=f"watchdog-{made.pk}", account=made, updated_at=now)
    schedule_ensure()
    PeriodicTask.objects.update(last_run_at=now)
    return made


def doctor(**options: object) -> str:
    out = io.StringIO()
    call_command("doctor", stdout=out, **options)
    return out.getvalue()


def failing_doctor(**options: object) -> str:
    out = io.StringIO()
    with pytest.raises(CommandError, match="there are problems"):
        call_command("doctor", stdout=out, **options)
    return out.getvalue()


def the(account: ExchangeAccount, check: str) -> Finding:
    now = timezone.now()
    (finding,) = [one for one in installation_findings([account], now) if one.check == check]
    return finding


def test_a_healthy_installation_has_no_problem(account: ExchangeAccount) -> None:
    told = doctor()
    assert "PROBLEM  " not in told
    assert told.rstrip().endswith("0 WARN, 0 PROBLEM")
    for words in ("Demo (DEMO), bybit.com", "The secret can be decrypted.", "Isolated margin."):
        assert words in told
    assert SECRET not in told


def test_a_problem_on_bybit_ends_with_an_error(account: ExchangeAccount, venue: SimServer) -> None:
    venue.exchange.set_key(
        permissions={"ContractTrade": ["Order", "Position"], "Wallet": ["Withdraw"]}
    )
    told = failing_doctor(account=account.pk)
    assert "PROBLEM  permissions            The key may withdraw money: it is refused." in told
    assert "> Make a key without the permission Withdraw" in told


def test_a_lost_encryption_key_is_a_problem(account: ExchangeAccount, tmp_path: Path) -> None:
    (tmp_path / "key_encryption_key").unlink()
    told = failing_doctor()
    assert "The secret can't be decrypted" in told
    assert "PROBLEM  connection" in told


def test_an_older_encryption_key_is_a_warning(account: ExchangeAccount, settings: Settings) -> None:
    settings.KEY_ENCRYPTION_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert the(account, "key of Demo").level is Level.WARNING


def test_the_key_of_a_model_profile_is_looked_at_too(
    account: ExchangeAccount, settings: Settings, tmp_path: Path
) -> None:
    profile = ModelProfileFactory.create(name="Reader")
    api_key_set(profile, "sk-of-a-reader")
    assert the(account, "key of Reader").level is Level.OK
    settings.KEY_ENCRYPTION_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert the(account, "key of Reader").level is Level.WARNING
    settings.KEY_ENCRYPTION_KEY = None
    (tmp_path / "key_encryption_key").unlink()
    finding = the(account, "key of Reader")
    assert finding.level is Level.PROBLEM
    assert "sk-of-a-reader" not in finding.text


def test_an_account_without_a_key_is_a_problem(account: ExchangeAccount) -> None:
    account.api_key = ""
    assert the(account, "key of Demo").level is Level.PROBLEM


def test_a_silent_trader_is_a_problem_once_something_depends_on_it(
    account: ExchangeAccount,
) -> None:
    Lease.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert the(account, "trader of Demo").level is Level.WARNING
    bot = CycleFactory.create(bot__account=account).bot
    Bot.objects.filter(pk=bot.pk).update(state=BotState.RUNNING)
    finding = the(account, "trader of Demo")
    assert finding.level is Level.PROBLEM
    assert "300 s ago" in finding.text or "5 min ago" in finding.text
    assert "make run" in finding.what_to_do


def test_what_keeps_the_trader_from_entries_is_told(account: ExchangeAccount) -> None:
    Lease.objects.update(doubts=["the private stream is silent."])
    assert the(account, "trader of Demo").text == "No entries: the private stream is silent."


@pytest.mark.parametrize("rows", [0, 1])
def test_a_silent_watchdog_is_a_warning(account: ExchangeAccount, rows: int) -> None:
    VenueLink.objects.update(updated_at=timezone.now() - timedelta(minutes=3))
    if not rows:
        VenueLink.objects.all().delete()
    assert the(account, "watchdog of Demo").level is Level.WARNING


def test_a_watchdog_tells_how_it_stands(account: ExchangeAccount) -> None:
    VenueLink.objects.update(state=LinkState.HALTED)
    assert the(account, "watchdog of Demo").text.startswith("Halted: needs a person")


@pytest.mark.parametrize("ago", [None, timedelta(minutes=10)])
def test_a_schedule_that_does_not_run_is_a_warning(
    account: ExchangeAccount, ago: timedelta | None
) -> None:
    PeriodicTask.objects.update(last_run_at=ago and timezone.now() - ago)
    assert the(account, "beat").level is Level.WARNING


def test_a_cycle_that_no_worker_takes_is_a_problem(account: ExchangeAccount) -> None:
    assert the(account, "worker").level is Level.OK
    CycleFactory.create(
        bot__account=account,
        state=CycleState.DUE,
        boundary=timezone.now() - timedelta(minutes=5),
    )
    finding = the(account, "worker")
    assert finding.level is Level.PROBLEM
    assert "has waited 5 min for a worker" in finding.text


def test_a_redis_that_is_not_there_is_a_problem(
    account: ExchangeAccount, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert the(account, "redis").level is Level.PROBLEM


def test_the_kill_file_is_told(account: ExchangeAccount, tmp_path: Path) -> None:
    (tmp_path / "KILL").touch()
    assert the(account, "kill switch").level is Level.WARNING


def test_armed_faults_are_told(
    account: ExchangeAccount, settings: Settings, tmp_path: Path
) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"faults_dir": tmp_path})
    assert the(account, "faults").level is Level.WARNING


def test_an_open_data_folder_is_a_warning(account: ExchangeAccount, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    finding = the(account, "data folder")
    assert finding.level is Level.WARNING
    assert "chmod 700" in finding.what_to_do


def test_a_database_of_another_version_ends_the_examination() -> None:
    MigrationRecorder.Migration.objects.filter(app="trading").delete()
    told = failing_doctor()
    assert "The database lacks" in told
    assert "manage.py prepare" in told
    assert "trader of" not in told


def test_a_simulated_account_is_not_asked_about_on_bybit() -> None:
    account_create(
        name="Sim",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["BTCUSDT"],
        market_start=timezone.now(),
    )
    told = doctor()
    assert "trader of Sim" in told
    assert "reachable" not in told


def test_a_replay_needs_no_trader() -> None:
    made = account_create(
        name="Stepped",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["BTCUSDT"],
        market_start=timezone.now(),
        speed=0,
    )
    checks = [one.check for one in installation_findings([made], timezone.now())]
    assert "trader of Stepped" not in checks


def test_an_account_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CommandError, match="no account with id 99"):
        doctor(account=99)
