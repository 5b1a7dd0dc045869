"""The trader of one account: one loop that needs only the database and the exchange.

Start-up is recovery: what was submitted is unknown now, ledger and exchange are compared, and
only a clean comparison opens entries. In each round exits come before protection, protection
before rules, and entries last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from exchange.candles import floor_time
from exchange.domain import PositionReport
from exchange.errors import ExchangeError, MarketDataError
from exchange.fault_points import fault_point
from trading.choices import (
    CancelReason,
    EventLevel,
    OrderRole,
    OrderState,
    TradeState,
)
from trading.domain.order import LIVE
from trading.domain.protocol import entry_gate
from trading.equity import point_save
from trading.events import record
from trading.execution.blackouts import flatten_for_blackouts
from trading.execution.booking import Booked, book
from trading.execution.commands import CommandRunner
from trading.execution.comparing import Comparing
from trading.execution.days import DayStarts
from trading.execution.desk import Desk
from trading.execution.entries import drop_interrupted, enter_approved, expire_approvals
from trading.execution.executor import cancel_entry, entry_facts, price_exits
from trading.execution.exits import ExitManager
from trading.execution.heartbeat import unsafe_reasons
from trading.execution.peak import PeakGuard
from trading.execution.protection import Protector
from trading.execution.protection_file import DeskProtection
from trading.execution.replacement import Replacing
from trading.execution.resolver import Resolver
from trading.execution.settling import OVER_TRADES, settle_trades
from trading.execution.sight import Sight
from trading.execution.unseen import tell_replayed
from trading.execution.withdrawing import Withdrawal
from trading.kill_progress import kill_carry
from trading.models import Order, Trade
from trading.selectors import LIVE_TRADES
from trading.waking import Bell

logger = structlog.get_logger(__name__)

ROUND_S = 0.05
EQUITY_EVERY = timedelta(minutes=15)


class LeaseLost(Exception):
    """Somebody else holds the account now; this trader must end."""


class Trader:
    """Drives one desk. ``step`` does one round, ``run`` repeats it until the desk's stop, at once
    when something is decided; ``deaf`` while the exchange does not answer."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.commands = CommandRunner(desk)
        self._exits = ExitManager(desk)
        self._withdrawal = Withdrawal(desk)
        self._replacing = Replacing(desk)
        self._protector = Protector(desk)
        self._resolver = Resolver(desk)
        self._comparing = Comparing(desk)
        self._sight = Sight(desk)
        self._days = DayStarts(desk)
        self._peak = PeakGuard(desk)
        self._bell = Bell(desk.account.pk)
        self._equity_at: datetime | None = None
        self._protection_file = DeskProtection(desk.account, desk.clock)
        self._positions: dict[str, object] = {}
        self._told: tuple[bool, tuple[str, ...], tuple[str, ...]] = (False, (), ())

    def start(self) -> None:
        """Recover: adopt, look up, compare. Entries stay off until the comparison is clean."""
        self._resolver.adopt_submitted()
        self._forget_created()
        drop_interrupted(self.desk)
        tell_replayed(self.desk)
        self._hear()
        self._comparing.run()
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
        # Told before the first round: a lease that shows no doubt is taken for a trader that sends.
        self.desk.doubts = list(entry_gate(entry_facts(self.desk)))
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
        """One round. True when something was done that may need another one.

        An error of venue or market ends one part of the round, never the parts that protect.
        """
        desk = self.desk
        self._keep_lease()
        booked = self._hear()
        commanded = self.commands.run() | kill_carry(desk.account)
        self._take_wishes()
        trades, orders = self._live()
        open_trades = [trade for trade in trades if trade.state == TradeState.OPEN]
        closing = {trade.pk for trade in open_trades if trade.close_wanted}
        self._tell_watchdog(open_trades)
        self._safely(self._withdrawal.run, trades, orders)
        sent = self._exits.send_exits([*trades, *self._too_late()])
        self._protector.check(open_trades)
        # What judges by many facts comes after what must not wait; the next round acts on it.
        flattened = self._safely(flatten_for_blackouts, desk, trades)
        unwanted = self._withdrawal.judge(orders)
        self._safely(self._exits.run_rules, open_trades)
        self._safely(self._exits.trim, open_trades, orders)
        self._safely(self._resolver.run, orders)
        self._safely(expire_approvals, desk)
        self._safely(price_exits, desk)
        self._comparing.hasten()
        if not desk.reconciled and self._comparing.due:
            self._comparing.run()
        self._note_doubts()
        self._safely(self._peak.watch, open_trades, booked.wallet_changed)
        entered = self._days.known() and enter_approved(desk, self._replacing)
        self._safely(self._equity, booked)
        if self._comparing.due:
            self._comparing.run()
        if desk.pulse is not None:
            desk.pulse(unsafe_reasons(desk, open_trades))
        desk.plug.between(desk.clock.monotonic())
        # A wish to close that came up in this round is sent in the next one, at once.
        wished = any(t.close_wanted and t.pk not in closing for t in open_trades)
        return any((booked, commanded, sent, entered, wished, unwanted, flattened))

    def _take_wishes(self) -> None:
        """What commands asked of the loop."""
        if self.commands.take("read_back"):
            self._protector.read_back()
        if self.commands.take("reconcile"):
            self._comparing.at_once()
        if self.commands.take("repair"):
            self._comparing.repair()

    def _safely(self, part: Callable[..., object], *facts: object) -> bool:
        try:
            return bool(part(*facts))
        except (ExchangeError, MarketDataError) as exc:
            logger.warning("part of a round ended early", part=part.__name__, error=str(exc))
            return False

    def _hear(self) -> Booked:
        """Book what the exchange told. Exits go on while it does not answer, entries do not."""
        desk = self.desk
        try:
            update = desk.client.drain()
        except ExchangeError as exc:
            logger.warning("the exchange does not answer", error=str(exc))
            desk.deaf = True
            return Booked()
        desk.deaf = False
        if update.executions:
            fault_point("K12")
        booked = book(desk.account, update)
        if update.resync or booked.foreign:
            # Something may have been missed, or is not ours: no entries until all is compared.
            desk.reconciled = False
            self._comparing.at_once()
        if self._moved(update.positions):
            self._protector.read_back()
        return booked

    def _moved(self, positions: Sequence[PositionReport]) -> bool:
        """Whether any position was told to have another size, stop or target than before."""
        told = {
            one.symbol: (one.side, one.qty, one.stop_loss, one.take_profit) for one in positions
        }
        moved = any(self._positions.get(symbol) != now for symbol, now in told.items())
        self._positions |= told
        return moved

    def _tell_watchdog(self, open_trades: Sequence[Trade]) -> None:
        problem = self._protection_file.update(open_trades)
        self.desk.blind_spots = (problem,) if problem else ()

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
            if not worked:
                self._bell.wait(ROUND_S)
        self.shut_down()

    def shut_down(self) -> None:
        """Clean stop: unfilled entries are cancelled, stops read back, positions stay."""
        for order in self._live()[1]:
            if order.role == OrderRole.ENTRY:
                cancel_entry(self.desk, order, CancelReason.MANUAL)
        self._hear()
        trades, orders = self._live()
        open_trades = [trade for trade in trades if trade.state == TradeState.OPEN]
        self._tell_watchdog(open_trades)
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
        facts = entry_facts(self.desk)
        self.desk.doubts = list(entry_gate(facts))
        self._sight.note(facts)
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

    def _equity(self, booked: Booked) -> None:
        """A point of the equity curve whenever the wallet changed, and every 15 minutes."""
        boundary = floor_time(self.desk.market.now(), EQUITY_EVERY)
        if not booked.wallet_changed and boundary == self._equity_at:
            return
        balance = self.desk.client.balance()
        self._equity_at = boundary
        point_save(
            self.desk.account, time=balance.time, wallet=balance.wallet, equity=balance.equity
        )
