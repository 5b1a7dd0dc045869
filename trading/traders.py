"""Traders as threads: each keeps one account traded, the supervisor keeps the traders."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from exchange.errors import ExchangeError, MarketDataError
from exchange.models import ExchangeAccount
from trading.errors import TradingError
from trading.execution.desk import Desk, PlugPulled
from trading.execution.heartbeat import Heartbeat
from trading.execution.lease import AccountLease
from trading.execution.loop import LeaseLost, Trader
from trading.execution.plug import note_death, tell_recovery
from trading.execution.wallet_watch import WalletWatch
from trading.execution.watchdog_threads import WatchdogSupervisor
from trading.wiring import (
    WALL,
    Venue,
    history_market,
    ledger_reader,
    open_venue,
    price_source,
    watchdog_client,
)

logger = structlog.get_logger(__name__)

KEEP_EVERY_S = 1.0
TAKE_OVER_EVERY_S = 1.0
# A venue that can't be opened (a key that can't be read, a refused site) is tried this seldom.
OPEN_AGAIN_S = 15.0
LOOK_FOR_ACCOUNTS_S = 5.0
WATCHDOGS_END_S = 0.3


class AccountTrader(threading.Thread):
    """Keeps one account traded: waits for the lease, trades, recovers after a fall."""

    def __init__(self, account: ExchangeAccount, heartbeat: Heartbeat | None = None) -> None:
        super().__init__(name=f"trader-{account.pk}", daemon=True)
        self.account = account
        self.stopping = threading.Event()
        self._heartbeat = heartbeat
        self._session_over = threading.Event()

    def stop(self) -> None:
        """Ask for a clean end."""
        self.stopping.set()
        self._session_over.set()

    def reopen(self) -> None:
        """Ask for a clean end of this session and a new one: key, site or symbols were changed."""
        self._session_over.set()

    def run(self) -> None:
        """Trade until told to stop; whatever ends a trader, the next one recovers."""
        while not self.stopping.is_set():
            close_old_connections()
            pause = TAKE_OVER_EVERY_S
            try:
                self._trade_once()
            except PlugPulled:
                continue
            except LeaseLost as exc:
                logger.warning("passive again", account=self.account.pk, reason=str(exc))
            except (ExchangeError, TradingError) as exc:
                logger.error("the venue can't be opened", account=self.account.pk, reason=str(exc))
                pause = OPEN_AGAIN_S
            except Exception:
                logger.exception("trader fell; it starts again", account=self.account.pk)
            self.stopping.wait(pause)
        connection.close()

    def _trade_once(self) -> None:
        lease = AccountLease(self.account, WALL)
        if not self._wait_for(lease):
            return
        ended = False
        try:
            # Keys, symbols and region may have been changed since the thread was made.
            self._session_over.clear()
            self.account.refresh_from_db()
            if self.stopping.is_set():
                return
            venue = open_venue(self.account)
            try:
                self._trade(lease, venue)
            finally:
                venue.close()
            ended = True
        finally:
            if ended:
                lease.release()
            else:
                lease.abandon()

    def _trade(self, lease: AccountLease, venue: Venue) -> None:
        desk = Desk(
            account=self.account,
            client=venue.client,
            market=venue.market,
            clock=WALL,
            lease=lease,
            stop=self._session_over,
            live=venue.clock is None,
            price_source=price_source(self.account),
        )
        if self._heartbeat is not None:
            desk.pulse = partial(self._heartbeat.tell, of=str(self.account))
        # What entries wait for (the venue's clock, the account's modes) is known from the start.
        for _, chore in venue.chores:
            with suppress(ExchangeError, MarketDataError):
                chore()
        if venue.clock is not None:
            venue.clock.resume()
            venue.clock.extend()
        keeper = threading.Thread(
            target=self._keep, args=(venue, desk), name="market-time", daemon=True
        )
        keeper.start()
        wallet = WalletWatch(desk, ledger_reader, history_market)
        wallet.start()
        try:
            trader = Trader(desk)
            trader.start()
            tell_recovery(desk)
            trader.run()
        except PlugPulled:
            note_death(desk)
            raise
        finally:
            desk.lease_over.set()
            keeper.join(timeout=2)
            wallet.join(timeout=2)
        if venue.clock is not None:
            venue.clock.freeze()
        if self._heartbeat is not None:
            self._heartbeat.forget(of=str(self.account))

    def _wait_for(self, lease: AccountLease) -> bool:
        """Stay passive while somebody else trades the account; say so once, and when it ends."""
        said = False
        while not lease.acquire():
            if not said:
                logger.warning(
                    "another process trades the account; waiting to take over",
                    account=str(self.account),
                )
                said = True
            if self.stopping.wait(TAKE_OVER_EVERY_S):
                return False
        if said:
            logger.info("took the account over; trading", account=str(self.account))
        return True

    def _keep(self, venue: Venue, desk: Desk) -> None:
        """Market time runs while the lease is ours (no trader, no time), and the venue's chores are
        done."""
        due = [WALL.monotonic() + every_s for every_s, _ in venue.chores]
        while not desk.lease_over.wait(KEEP_EVERY_S):
            close_old_connections()
            try:
                if venue.clock is not None and desk.lease.seconds_left > 0:
                    venue.clock.extend()
            except DatabaseError:
                # Time stands still until the database answers; the thread must outlive that.
                logger.warning("market time could not be extended", exc_info=True)
            for number, (every_s, chore) in enumerate(venue.chores):
                if WALL.monotonic() >= due[number]:
                    due[number] = WALL.monotonic() + every_s
                    with suppress(ExchangeError, MarketDataError):
                        chore()
        connection.close()


class TraderSupervisor:
    """One trader per active account of this installation, or of those named. Accounts that are
    made later get theirs within seconds; changed keys, sites or symbols a new session."""

    def __init__(self, account_ids: list[int] | None = None) -> None:
        self._account_ids = account_ids
        self._traders: dict[int, AccountTrader] = {}
        self._venues: dict[int, tuple[object, ...]] = {}
        url = settings.HEARTBEAT_URL
        self._heartbeat = Heartbeat(url, WALL) if url else None
        self._stopping = threading.Event()
        self._looking = threading.Thread(target=self._look, name="supervisor", daemon=True)

    @property
    def accounts(self) -> list[ExchangeAccount]:
        """Accounts that have a trader here, trading or waiting to take over."""
        return [trader.account for trader in self._traders.values()]

    def start(self) -> None:
        """Start a trader for every account that can be traded here, and look for new ones."""
        if self._heartbeat is not None:
            self._heartbeat.start()
        self._start_missing()
        self._looking.start()

    def _look(self) -> None:
        while not self._stopping.wait(LOOK_FOR_ACCOUNTS_S):
            close_old_connections()
            with suppress(DatabaseError):
                self._start_missing()
        connection.close()

    def _start_missing(self) -> None:
        accounts = ExchangeAccount.objects.filter(is_active=True, market_session__speed__gt=0)
        if self._account_ids is not None:
            accounts = accounts.filter(pk__in=self._account_ids)
        for account in accounts.select_related("market_session"):
            if self._stopping.is_set():
                return
            venue = _venue_of(account)
            if account.pk not in self._traders:
                trader = AccountTrader(account, self._heartbeat)
                self._traders[account.pk] = trader
                trader.start()
            elif self._venues[account.pk] != venue:
                self._traders[account.pk].reopen()
            self._venues[account.pk] = venue

    def stop(self, timeout: float) -> None:
        """Ask all to end cleanly and wait for them, at most ``timeout`` seconds together."""
        self._stopping.set()
        deadline = WALL.monotonic() + timeout
        traders = list(self._traders.values())
        for trader in traders:
            trader.stop()
        for thread in (self._looking, *traders):
            if thread.is_alive():
                thread.join(max(0.0, deadline - WALL.monotonic()))
        if self._heartbeat is not None:
            self._heartbeat.stop()


def _venue_of(account: ExchangeAccount) -> tuple[object, ...]:
    """What a session was opened with."""
    symbols = tuple(account.market_session.symbols)
    return account.region, account.api_key, account.api_secret_sealed, symbols


class GuardedTraders:
    """Traders and watchdogs in one process, where there is only one."""

    def __init__(self) -> None:
        self._traders = TraderSupervisor()
        self._watchdogs = WatchdogSupervisor(watchdog_client, WALL)

    def start(self) -> None:
        self._traders.start()
        self._watchdogs.start()

    def stop(self, timeout: float) -> None:
        """Traders first; the watchdogs may be cut off, because they keep nothing."""
        self._traders.stop(timeout)
        self._watchdogs.stop(WATCHDOGS_END_S)
