"""Wake an account's trader when there is something to do, so that it does not wait for its round.

A hint: a trader that is not woken looks by itself. On PostgreSQL every process is reached, by
``NOTIFY``; on SQLite only the threads of this one.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from django.db import connection, transaction

_rung: defaultdict[int, threading.Event] = defaultdict(threading.Event)


def wake(account_id: int) -> None:
    """Ring when the current transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [_channel(account_id)])
    else:
        transaction.on_commit(_rung[account_id].set)


class Bell:
    """What the trader of one account sleeps by; for one thread, on its database connection."""

    def __init__(self, account_id: int) -> None:
        self._account_id = account_id
        self._heard_on: Any = None

    def wait(self, timeout_s: float) -> bool:
        """Sleep until the bell rings, at most so long. True when it rang, maybe earlier.

        Raises ``django.db.Error`` as any query does.
        """
        if connection.vendor == "postgresql":
            return self._wait_for_notice(timeout_s)
        rung = _rung[self._account_id]
        woken = rung.wait(timeout_s)
        rung.clear()
        return woken

    def _wait_for_notice(self, timeout_s: float) -> bool:
        if connection.connection is None or connection.connection is not self._heard_on:
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {_channel(self._account_id)}")
            self._heard_on = connection.connection
            # Something may have been asked for before this connection listened.
            return True
        with connection.wrap_database_errors:
            return bool(list(self._heard_on.notifies(timeout=timeout_s, stop_after=1)))


def _channel(account_id: int) -> str:
    return f"trader_{account_id}"
