"""The right to trade an account, held by one process at a time.

The row says who holds it and until when; a session lock (``flock`` in the data folder on SQLite,
an advisory lock on PostgreSQL) dies with its holder, so a crash is noticed at once. An entry is
only sent while the lease has enough time left by the monotonic clock, and its row only moves to
``submitted`` while the token in the database is still ours.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Protocol

from django.conf import settings
from django.db import connection

from exchange.models import ExchangeAccount
from exchange.ports import Clock
from trading.models import Lease

TTL = timedelta(seconds=15)
RENEW_EVERY_S = 2.0
# HTTP 4 s + recv_window 2 s + 1 s: a request sent now is over before the lease is.
ENTRY_MARGIN_S = 7.0
ADVISORY_SPACE = 7301
BOOT_ID = uuid.uuid4().hex[:12]


class SessionLock(Protocol):
    """A lock that the system frees when its holder dies."""

    def acquire(self) -> bool: ...

    def release(self) -> None: ...


class FileLock:
    """``flock`` on a file of the data folder: for processes that share one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> bool:
        if self._file is not None:
            return True
        file = self._path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class AdvisoryLock:
    """A PostgreSQL advisory lock on this thread's connection; lost when that connection is."""

    def __init__(self, key: int) -> None:
        self._key = key

    def acquire(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
                " AND objid = %s AND pid = pg_backend_pid()",
                [ADVISORY_SPACE, self._key],
            )
            if cursor.fetchone()[0]:
                return True
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [ADVISORY_SPACE, self._key])
            return bool(cursor.fetchone()[0])

    def release(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [ADVISORY_SPACE, self._key])


def session_lock(account: ExchangeAccount) -> SessionLock:
    """The lock that fits the database."""
    if connection.vendor == "postgresql":
        return AdvisoryLock(account.pk)
    return FileLock(Path(settings.DATA_DIR) / f"trader-{account.pk}.lock")


def database_now(clock: Clock) -> datetime:
    """Time by the database, so that several hosts agree; SQLite has only one host."""
    if connection.vendor != "postgresql":
        return clock.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


class AccountLease:
    """This trader's hold on one account."""

    def __init__(self, account: ExchangeAccount, clock: Clock) -> None:
        self.account = account
        self.holder = f"{BOOT_ID}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self.token = 0
        # Whether the last holder never gave the lease back, as after a crash.
        self.inherited = False
        self._clock = clock
        self._lock = session_lock(account)
        self._valid_until = 0.0
        self._renewed = 0.0

    def acquire(self) -> bool:
        """Take the lease if nobody alive holds it.

        A free session lock proves that the holder is gone; a lock that is held keeps us passive.
        """
        if not self._lock.acquire():
            return False
        asked = self._clock.monotonic()
        now = database_now(self._clock)
        row = Lease.objects.get(account=self.account)
        moved = Lease.objects.filter(pk=row.pk, token=row.token).update(
            token=row.token + 1,
            holder=self.holder,
            host=socket.gethostname(),
            pid=os.getpid(),
            acquired_at=now,
            heartbeat_at=now,
            expires_at=now + TTL,
            reconciled=False,
            doubts=[],
            status="starting",
        )
        if moved != 1:
            self._lock.release()
            return False
        self.token = row.token + 1
        self.inherited = bool(row.holder)
        self._hold_from(asked)
        return True

    def renew(self, *, reconciled: bool, doubts: list[str], external: list[str]) -> bool:
        """Extend the lease and tell how we are. False when the lease is no longer ours."""
        asked = self._clock.monotonic()
        now = database_now(self._clock)
        moved = Lease.objects.filter(
            account=self.account, token=self.token, holder=self.holder
        ).update(
            heartbeat_at=now,
            expires_at=now + TTL,
            reconciled=reconciled,
            doubts=doubts,
            external_symbols=external,
            status="running" if reconciled and not doubts else "entries off",
        )
        if moved == 1:
            self._hold_from(asked)
        return moved == 1

    def _hold_from(self, asked: float) -> None:
        """Count from before the question, so that a slow answer shortens our hold."""
        self._renewed = asked
        self._valid_until = asked + TTL.total_seconds()

    @property
    def renewal_due(self) -> bool:
        return self._clock.monotonic() - self._renewed >= RENEW_EVERY_S

    @property
    def seconds_left(self) -> float:
        """Seconds for which the lease is ours for certain, by the monotonic clock."""
        return self._valid_until - self._clock.monotonic()

    @property
    def allows_entry(self) -> bool:
        return self.seconds_left >= ENTRY_MARGIN_S

    def release(self) -> None:
        """Give the lease back at a clean stop."""
        now = database_now(self._clock)
        Lease.objects.filter(account=self.account, token=self.token, holder=self.holder).update(
            holder="", expires_at=now, reconciled=False, status="stopped"
        )
        self.abandon()

    def abandon(self) -> None:
        """Drop the session lock without a word, as a dying process does."""
        with suppress(Exception):
            self._lock.release()
        self._valid_until = 0.0
