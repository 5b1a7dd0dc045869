"""Watchdogs as threads: one per account on Bybit, and one that tells the database about them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from exchange.choices import BYBIT_MODES, LinkState
from exchange.models import ExchangeAccount, VenueLink
from exchange.ports import Clock, ExchangeClient
from trading.choices import EventLevel
from trading.events import record
from trading.execution.protection_file import ProtectionFile, protection_path
from trading.execution.watchdog import Watchdog

logger = structlog.get_logger(__name__)

TELL_EVERY_S = 1.0
# A row this old means a watchdog that is gone, so a calm one says so now and then.
REFRESH_S = 30.0
SCAN_EVERY_S = 10.0
ACTS_KEPT = 200


@dataclass(frozen=True, slots=True)
class _Act:
    kind: str
    level: EventLevel
    text: str
    trade: int


class AccountNotes:
    """What one watchdog has to say, kept until the database takes it; never blocks."""

    def __init__(self, account: ExchangeAccount, clock: Clock) -> None:
        self.account = account
        self._clock = clock
        self._now = (LinkState.OK, "")
        self._told: tuple[LinkState, str] | None = None
        self._told_at = 0.0
        self._acts: deque[_Act] = deque(maxlen=ACTS_KEPT)

    def state(self, state: LinkState, reason: str) -> None:
        self._now = (state, reason)

    def act(self, kind: str, level: EventLevel, text: str, trade: int) -> None:
        self._acts.append(_Act(kind, level, text, trade))

    def tell(self) -> None:
        """Write what is new. Raises ``DatabaseError``; then it is all tried again."""
        while self._acts:
            act = self._acts[0]
            record(
                act.kind,
                act.text,
                account=self.account,
                level=act.level,
                data={"trade": act.trade, "by": "watchdog"},
            )
            self._acts.popleft()
        now, wanted = self._clock.monotonic(), self._now
        if wanted == self._told and now - self._told_at < REFRESH_S:
            return
        VenueLink.objects.update_or_create(
            name=f"watchdog-{self.account.pk}",
            defaults={
                "account": self.account,
                "state": wanted[0],
                "reason": wanted[1][:300],
                "updated_at": timezone.now(),
            },
        )
        self._told, self._told_at = wanted, now


class WatchdogSupervisor(threading.Thread):
    """Starts a watchdog for every account with a key on Bybit, also for those that come later.

    It gives one another client when the key was replaced, and tells the database what they say.
    Accounts on our own ledger need none: without this system their positions do not exist.
    """

    def __init__(
        self,
        client_factory: Callable[[ExchangeAccount], ExchangeClient],
        clock: Clock,
        account_ids: list[int] | None = None,
    ) -> None:
        super().__init__(name="watchdogs", daemon=True)
        self._client_factory = client_factory
        self._clock = clock
        self._account_ids = account_ids
        self._stopping = threading.Event()
        self._notes: dict[int, AccountNotes] = {}
        self._watchdogs: dict[int, Watchdog] = {}
        self._connections: dict[int, tuple[str, ...]] = {}
        self._threads: list[threading.Thread] = []
        self._scanned_at: float | None = None

    @property
    def accounts(self) -> list[ExchangeAccount]:
        """Accounts that are watched."""
        return [notes.account for notes in self._notes.values()]

    def run(self) -> None:
        while not self._stopping.is_set():
            self.round()
            self._stopping.wait(TELL_EVERY_S)
        connection.close()

    def round(self) -> None:
        """Look for new accounts and tell the database. Without the database the watchdogs go on
        and what they say waits."""
        try:
            close_old_connections()
            self._scan()
            for notes in self._notes.values():
                notes.tell()
        except DatabaseError as exc:
            logger.warning("watchdogs can't reach the database", error=type(exc).__name__)

    def _scan(self) -> None:
        now = self._clock.monotonic()
        if self._scanned_at is not None and now - self._scanned_at < SCAN_EVERY_S:
            return
        for account in watched_accounts(self._account_ids):
            connection_now = _connection_of(account)
            known = self._connections.setdefault(account.pk, connection_now)
            if account.pk not in self._notes:
                self._watch(account)
            elif known != connection_now:
                self._connections[account.pk] = connection_now
                self._watchdogs[account.pk].renew_client()
        self._scanned_at = now

    def _watch(self, account: ExchangeAccount) -> None:
        notes = self._notes[account.pk] = AccountNotes(account, self._clock)
        watchdog = self._watchdogs[account.pk] = Watchdog(
            lambda: self._client_factory(ExchangeAccount.objects.get(pk=account.pk)),
            ProtectionFile(protection_path(account.pk), account.pk),
            self._clock,
            notes,
        )
        thread = threading.Thread(
            target=_run_and_close,
            args=(watchdog, self._stopping),
            name=f"watchdog-{account.pk}",
            daemon=True,
        )
        self._threads.append(thread)
        thread.start()

    def stop(self, timeout: float) -> None:
        """Ask all to end and wait for them, at most ``timeout`` seconds together."""
        self._stopping.set()
        deadline = self._clock.monotonic() + timeout
        for thread in [*self._threads, self]:
            if thread.is_alive():
                thread.join(max(0.0, deadline - self._clock.monotonic()))


def _run_and_close(watchdog: Watchdog, stop: threading.Event) -> None:
    try:
        watchdog.run(stop)
    finally:
        connection.close()


def _connection_of(account: ExchangeAccount) -> tuple[str, ...]:
    """What a client is made of; another one is needed when it changes."""
    return account.mode, account.region, account.api_key, account.api_secret_sealed


def watched_accounts(account_ids: list[int] | None = None) -> list[ExchangeAccount]:
    """Accounts whose positions live on Bybit; inactive ones too, they may still hold some."""
    accounts = ExchangeAccount.objects.filter(mode__in=BYBIT_MODES).exclude(api_key="")
    if account_ids is not None:
        accounts = accounts.filter(pk__in=account_ids)
    return list(accounts)
