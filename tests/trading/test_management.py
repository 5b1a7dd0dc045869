"""``run_cycle``, ``replay`` and ``trader`` as somebody at a terminal sees them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django.fixtures import Settings

from analysis.indicators import NEEDED_BARS
from analysis.services import profile_technical
from exchange.choices import Mode
from exchange.market.archive import default_archive
from exchange.market.clock import SteppedClock
from exchange.market.simulated import SimulatedMarket
from exchange.models import ExchangeAccount
from trading.choices import Autonomy, BotState, RiskProfile
from trading.management.stored import history_notes
from trading.models import Bot, Cycle, Lease, Signal
from trading.services import account_create, bot_create
from trading.wiring import forget_markets

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2024, 1, 10, tzinfo=UTC)
FIVE = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def surroundings(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.DATA_DIR = tmp_path
    forget_markets()
    yield
    forget_markets()


@pytest.fixture
def bot() -> Bot:
    account = account_create(
        name="Terminal",
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=["BTCUSDT", "ETHUSDT"],
        market_start=START + timedelta(seconds=10),
        speed=60,
    )
    Lease.objects.update(heartbeat_at=timezone.now(), reconciled=True)
    return bot_create(
        account=account,
        name="Trend",
        timeframe="15m",
        symbols=["BTCUSDT", "ETHUSDT"],
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
    )


@pytest.fixture
def archive() -> None:
    """Twelve days of five minute candles of SOLUSDT, two of them to be replayed."""
    first, last = START - timedelta(days=10), START + timedelta(days=2)
    source = SimulatedMarket(3, SteppedClock(last), 1)
    window = source.candles("SOLUSDT", FIVE, end=last, limit=(last - first) // FIVE)
    default_archive().store(window, source="made")


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_cycle_is_printed_step_by_step(bot: Bot) -> None:
    out = run("run_cycle", "Trend")
    assert "Trend 15m 2024-01-10 00:00 (attempt 0, may trade)" in out
    assert "0 can we trade" in out
    assert "6 execute" in out
    assert "BTCUSDT" in out
    assert out.rstrip().endswith("Completed.")
    assert Signal.objects.count() == 2


def test_a_boundary_that_ran_is_only_observed(bot: Bot) -> None:
    run("run_cycle", "Trend")
    assert "(attempt 1, observing only)" in run("run_cycle", "Trend")


def test_a_bot_that_is_paused_only_observes(bot: Bot) -> None:
    Bot.objects.update(state=BotState.PAUSED)
    assert "observing only" in run("run_cycle", "Trend")
    assert not Cycle.objects.filter(attempt=0).exists()


def test_an_unknown_bot_is_answered_with_the_known_ones(bot: Bot) -> None:
    with pytest.raises(CommandError, match="no bot named 'Nobody'; there are: Trend"):
        run("run_cycle", "Nobody")


def test_without_bots_it_says_so() -> None:
    with pytest.raises(CommandError, match="there are: none yet"):
        run("run_cycle", "Nobody")


@pytest.mark.usefixtures("archive")
def test_a_replay_prints_its_result_and_that_the_ledgers_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trading.management.replaying.PRINT_EVERY_S", 0.0)
    out = run(
        "replay",
        *("--symbols", "SOLUSDT", "--timeframe", "15m", "--profile", "classic"),
        *("--from", "2024-01-10", "--to", "2024-01-10T08:00", "--name", "Made"),
    )
    assert "Made (REPLAY): 31 cycles in" in out
    assert "funnel: " in out
    assert "s left" in out
    assert "Ledgers agree on every execution, fee, funding payment and balance." in out
    assert "analyses from" not in out
    assert out.rstrip().endswith("Look at it in the console: account Made")


@pytest.mark.usefixtures("archive")
def test_a_replay_without_enough_history_says_from_when_on_it_analyses() -> None:
    given = ("--symbols", "SOLUSDT", "--timeframe", "5m", "--from", "2023-12-31")
    out = run("replay", *given, "--to", "2023-12-31T01:00", "--name", "Short")
    assert f"SOLUSDT: no analysis in this replay; one needs {NEEDED_BARS} candles" in out
    first = START - timedelta(days=10) + NEEDED_BARS * FIVE
    until = f"{first + FIVE:%Y-%m-%dT%H:%M}"
    notes = history_notes(["SOLUSDT"], "5m", first - FIVE, datetime.fromisoformat(f"{until}Z"))
    assert notes == [
        f"SOLUSDT: analyses from {first:%Y-%m-%d %H:%M} on; one needs {NEEDED_BARS} candles of 5m"
    ]


@pytest.mark.usefixtures("archive")
def test_a_name_that_is_taken_is_refused_in_plain_words(bot: Bot) -> None:
    given = ("--symbols", "SOLUSDT", "--from", "2024-01-10", "--to", "2024-01-11")
    with pytest.raises(CommandError, match="an account named 'Terminal' exists already"):
        run("replay", *given, "--name", "Terminal")


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"--from": "yesterday"}, "'yesterday' is no date"),
        ({"--to": "2024-01-10"}, "--to must be later than --from"),
        ({"--symbols": "BTCUSDT"}, "BTCUSDT"),
        ({"--symbols": " , "}, "at least one symbol"),
        ({"--timeframe": "7m"}, "invalid choice: '7m'"),
        ({"--timeframe": "1m"}, "SOLUSDT is stored in candles of 5m, longer than --timeframe 1m"),
        ({"--to": "2024-01-13"}, "SOLUSDT, which go from 2023-12-31 00:00 to 2024-01-12 00:00"),
        ({"--from": "2023-12-30"}, "--from is outside the stored 5m candles of SOLUSDT"),
        ({"--profile": "reckless"}, "invalid choice: 'reckless'"),
    ],
)
def test_bad_arguments_are_refused_and_leave_nothing(changes: dict[str, str], why: str) -> None:
    given = {
        "--symbols": "SOLUSDT",
        "--timeframe": "15m",
        "--from": "2024-01-10",
        "--to": "2024-01-11",
        "--profile": "classic",
    }
    arguments = [part for pair in (given | changes).items() for part in pair]
    with pytest.raises(CommandError, match=why):
        run("replay", *arguments)
    assert not ExchangeAccount.objects.exists()


def test_the_trader_of_an_unknown_account_does_not_start() -> None:
    with pytest.raises(CommandError, match="no account with id 77"):
        run("trader", "--account", "77")


@pytest.mark.parametrize(
    "command",
    [
        ("import_candles", "BTCUSDT-1h.csv"),
        ("replay", "--symbols", "BTCUSDT", "--from", "2024-01-10", "--to", "2024-01-11"),
        ("run_cycle", "Trend"),
        ("trader",),
    ],
    ids=lambda command: command[0],
)
def test_a_database_that_was_never_set_up_is_refused_with_the_way_out(
    command: tuple[str, ...],
) -> None:
    lacking = list(MigrationRecorder.Migration.objects.filter(app="trading").order_by("-pk")[:1])
    MigrationRecorder.Migration.objects.filter(pk__in=[row.pk for row in lacking]).delete()
    try:
        with pytest.raises(CommandError, match="is not set up for this version: run `make run`"):
            run(*command)
    finally:
        MigrationRecorder.Migration.objects.bulk_create(lacking)


@pytest.mark.usefixtures("stopped_soon")
def test_the_trader_says_which_accounts_it_is_for(bot: Bot) -> None:
    assert run("trader") == "Accounts to trade: Terminal (SIM).\n"


@pytest.mark.usefixtures("stopped_soon")
def test_the_trader_without_accounts_says_so() -> None:
    assert "No account to trade" in run("trader")
