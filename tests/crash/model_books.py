"""What the trader of the state machine knows: its rows, what it has booked, what it remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from exchange.domain import ZERO, Execution, OrderReport, Side
from tests.crash.model_rows import Row, Signal, Trade
from tests.crash.model_venue import ModelVenue
from trading.choices import ExitReason, OrderRole, TradeState
from trading.domain import protocol
from trading.domain.order import FINAL, WORKING, state_after_report
from trading.domain.ownership import Holding, share_of
from trading.domain.trade import fold


@dataclass
class ModelBooks:
    """``rows``, ``signals``, ``trades`` and what is booked survive a crash; what stands below
    ``alive`` is memory."""

    venue: ModelVenue
    deliver: Callable[[list[OrderReport | Execution]], list[OrderReport | Execution]]
    signals: list[Signal] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    booked: set[str] = field(default_factory=set)
    foreign: Decimal = ZERO
    kill: bool = False
    # World facts that the loop learns of.
    clock_offset_ms: int = 0
    quote_age_s: float = 0.0
    crash_at: str = ""
    # Memory.
    alive: bool = False
    reconciled: bool = False
    reconciled_at: float = -1e9
    history: dict[int, protocol.StopHistory] = field(default_factory=dict)
    read_back_at: float = -1e9
    differs_since: float | None = None
    external: bool = False
    posted: list[tuple[Row, tuple[str, ...]]] = field(default_factory=list)

    def _hear(self) -> None:
        told, missed = self.venue.drain()
        if missed:
            self.reconciled, self.reconciled_at = False, -1e9
        self._book(self.deliver(told))

    def _book(self, told: list[OrderReport | Execution]) -> None:
        for one in told:
            if isinstance(one, Execution):
                self._book_execution(one)
            else:
                self._book_report(one)
        self._settle()

    def _book_execution(self, execution: Execution) -> None:
        if execution.exec_id in self.booked:
            return
        self.booked.add(execution.exec_id)
        row = self.rows.get(execution.order_link_id)
        trade = self._trade_of(row.signal) if row else self._live()
        share = execution.qty
        if row is None:
            share = share_of(execution, self._holding(trade))
            self.foreign += (execution.qty - share) * execution.side.sign
            self.external = self.external or share < execution.qty
        if trade is not None and share:
            trade.book = fold(trade.book, replace(execution, qty=share))

    def _book_report(self, report: OrderReport) -> None:
        row = self.rows.get(report.order_link_id)
        if row is None:
            return
        row.filled = max(row.filled, report.filled_qty)
        state = state_after_report(row.state, report.status)
        if state is not row.state:
            row.move(state)

    def _settle(self) -> None:
        for trade in self.trades:
            entry = self._entry(trade)
            over = entry.state in FINAL and entry.filled <= trade.book.entry_qty
            is_open = trade.book.open_qty > 0
            if trade.state in (TradeState.CANCELLED, TradeState.CLOSED) and is_open:
                trade.state = TradeState.OPEN
                trade.close(ExitReason.LATE_FILL)
            if trade.state is TradeState.PENDING and trade.book.entry_qty > 0:
                trade.state = TradeState.OPEN
            if trade.state is TradeState.OPEN and trade.book.open_qty <= 0 and over:
                trade.state, trade.close_wanted = TradeState.CLOSED, None
            elif trade.state is TradeState.PENDING and over:
                trade.state = TradeState.CANCELLED

    # Rows.

    def _new_row(self, role: OrderRole, signal: Signal, qty: Decimal) -> Row:
        link_id = f"at1-{len(self.rows):026d}-{role.value}"
        row = Row(link_id, role, signal.number, qty, self.venue.now)
        row.history.append((row.state, ZERO))
        self.rows[link_id] = row
        return row

    def _entry(self, trade: Trade) -> Row:
        return next(
            row
            for row in self.rows.values()
            if row.role is OrderRole.ENTRY and row.signal == trade.signal.number
        )

    def _trade_of(self, signal: int) -> Trade | None:
        return next((trade for trade in self.trades if trade.signal.number == signal), None)

    def _live(self) -> Trade | None:
        states = (TradeState.PENDING, TradeState.OPEN)
        return next((trade for trade in self.trades if trade.state in states), None)

    def _holding(self, trade: Trade | None) -> Holding | None:
        if trade is None:
            return None
        entry = self._entry(trade)
        reported = max(ZERO, entry.filled - trade.book.entry_qty)
        working = entry.qty - entry.filled if entry.state in WORKING else ZERO
        return Holding(Side.BUY, trade.book.open_qty, reported, working)
