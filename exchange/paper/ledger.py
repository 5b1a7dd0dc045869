"""The paper venue as an ``ExchangeClient``: the engine, kept in the database.

Whatever a command or a price changed is committed before anyone is told, in a transaction of its
own. The state in memory is a copy of the tables and is read again after any failed write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import DataError, connection, transaction
from django.db import Error as DatabaseFailure

from exchange.domain import (
    ZERO,
    AccountUpdate,
    Balance,
    Execution,
    Instrument,
    LedgerEntry,
    OrderAck,
    OrderReport,
    OrderRequest,
    PositionReport,
    VenueHealth,
    quantise,
)
from exchange.errors import (
    ExchangeUnavailable,
    InsufficientBalance,
    MarketDataError,
    OrderOutcomeUnknown,
    OrderRejected,
    UnknownSymbol,
)
from exchange.models import ExchangeAccount, PaperAccount
from exchange.paper import margin, rows
from exchange.paper.advance import advance
from exchange.paper.engine import apply
from exchange.paper.state import (
    Cancel,
    OpenPosition,
    Outcome,
    PaperCommand,
    PaperState,
    Place,
    Refusal,
    SetLeverage,
    SetTradingStop,
)
from exchange.ports import MarketData

# What can keep the venue from moving on; a ValidationError is an amount the table cannot keep.
FAILURES = (DatabaseFailure, ValidationError, MarketDataError)


def open_ledger(account: ExchangeAccount, at: datetime) -> PaperAccount:
    """The wallet of a paper account, filled with its start equity the first time."""
    row, _ = PaperAccount.objects.get_or_create(
        account=account, defaults={"wallet": account.start_equity, "advanced_to": at}
    )
    return row


class PaperExchange:
    """One account on the paper venue.

    Every call first brings the venue to the market's present. Threads take turns. Calls inside an
    open transaction are refused with ``RuntimeError``: a roll-back there would undo a fill that
    the caller has already been told.
    """

    def __init__(self, account: ExchangeAccount, market: MarketData) -> None:
        self._account = account
        self._market = market
        self._turns = threading.Lock()
        self._instruments: dict[str, Instrument] = {}
        self._pending: list[AccountUpdate] = []
        self._state: PaperState | None = None
        self._loaded()

    def place_order(
        self, request: OrderRequest, *, last_look: Callable[[], None] | None = None
    ) -> OrderAck:
        def event(at: datetime) -> Place:
            if last_look is not None:
                last_look()
            if rows.link_id_used(self._account, request.order_link_id):
                message = f"The order link id {request.order_link_id} was used before."
                raise OrderRejected(message, code="duplicate_link_id")
            return Place(request, at, self._last(request.symbol))

        outcome = self._obey(request.symbol, event)
        return OrderAck(request.order_link_id, outcome.orders[0].order_id)

    def cancel_order(self, *, symbol: str, order_link_id: str) -> None:
        self._obey(symbol, lambda at: Cancel(symbol, order_link_id, at))

    def set_trading_stop(
        self, *, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        self._obey(
            symbol,
            lambda at: SetTradingStop(symbol, stop_loss, take_profit, at, self._last(symbol)),
        )

    def set_leverage(self, *, symbol: str, leverage: Decimal) -> None:
        self._obey(symbol, lambda at: SetLeverage(symbol, leverage, at))

    def order(self, *, symbol: str, order_link_id: str) -> OrderReport | None:
        with self._present():
            found = rows.find_order(self._account, symbol, order_link_id)
        return None if found is None else found.report()

    def open_orders(self) -> Sequence[OrderReport]:
        with self._present() as state:
            return tuple(order.report() for order in state.orders.values())

    def executions(self, *, since: datetime, order_link_id: str = "") -> Sequence[Execution]:
        with self._present():
            found = rows.executions_since(self._account, since)
        return [one for one in found if order_link_id in ("", one.order_link_id)]

    def positions(self) -> Sequence[PositionReport]:
        with self._present() as state:
            return tuple(self._position_report(state, one) for one in state.positions.values())

    def balance(self) -> Balance:
        with self._present() as state:
            unrealised = sum((self._unrealised(one) for one in state.positions.values()), ZERO)
            return Balance(
                wallet=state.wallet,
                equity=quantise(state.wallet + unrealised),
                available=max(ZERO, margin.available(state, self._instruments)),
                time=state.advanced_to,
            )

    def ledger(self, *, since: datetime) -> Sequence[LedgerEntry]:
        with self._present():
            return rows.ledger_since(self._account, since)

    def drain(self) -> AccountUpdate:
        """What happened since the last call. What nobody drained before a restart is not told
        again; ``executions`` and ``ledger`` have it."""
        with self._present():
            told, self._pending = self._pending, []
        return AccountUpdate(
            orders=tuple(one for update in told for one in update.orders),
            executions=tuple(one for update in told for one in update.executions),
            ledger=tuple(one for update in told for one in update.ledger),
        )

    def health(self) -> VenueHealth:
        """The paper venue is as reliable as its market; what that doubts is asked there."""
        return VenueHealth()

    def close(self) -> None:
        """Nothing is kept open."""

    @contextmanager
    def _present(self) -> Iterator[PaperState]:
        """A turn of reading, with the venue at the market's present."""
        _refuse_open_transaction()
        with self._turns:
            try:
                yield self._advanced()
            except FAILURES as exc:
                raise ExchangeUnavailable(f"The paper venue cannot answer: {exc}") from exc

    def _obey(self, symbol: str, event: Callable[[datetime], PaperCommand]) -> Outcome:
        """Carry out the command that ``event`` makes for the present, and keep its outcome."""
        _refuse_open_transaction()
        with self._turns:
            try:
                self._know(symbol)
                state = self._advanced()
                outcome = apply(state, event(state.advanced_to), self._instruments)
            except UnknownSymbol as exc:
                raise OrderRejected(str(exc), code="unknown_symbol") from exc
            except FAILURES as exc:
                message = f"The paper venue cannot take this: {exc}"
                raise OrderRejected(message, code="venue_unavailable") from exc
            if outcome.refusal is not None:
                raise _rejection(outcome.refusal)
            if outcome.state is not state:
                self._keep_command(state, outcome)
            return outcome

    def _keep_command(self, before: PaperState, outcome: Outcome) -> None:
        try:
            self._keep(before, outcome)
        except (ValidationError, DataError) as exc:
            # Either way the statement failed and the transaction was rolled back.
            message = f"The paper ledger cannot keep an amount of this: {exc}"
            raise OrderRejected(message, code="amount_not_storable") from exc
        except DatabaseFailure as exc:
            raise OrderOutcomeUnknown(f"The paper ledger did not confirm: {exc}") from exc

    def _loaded(self) -> PaperState:
        if self._state is None:
            state = rows.load(self._account)
            for symbol in state.symbols_of_interest():
                self._know(symbol)
            self._state = state
        return self._state

    def _know(self, symbol: str) -> None:
        if symbol not in self._instruments:
            self._instruments[symbol] = self._market.instrument(symbol)

    def _advanced(self) -> PaperState:
        """The state at the market's present. It costs no query while nothing happens."""
        before = self._loaded()
        now = self._market.now()
        if now <= before.advanced_to:
            return before
        if not before.orders and not before.positions:
            self._state = replace(before, advanced_to=now)
            return self._state
        outcome = advance(before, self._market, now, self._instruments)
        if outcome.update:
            self._keep(before, outcome)
        self._state = outcome.state
        return outcome.state

    def _keep(self, before: PaperState, outcome: Outcome) -> None:
        try:
            with transaction.atomic():
                rows.save(self._account, before, outcome)
        except BaseException:
            # Whether the commit landed is not known here, so the tables are asked next time.
            self._state = None
            raise
        self._state = outcome.state
        if outcome.update:
            self._pending.append(outcome.update)

    def _last(self, symbol: str) -> Decimal:
        return self._market.quote(symbol).last

    def _unrealised(self, position: OpenPosition) -> Decimal:
        value = self._last(position.symbol) * position.qty
        return position.side.sign * (value - position.cost)

    def _position_report(self, state: PaperState, position: OpenPosition) -> PositionReport:
        return PositionReport(
            symbol=position.symbol,
            side=position.side,
            qty=position.qty,
            avg_price=position.avg_price,
            stop_loss=position.stop_loss,
            take_profit=position.take_profit,
            leverage=state.leverage_of(position.symbol),
            mark=self._last(position.symbol),
            updated_at=position.updated_at,
        )


def _rejection(refusal: Refusal) -> OrderRejected:
    kind = InsufficientBalance if refusal.code == "insufficient_margin" else OrderRejected
    return kind(refusal.message, code=refusal.code)


def _refuse_open_transaction() -> None:
    if connection.in_atomic_block:
        raise RuntimeError(
            "The paper venue commits what happens on it, so it cannot be called inside an open "
            "transaction; finish that one first."
        )
