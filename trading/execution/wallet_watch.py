"""What is looked at beside the trader, where it never keeps an exit waiting: the daily comparison
with the wallet, and whether the prices of closed trades were all there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import structlog
from django.db import DatabaseError, close_old_connections, connection

from exchange.errors import ExchangeError, MarketDataError
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.accounting import days_between
from trading.errors import TradingError
from trading.execution.desk import Desk
from trading.execution.unseen import unverifiable_mark
from trading.models import Trade, WalletCheck
from trading.wallet_check import (
    LedgerReader,
    books_begin,
    wallet_checks_run,
)

logger = structlog.get_logger(__name__)

LOOK_EVERY_S = 15.0
TICK_S = 0.5
# How many of the newest days a person's wish compares again.
DAYS_ON_DEMAND = 7


class WalletWatch(threading.Thread):
    """Compares the complete days of one desk's account, with a connection of its own to the
    venue, until the desk's lease is over."""

    def __init__(
        self,
        desk: Desk,
        open_reader: Callable[[ExchangeAccount], LedgerReader],
        open_history: Callable[[ExchangeAccount], MarketData],
    ) -> None:
        super().__init__(name=f"wallet-{desk.account.pk}", daemon=True)
        self._desk = desk
        self._open_reader = open_reader
        self._open_history = open_history
        self._verified: set[int] = set()
        self._reader: LedgerReader | None = None

    def run(self) -> None:
        """Look every few seconds whether a day is due, and at once when asked."""
        waited = LOOK_EVERY_S
        try:
            while not self._desk.lease_over.wait(TICK_S):
                waited += TICK_S
                asked = self._desk.wallet_asked.is_set()
                if asked or waited >= LOOK_EVERY_S:
                    waited = 0.0
                    close_old_connections()
                    self.turn(asked=asked)
        finally:
            connection.close()

    def turn(self, *, asked: bool = False) -> None:
        """Look once at all there is to see; whatever goes wrong, the next turn comes."""
        try:
            self.look(asked=asked)
            self.verify()
        except (ExchangeError, MarketDataError, TradingError, DatabaseError) as exc:
            logger.warning("the wallet was not compared", error=str(exc))
        except Exception:
            # Nobody would miss a thread that ended here until the books were wrong for long.
            logger.exception("the wallet was not compared")

    def look(self, *, asked: bool = False) -> list[WalletCheck]:
        """Compare what is due; ``asked`` takes the newest days again."""
        desk = self._desk
        desk.wallet_asked.clear()
        if self._reader is None:
            self._reader = self._open_reader(desk.account)
        now = desk.market.now()
        return wallet_checks_run(
            desk.account,
            self._reader,
            market_now=now,
            wall_now=desk.clock.now(),
            days=newest_days(desk.account, now.date()) if asked else None,
        )

    def verify(self) -> list[Trade]:
        """Mark trades whose prices were missing while they were open."""
        account = self._desk.account
        return unverifiable_mark(account, self._open_history(account), self._verified)


def newest_days(account: ExchangeAccount, today: date) -> Sequence[date]:
    """The days that a person's wish compares: the newest complete ones."""
    first = max(books_begin(account, today), today - timedelta(days=DAYS_ON_DEMAND))
    return days_between(first, today - timedelta(days=1))
