"""One trader per account: the lease, and the session lock that dies with its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from exchange.models import ExchangeAccount
from tests.factories import LeaseFactory
from tests.trading.execution.floor import HandClock
from trading.execution.lease import AccountLease, AdvisoryLock, FileLock, session_lock
from trading.models import Lease

HOLD = """
import sys, time
from pathlib import Path
import django
django.setup()
from trading.execution.lease import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def account(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ExchangeAccount:
    """An account that nobody trades. File locks on every database: two holders in one thread
    would share the session of an advisory lock."""
    monkeypatch.setattr(
        "trading.execution.lease.session_lock",
        lambda account: FileLock(tmp_path / f"trader-{account.pk}.lock"),
    )
    free: Lease = LeaseFactory.create(holder="", token=4, reconciled=True)
    return free.account


@pytest.fixture
def lease(account: ExchangeAccount, clock: HandClock) -> Iterator[AccountLease]:
    mine = AccountLease(account, clock)
    assert mine.acquire()
    yield mine
    mine.abandon()


def row() -> Lease:
    return Lease.objects.get()


def test_the_token_grows_with_every_change_of_hands(lease: AccountLease) -> None:
    assert (lease.token, row().token, row().holder) == (5, 5, lease.holder)
    lease.release()
    assert lease.acquire()
    assert (lease.token, row().token) == (6, 6)


def test_a_new_holder_has_to_reconcile_first(lease: AccountLease) -> None:
    assert (row().reconciled, row().status, row().pid) == (False, "starting", os.getpid())


def test_it_is_held_for_fifteen_seconds_by_the_monotonic_clock(
    lease: AccountLease, clock: HandClock
) -> None:
    assert lease.seconds_left == 15
    clock.pass_seconds(2)
    assert lease.renewal_due
    assert lease.renew(reconciled=True, doubts=[], external=["ETHUSDT"])
    assert lease.seconds_left == 15
    assert (row().status, row().external_symbols) == ("running", ["ETHUSDT"])
    clock.pass_seconds(8.1)
    assert not lease.allows_entry


def test_doubts_stand_in_the_row(lease: AccountLease) -> None:
    lease.renew(reconciled=True, doubts=["order of BTCUSDT unresolved"], external=[])
    assert (row().status, row().doubts) == ("entries off", ["order of BTCUSDT unresolved"])


def test_a_lease_that_moved_can_not_be_renewed(lease: AccountLease, clock: HandClock) -> None:
    Lease.objects.update(token=77)
    clock.pass_seconds(3)
    assert not lease.renew(reconciled=True, doubts=[], external=[])
    assert lease.seconds_left == 12


def test_a_second_holder_stays_passive(
    lease: AccountLease, account: ExchangeAccount, clock: HandClock
) -> None:
    second = AccountLease(account, clock)
    clock.pass_seconds(3600)
    assert not second.acquire()
    assert row().token == lease.token


def test_an_abandoned_lease_is_taken_over_at_once(
    lease: AccountLease, account: ExchangeAccount, clock: HandClock
) -> None:
    lease.abandon()
    assert row().holder == lease.holder
    second = AccountLease(account, clock)
    assert second.acquire()
    assert second.token == lease.token + 1
    assert not lease.renew(reconciled=True, doubts=[], external=[])
    second.abandon()


def test_a_released_lease_says_that_nobody_trades(lease: AccountLease) -> None:
    lease.release()
    assert (row().holder, row().status, row().reconciled) == ("", "stopped", False)
    assert lease.seconds_left <= 0


def test_releasing_a_lease_that_moved_leaves_the_new_holder_alone(lease: AccountLease) -> None:
    Lease.objects.update(token=77, holder="another")
    lease.release()
    assert row().holder == "another"


def test_a_row_that_changes_under_the_take_over_gives_the_lock_back(
    account: ExchangeAccount, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = row()
    Lease.objects.update(token=9)
    late = AccountLease(account, clock)
    with monkeypatch.context() as patched:
        # Between its reading and its writing somebody else took the account.
        patched.setattr(Lease.objects, "get", lambda **kwargs: stale)
        assert not late.acquire()
    assert row().token == 9
    assert late.acquire()
    late.abandon()


def test_a_killed_process_gives_way_at_once(
    account: ExchangeAccount, clock: HandClock, tmp_path: Path
) -> None:
    path = tmp_path / f"trader-{account.pk}.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        second = AccountLease(account, clock)
        assert not second.acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        assert second.acquire()
        assert second.token == 5
        second.abandon()
    finally:
        holder.kill()
        holder.wait(10)
        holder.stdout.close()


def test_the_lock_fits_the_database(account: ExchangeAccount) -> None:
    kind = AdvisoryLock if connection.vendor == "postgresql" else FileLock
    assert isinstance(session_lock(account), kind)


def test_a_file_lock_is_taken_once(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "one.lock")
    assert lock.acquire()
    assert lock.acquire()
    assert not FileLock(tmp_path / "one.lock").acquire()
    lock.release()
    lock.release()
    again = FileLock(tmp_path / "one.lock")
    assert again.acquire()
    again.release()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_an_advisory_lock_dies_with_its_connection() -> None:
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        assert AdvisoryLock(42).acquire()
        held.set()
        leave.wait(10)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    mine = AdvisoryLock(42)
    assert not mine.acquire()
    leave.set()
    holder.join(10)
    assert mine.acquire()
    assert mine.acquire()
    mine.release()
