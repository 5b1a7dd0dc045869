"""The trader of one account: one loop that needs only the database and the exchange.

Start-up is recovery: what was submitted is unknown now, ledger and exchange are compared, and
only a clean comparison opens entries. In each round exits come before protection, protection
before rules, and entries last.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from exchange.candles import floor_time
from exchange.errors import ExchangeError, MarketDataError
from trading.choices import (
    CancelReason,
    EventLevel,
    OrderRole,
    OrderState,
    TradeState,
)
from trading.domain.order import LIVE
from trading.domain.protocol import entry_gate
from trading.events import record
from trading.execution.booking import Booked, book, settle_trades
from trading.execution.commands import CommandRunner
from trading.execution.desk import Desk
from trading.execution.entries import drop_interrupted, enter_approved, expire_approvals
from trading.execution.executor import cancel_entry, entry_facts
from trading.execution.exits import ExitManager
from trading.execution.protection import Protector
from trading.execution.reconcile import Reconciliation, reconcile
from trading.execution.resolver import Resolver
from trading.models import EquityPoint, Order, Trade
from trading.selectors import LIVE_TRADES

logger = structlog.get_logger(__name__)

ROUND_S = 0.05
RECONCILE_EVERY_S = 60.0
OVER_TRADES = (TradeState.CANCELLED, TradeState.CLOSED)
EQUITY_EVERY = timedelta(minutes=15)


class LeaseLost(Exception):
    """Somebody else holds the account now; this trader must end."""


class Trader:
    """Drives one desk. ``step`` does one round, ``run`` repeats it until the desk's stop;
    ``deaf`` while the exchange does not answer."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.commands = CommandRunner(desk)
        self._exits = ExitManager(desk)
        self._protector = Protector(desk)
        self._resolver = Resolver(desk)
        self._reconciled_at: float | None = None
        self._equity_at: datetime | None = None
        self._differs = False
        self._told: tuple[bool, tuple[str, ...], tuple[str, ...]] = (False, (), ())

    def start(self) -> None:
        """Recover: adopt, look up, compare. Entries stay off until the comparison is clean."""
        self._resolver.adopt_submitted()
        self._forget_created()
        drop_interrupted(self.desk)
        self._hear()
        self._reconcile()
        agreed = self.desk.reconciled
        record(
            "engine_started",
            "Trader started and reconciled."
            if agreed
            else "Trader started; entries stay off until ledger and exchange agree.",
            account=self.desk.account,
            level=EventLevel.INFO if agreed else EventLevel.WARNING,
            data={"token": self.desk.lease.token},
            market_time=self.desk.market.now(),
        )
        self._tell()

    def _forget_created(self) -> None:
        """Orders that were stored and never sent: entries are cancelled, exits are asked anew."""
        now = self.desk.clock.now()
        rows = Order.objects.filter(account=self.desk.account, state=OrderState.CREATED)
        trade_ids = list(rows.values_list("trade_id", flat=True))
        rows.update(
            state=OrderState.CANCELLED,
            cancel_reason=CancelReason.NOT_PLACED,
            final_at=now,
            reject_reason="the trader stopped before it was sent",
        )
        settle_trades(trade_ids)

    def step(self) -> bool:
        """One round. True when something was done that may need another one."""
        desk = self.desk
        self._keep_lease()
        booked = self._hear()
        commanded = self.commands.run()
        trades, orders = self._live()
        self._exits.expire_entries(trades, orders)
        sent = self._exits.send_exits([*trades, *self._too_late()])
        open_trades = [trade for trade in trades if trade.state == TradeState.OPEN]
        closing = {trade.pk for trade in open_trades if trade.close_wanted}
        if self.commands.take("read_back"):
            self._protector.read_back()
        self._protector.check(open_trades)
        self._exits.run_rules(open_trades)
        self._exits.trim(open_trades, orders)
        self._resolver.run(orders)
        expire_approvals(desk)
        self._note_doubts()
        entered = enter_approved(desk)
        self._equity(booked)
        if self._reconcile_due():
            self._reconcile()
        desk.plug.between(desk.clock.monotonic())
        # A wish to close that came up in this round is sent in the next one, at once.
        wished = any(t.close_wanted and t.pk not in closing for t in open_trades)
        return bool(booked) or commanded or sent or entered or wished

    def _hear(self) -> Booked:
        """Book what the exchange told. Exits go on while it does not answer, entries do not."""
        try:
            update = self.desk.client.drain()
        except ExchangeError as exc:
            logger.warning("the exchange does not answer", error=str(exc))
            self.desk.deaf = True
            return Booked()
        self.desk.deaf = False
        return book(self.desk.account, update)

    def run(self) -> None:
        """Rounds until the desk's stop; an error of the venue ends a round, not the trader.

        ``start`` comes first.
        """
        while not self.desk.stop.is_set():
            try:
                worked = self.step()
            except (ExchangeError, MarketDataError) as exc:
                logger.warning("round ended early", error=str(exc))
                worked = False
                self._keep_lease()
            self.desk.stop.wait(0 if worked else ROUND_S)
        self.shut_down()

    def shut_down(self) -> None:
        """Clean stop: unfilled entries are cancelled, stops read back, positions stay."""
        for order in self._live()[1]:
            if order.role == OrderRole.ENTRY:
                cancel_entry(self.desk, order, CancelReason.MANUAL)
        self._hear()
        trades, orders = self._live()
        open_trades = [trade for trade in trades if trade.state == TradeState.OPEN]
        self._protector.read_back()
        self._protector.check(open_trades)
        kept = ", ".join(f"{t.symbol} (stop {t.stop_loss.normalize():f})" for t in open_trades)
        working = ", ".join(order.symbol for order in orders if order.role == OrderRole.ENTRY)
        record(
            "engine_stopped",
            f"Trader stopped. Positions that stay: {kept or 'none'}."
            + (f" Entries not confirmed as cancelled: {working}." if working else ""),
            account=self.desk.account,
            level=EventLevel.WARNING if working else EventLevel.NOTICE,
            market_time=self.desk.market.now(),
        )

    @property
    def deaf(self) -> bool:
        """Whether the exchange did not answer in the last round."""
        return self.desk.deaf

    def _too_late(self) -> list[Trade]:
        """Trades that were over when their entry filled, while another one holds the symbol."""
        over = Trade.objects.filter(account=self.desk.account, state__in=OVER_TRADES)
        return list(over.exclude(close_wanted=""))

    def _live(self) -> tuple[list[Trade], list[Order]]:
        account = self.desk.account
        trades = list(Trade.objects.filter(account=account, state__in=LIVE_TRADES))
        orders = list(Order.objects.filter(account=account, state__in=LIVE))
        return trades, orders

    def _note_doubts(self) -> None:
        """Reasons why entries are off now; they reach the lease row at once when they change."""
        self.desk.doubts = list(entry_gate(entry_facts(self.desk)))
        if self._told != self._state():
            self._tell()

    def _state(self) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
        return self.desk.reconciled, tuple(self.desk.doubts), tuple(self.desk.external)

    def _tell(self) -> None:
        self._told = self._state()
        renewed = self.desk.lease.renew(
            reconciled=self.desk.reconciled,
            doubts=self.desk.doubts,
            external=self.desk.external,
        )
        if not renewed:
            raise LeaseLost(f"the lease of {self.desk.account} has moved on")

    def _keep_lease(self) -> None:
        if self.desk.lease.renewal_due:
            self._tell()

    def _reconcile_due(self) -> bool:
        if self.commands.take("reconcile") or self._reconciled_at is None:
            return True
        pause = RECONCILE_EVERY_S if self.desk.reconciled else 1.0
        return self.desk.clock.monotonic() - self._reconciled_at >= pause

    def _reconcile(self) -> None:
        self._reconciled_at = self.desk.clock.monotonic()
        try:
            result = reconcile(self.desk)
        except ExchangeError as exc:
            logger.warning("not reconciled", error=str(exc))
            self.desk.reconciled = False
            return
        self._note_result(result)

    def _note_result(self, result: Reconciliation) -> None:
        self.desk.reconciled = result.clean
        new_external = set(result.external) - set(self.desk.external)
        self.desk.external = list(result.external)
        news = bool(result.differences) and not self._differs
        self._differs = bool(result.differences)
        if news:
            record(
                "engine_differs",
                "Ledger and exchange differ: " + "; ".join(result.differences),
                account=self.desk.account,
                level=EventLevel.CRITICAL,
                data={"differences": list(result.differences)},
                market_time=self.desk.market.now(),
            )
        for symbol in sorted(new_external):
            record(
                "trade_external",
                f"{symbol}: a position that is not ours. It is not touched.",
                account=self.desk.account,
                level=EventLevel.WARNING,
                market_time=self.desk.market.now(),
            )

    def _equity(self, booked: Booked) -> None:
        """A point of the equity curve whenever the wallet changed, and every 15 minutes."""
        boundary = floor_time(self.desk.market.now(), EQUITY_EVERY)
        if not booked.wallet_changed and boundary == self._equity_at:
            return
        balance = self.desk.client.balance()
        self._equity_at = boundary
        EquityPoint.objects.update_or_create(
            account=self.desk.account,
            time=balance.time,
            defaults={"wallet": balance.wallet, "equity": balance.equity},
        )
