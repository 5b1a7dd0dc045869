"""Put the parts together by an account's mode. Nothing else knows modes."""

from __future__ import annotations

import os
import socket
import threading
from functools import cache

import structlog
from django.db import DatabaseError, close_old_connections, connection

from analysis.analysts.technical import TechnicalAnalyst
from analysis.choices import AnalystKind
from analysis.models import AnalystProfile
from analysis.ports import Analyst
from exchange.choices import Mode
from exchange.market.clock import MarketClock, SessionClock, WallClock
from exchange.market.session import market_for_session
from exchange.models import ExchangeAccount, MarketSession
from exchange.paper.ledger import PaperExchange, open_ledger
from exchange.ports import ExchangeClient, MarketData
from trading.cycle.run import CyclePorts
from trading.errors import TradingError
from trading.execution.desk import Desk, PlugPulled
from trading.execution.lease import BOOT_ID, AccountLease
from trading.execution.loop import LeaseLost, Trader
from trading.execution.plug import note_death, tell_recovery

logger = structlog.get_logger(__name__)

WALL = WallClock()
EXTEND_EVERY_S = 1.0
TAKE_OVER_EVERY_S = 1.0
HOST = socket.gethostname()[:30].replace("/", "-")
CLAIMANT = f"{HOST}/{os.getpid()}/{BOOT_ID}"


class ModeNotBuilt(TradingError):
    """The account's mode has no venue here yet."""


@cache
def _session_clock(session_id: int) -> SessionClock:
    return SessionClock(session_id, WALL)


@cache
def _market(session_id: int, mode: Mode) -> MarketData:
    session = MarketSession.objects.get(pk=session_id)
    return market_for_session(session, mode, _session_clock(session_id))


def forget_markets() -> None:
    """Drop the markets this process keeps; a test or an import may have changed what they read."""
    _session_clock.cache_clear()
    _market.cache_clear()


def market_for(account: ExchangeAccount) -> MarketData:
    """The market of an account, one object per process. Raises ``ModeNotBuilt``."""
    mode = Mode(account.mode)
    if mode not in (Mode.SIM, Mode.REPLAY):
        raise ModeNotBuilt(f"{account} can't be traded yet: mode {mode} has no venue here")
    return _market(account.market_session.pk, mode)


def stepped_market_for(account: ExchangeAccount, clock: MarketClock) -> MarketData:
    """The same market on a clock that a driver steps."""
    return market_for_session(account.market_session, Mode(account.mode), clock)


def client_for(account: ExchangeAccount, market: MarketData) -> ExchangeClient:
    """The venue of an account. Raises ``ModeNotBuilt``."""
    if not account.uses_paper_ledger:
        raise ModeNotBuilt(f"{account} can't be traded yet: mode {account.mode} has no venue here")
    open_ledger(account, market.now())
    return PaperExchange(account, market)


def analyst_for(profile: AnalystProfile) -> Analyst:
    """The analyst a profile names."""
    kinds = {AnalystKind.TECHNICAL: TechnicalAnalyst}
    return kinds[AnalystKind(profile.kind)]()


def cycle_ports(account: ExchangeAccount, profile: AnalystProfile) -> CyclePorts:
    return CyclePorts(
        market=market_for(account), analyst=analyst_for(profile), clock=WALL, claimant=CLAIMANT
    )


def claimant_alive(claimant: str) -> bool:
    """Whether the process that claimed a cycle still lives. Other hosts are believed to."""
    host, _, process = claimant.rpartition("/")[0].partition("/")
    if host and host != HOST:
        return True
    if process == str(os.getpid()):
        return claimant == CLAIMANT
    return process.isdigit() and _process_exists(int(process))


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class AccountTrader(threading.Thread):
    """Keeps one account traded: waits for the lease, trades, recovers after a fall."""

    def __init__(self, account: ExchangeAccount) -> None:
        super().__init__(name=f"trader-{account.pk}", daemon=True)
        self.account = account
        self.stopping = threading.Event()

    def run(self) -> None:
        """Trade until told to stop; whatever ends a trader, the next one recovers."""
        while not self.stopping.is_set():
            close_old_connections()
            try:
                self._trade_once()
            except PlugPulled:
                continue
            except LeaseLost as exc:
                logger.warning("passive again", account=self.account.pk, reason=str(exc))
            except Exception:
                logger.exception("trader fell; it starts again", account=self.account.pk)
            self.stopping.wait(TAKE_OVER_EVERY_S)
        connection.close()

    def _trade_once(self) -> None:
        lease = AccountLease(self.account, WALL)
        if not self._wait_for(lease):
            return
        ended = False
        try:
            self._trade(lease)
            ended = True
        finally:
            if ended:
                lease.release()
            else:
                lease.abandon()

    def _trade(self, lease: AccountLease) -> None:
        clock = _session_clock(self.account.market_session.pk)
        clock.resume()
        market = market_for(self.account)
        desk = Desk(
            account=self.account,
            client=client_for(self.account, market),
            market=market,
            clock=WALL,
            lease=lease,
            stop=self.stopping,
        )
        pusher = threading.Thread(
            target=self._push_time, args=(clock, desk), name="market-time", daemon=True
        )
        clock.extend()
        pusher.start()
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
            pusher.join(timeout=2)
        clock.freeze()

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

    def _push_time(self, clock: SessionClock, desk: Desk) -> None:
        """Market time runs while the lease is ours: no trader, no time."""
        while not desk.lease_over.wait(EXTEND_EVERY_S):
            close_old_connections()
            try:
                if desk.lease.seconds_left > 0:
                    clock.extend()
            except DatabaseError:
                # Time stands still until the database answers; the thread must outlive that.
                logger.warning("market time could not be extended", exc_info=True)
        connection.close()


class TraderSupervisor:
    """One trader per active account of this installation, or of those named."""

    def __init__(self, account_ids: list[int] | None = None) -> None:
        self._account_ids = account_ids
        self._traders: dict[int, AccountTrader] = {}

    @property
    def accounts(self) -> list[ExchangeAccount]:
        """Accounts that have a trader here, trading or waiting to take over."""
        return [trader.account for trader in self._traders.values()]

    def start(self) -> None:
        """Start a trader for every account that can be traded here."""
        accounts = ExchangeAccount.objects.filter(is_active=True).exclude(market_session=None)
        if self._account_ids is not None:
            accounts = accounts.filter(pk__in=self._account_ids)
        for account in accounts:
            if account.pk not in self._traders and account.market_session.speed > 0:
                trader = AccountTrader(account)
                self._traders[account.pk] = trader
                trader.start()

    def stop(self, timeout: float) -> None:
        """Ask all to end cleanly and wait for them, at most ``timeout`` seconds together."""
        for trader in self._traders.values():
            trader.stopping.set()
        deadline = WALL.monotonic() + timeout
        for trader in self._traders.values():
            trader.join(max(0.0, deadline - WALL.monotonic()))
