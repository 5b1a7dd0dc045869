"""The trader in a few lines, for the state machine: rows without a database, rounds without I/O.

Every decision is the product's own (``trading.domain``); this only carries facts to it and answers
back, between the books and the venue.
"""

from __future__ import annotations

from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import (
    ZERO,
    OrderRequest,
    OrderType,
    Side,
)
from exchange.errors import ExchangeError, ExchangeUnavailable, OrderRejected
from tests.crash.model_rows import Row, Signal, Trade, exit_facts, lost
from tests.crash.model_switches import ModelSwitches
from tests.crash.model_venue import SYMBOL
from trading.choices import ExitReason, OrderRole, OrderState, TradeState
from trading.domain import protocol
from trading.domain.order import WORKING
from trading.domain.ownership import (
    Standing,
    difference_proved,
    explain_position,
)
from trading.domain.protocol import Absence, ExitForm, StopAnswer
from trading.domain.settings import SignalRules
from trading.domain.signal import drifted
from trading.domain.trade import TradeBook

RULES = SignalRules()
APPROVAL_TTL_S = 60.0
RECONCILE_EVERY_S = 60.0
READ_BACK_EVERY_S = 2.0
LOOK_UP_EVERY_S = 1.0


class ModelTrader(ModelSwitches):
    """``round`` does once what the loop does; ``crash`` forgets, ``start`` recovers."""

    def crash(self) -> None:
        self.alive = self.reconciled = self.external = False
        self.history, self.differs_since = {}, None
        for row in self.rows.values():
            row.readings = []

    def start(self) -> None:
        """Recovery: what was submitted is unknown, what was only stored never left."""
        self.alive = True
        self.reconciled_at = self.read_back_at = -1e9
        for row in self.rows.values():
            if row.state is OrderState.SUBMITTED:
                row.move(OrderState.UNKNOWN)
            elif row.state is OrderState.CREATED:
                row.move(OrderState.CANCELLED)
        for signal in self.signals:
            # What was approved before belongs to a bar that was missed: no catching up.
            if signal.state in ("approved", "claimed"):
                signal.state = "dropped"
        self._settle()

    def round(self) -> None:
        """Exits before protection, protection before entries; an error ends only its own part."""
        parts = (
            self._hear,
            self._switches,
            self._exits,
            self._protect,
            self._resolve,
            self._reconcile,
            self._entries,
        )
        for part in parts:
            if not self.alive:
                return
            try:
                part()
            except ExchangeError:
                continue

    # Sending.

    def _send(self, row: Row, request: OrderRequest) -> None:
        if self._dies("stored"):
            return
        row.move(OrderState.SUBMITTED)
        row.sent = self.venue.now
        if self._dies("submitted"):
            return
        if row.role is OrderRole.ENTRY and self.switched_off():
            row.move(OrderState.CANCELLED)
            self._settle()
            return
        error: ExchangeError | None = None
        try:
            self.venue.place(request)
        except ExchangeError as exc:
            error = exc
        if not self._dies("sent"):
            row.move(protocol.after_post(error))

    def _entries(self) -> None:
        for signal in self.signals:
            if signal.state == "waiting" and self.venue.now - signal.created > APPROVAL_TTL_S:
                signal.state = "expired"
            if signal.state != "approved":
                continue
            signal.state = "claimed"
            if self._dies("claimed"):
                return
            reasons = protocol.entry_gate(self.entry_facts())
            drift = drifted(Direction.LONG, signal.entry, signal.stop, self.venue.price, RULES)
            occupied = self._live() is not None or self.external
            if reasons or occupied or not drift.passed or self.refusal(signal):
                signal.state = "dropped"
                continue
            self._enter(signal)

    def entry_facts(self) -> protocol.EntryFacts:
        """What the loop knows now."""
        unknown = [row for row in self.rows.values() if row.state is OrderState.UNKNOWN]
        return protocol.EntryFacts(
            reconciled=self.reconciled,
            unresolved=tuple(SYMBOL for _ in unknown),
            doubts=("the stream is down",) if self.venue.stream_down else (),
            clock_offset_ms=self.clock_offset_ms,
            quote_age_s=self.quote_age_s,
            lease_left_s=15.0,
            kill="the KILL file is present" if self.kill else "",
        )

    def _enter(self, signal: Signal) -> None:
        signal.state = "executing"
        row = self._new_row(OrderRole.ENTRY, signal, signal.qty)
        book = TradeBook(side=Side.BUY, initial_stop=signal.stop)
        self.trades.append(Trade(signal, book, signal.stop, signal.target))
        self.posted.append((row, self.facts_of_world()))
        self._send(
            row,
            OrderRequest(
                row.link_id,
                SYMBOL,
                Side.BUY,
                OrderType.LIMIT,
                signal.qty,
                price=signal.entry,
                stop_loss=signal.stop,
                take_profit=signal.target,
            ),
        )

    def facts_of_world(self) -> tuple[str, ...]:
        """Reasons not to enter, seen without the product's gate."""
        worries = {
            "unknown order": any(r.state is OrderState.UNKNOWN for r in self.rows.values()),
            "stream": self.venue.stream_down,
            "clock": abs(self.clock_offset_ms) > 500,
            "quote": self.quote_age_s > 3,
            "not reconciled": not self.reconciled,
            "kill": self.kill,
        }
        return tuple(name for name, applies in worries.items() if applies)

    def _exits(self) -> None:
        trade = self._live()
        if trade is None or trade.close_wanted is None or trade.state is not TradeState.OPEN:
            return
        entry = self._entry(trade)
        if entry.state in WORKING and entry.state is not OrderState.UNKNOWN:
            self._cancel(entry)
            return
        exits = [
            row
            for row in self.rows.values()
            if row.role is OrderRole.EXIT and row.signal == trade.signal.number
        ]
        if exits and any(map(lost, exits)) and self._may_read(exits[-1]):
            exits[-1].readings.append(self._reading())
        order = protocol.next_exit(self._exit_facts(trade, exits))
        if order is None:
            if trade.book.open_qty <= trade.target_qty and trade.book.open_qty > 0:
                trade.close_wanted = None
            return
        row = self._new_row(OrderRole.EXIT, trade.signal, order.qty)
        request = OrderRequest(
            row.link_id,
            SYMBOL,
            Side.SELL,
            OrderType.MARKET,
            order.qty,
            reduce_only=True,
            close_all=order.form is ExitForm.CLOSE_ALL,
        )
        self._send(row, request)

    def _exit_facts(self, trade: Trade, exits: list[Row]) -> protocol.ExitFacts:
        ids = {row.link_id for row in exits}
        told = [
            one.qty
            for one in self.venue.executions
            if one.exec_id in self.booked and one.order_link_id in ids
        ]
        return exit_facts(trade, exits, sum(told, ZERO), self._reading())

    def _may_read(self, row: Row) -> bool:
        return not row.readings or self.venue.now - row.readings[-1].at_s >= LOOK_UP_EVERY_S

    def _reading(self) -> protocol.Reading:
        return protocol.Reading(max(ZERO, self.venue.position()), self.venue.now)

    def _take_back(self, row: Row) -> None:
        self._cancel(row)

    def _cancel(self, row: Row) -> ExchangeError | None:
        try:
            self.venue.cancel(row.link_id)
        except OrderRejected as exc:
            report, executions = self.venue.look_up(row.link_id)
            self._book([*([report] if report else []), *executions])
            return exc
        except ExchangeUnavailable as exc:
            return exc
        return None

    # Protecting.

    def _protect(self) -> None:
        trade = self._live()
        number = trade.signal.number if trade else -1
        history = self.history.get(number, protocol.StopHistory())
        pause = READ_BACK_EVERY_S if history.confirmed else 1.0
        if trade is None or trade.state is not TradeState.OPEN:
            return
        if self.venue.now - self.read_back_at < pause:
            return
        size = self.venue.position()
        if size <= 0:
            return
        self.read_back_at = self.venue.now
        wanted = protocol.Levels(trade.stop, trade.target)
        seen = protocol.Levels(self.venue.stop, self.venue.target)
        bounds = protocol.StopBounds(
            Side.BUY, trade.book.avg_entry, Decimal(6), frozenset({trade.signal.stop})
        )
        check = protocol.check_stop(wanted, seen, history, self.venue.now, bounds)
        self.history[number] = check.history
        if check.answer is StopAnswer.SET_AGAIN:
            self._set_stop(trade, number, check.history)
        elif check.answer is StopAnswer.ADOPT and seen.stop is not None:
            trade.stop, trade.target = seen.stop, seen.target or trade.target
        elif check.answer is StopAnswer.GIVE_UP and trade.close_wanted is None:
            trade.close(ExitReason.UNPROTECTED)

    def _set_stop(self, trade: Trade, number: int, history: protocol.StopHistory) -> None:
        try:
            self.venue.set_stop(trade.stop, trade.target)
        except OrderRejected as exc:
            if exc.code not in protocol.UNJUDGED:
                history = history.refused()
                self.history[number] = history
                if history.spent and trade.close_wanted is None:
                    trade.close(ExitReason.UNPROTECTED)
            return
        self.history[number] = history.taken()

    # Finding out.

    def _resolve(self) -> None:
        for row in list(self.rows.values()):
            if row.state is not OrderState.UNKNOWN:
                continue
            if self.venue.now - row.looked_up < LOOK_UP_EVERY_S:
                continue
            row.looked_up = self.venue.now
            report, executions = self.venue.look_up(row.link_id)
            if report is not None:
                self._book([report, *executions])
                continue
            row.not_found += 1
            if row.role is OrderRole.EXIT:
                row.readings.append(self._reading())
            self._judge(row)

    def _judge(self, row: Row) -> None:
        trade = self._trade_of(row.signal)
        evidence = protocol.Evidence(
            not_found=row.not_found,
            since_sent_s=self.venue.now - row.sent,
            readings=tuple(row.readings),
            booked_qty=trade.book.open_qty if trade else ZERO,
        )
        verdict = protocol.absence(row.role, evidence)
        if verdict is Absence.CANCEL_BY_ID:
            verdict = protocol.after_cancel_by_id(self._cancel(row))
        if verdict is Absence.NOT_PLACED and row.state is OrderState.UNKNOWN:
            row.move(OrderState.NOT_PLACED)
            self._settle()

    def _reconcile(self) -> None:
        if self.reconciled and self.venue.now - self.reconciled_at < RECONCILE_EVERY_S:
            return
        self._book(self.venue.everything())
        if self._dies("reconciling"):
            return
        live = self._live()
        ours = live.book.open_qty if live else ZERO
        unresolved = any(row.state is OrderState.UNKNOWN for row in self.rows.values())
        found = explain_position(ours, self.venue.position(), unresolved)
        self.external = found.standing in (Standing.EXTERNAL, Standing.INCREASED)
        clean = found.standing in (Standing.AGREED, Standing.UNSETTLED, Standing.EXTERNAL)
        if clean:
            self.reconciled, self.reconciled_at, self.differs_since = True, self.venue.now, None
            return
        self.reconciled = False
        if not difference_proved(self.differs_since, self.venue.now):
            self.differs_since = self.differs_since or self.venue.now
        elif found.standing is Standing.INCREASED:
            self.reconciled, self.reconciled_at = True, self.venue.now

    def _dies(self, where: str) -> bool:
        if strike := self.strikes.pop(where, None):
            strike()
        if self.crash_at != where:
            return False
        self.crash_at = ""
        self.crash()
        return True
