"""An account on Bybit as an ``ExchangeClient``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog

from exchange.bybit import parse
from exchange.bybit.account import AccountState, read_account
from exchange.bybit.endpoints import Endpoint, Priority
from exchange.bybit.history import History
from exchange.bybit.inbox import FrameSource, Sequences, read_batch
from exchange.bybit.params import (
    LINEAR,
    SETTLE_COIN,
    order_params,
    stop_params,
)
from exchange.bybit.parse import ClosedPnl, MarginMode, plain
from exchange.bybit.pulse import Pulse
from exchange.bybit.rest import BybitRest
from exchange.domain import (
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
)
from exchange.errors import (
    ExchangeUnavailable,
    MarketDataError,
    OrderNotSent,
    OrderOutcomeUnknown,
    OrderRejected,
    UnknownSymbol,
)

logger = structlog.get_logger(__name__)

ENTRY_RECV_WINDOW_MS = 2000
EXIT_RECV_WINDOW_MS = 5000
# Rows per page, each the most that its endpoint gives.
ORDERS_PER_PAGE, POSITIONS_PER_PAGE = 50, 200
# A leverage that was seen this recently is not asked for again; the stream tells of a change.
LEVERAGE_LASTS = timedelta(seconds=60)
# The venue shows a new leverage after a moment.
READ_BACK_AFTER_S = (0.0, 0.2, 0.5)
# Whoever asks for what stands now has exits to look after as well.
SOON_S = 3.0


class BybitClient:
    """Orders, positions and money of one account in one-way mode and isolated margin.

    Executions, ledger and closed P&L from before ``connected_at`` are not told: they are not ours
    to book. What stands now (positions, working orders) is told however old it is. ``stream`` is
    None where only questions are asked; ``drain`` is empty then. ``pulse`` ends with the client.
    """

    def __init__(
        self,
        rest: BybitRest,
        stream: FrameSource | None,
        instruments: Callable[[str], Instrument],
        *,
        connected_at: datetime,
        pulse: Pulse | None = None,
    ) -> None:
        self._rest = rest
        self._stream = stream
        self._pulse = pulse
        self._instruments = instruments
        self._connected_at = connected_at
        self._history = History(rest, connected_at)
        self._account = AccountState()
        self._leverage: dict[str, tuple[Decimal, datetime]] = {}
        self._newest: Sequences = {}

    # Orders

    def place_order(
        self, request: OrderRequest, *, last_look: Callable[[], None] | None = None
    ) -> OrderAck:
        leaving = request.reduce_only or request.close_all
        if not leaving:
            self._instrument(request.symbol)
        reply = self._rest.write(
            Endpoint.PLACE_ORDER,
            priority=Priority.PROTECT if leaving else Priority.ENTRY,
            recv_window_ms=EXIT_RECV_WINDOW_MS if leaving else ENTRY_RECV_WINDOW_MS,
            last_look=last_look,
            **order_params(request),
        )
        # An order was taken even if its id can't be read; its link id finds it.
        return OrderAck(request.order_link_id, str(reply.result.get("orderId") or ""))

    def cancel_order(self, *, symbol: str, order_link_id: str) -> None:
        self._rest.write(
            Endpoint.CANCEL_ORDER,
            priority=Priority.PROTECT,
            recv_window_ms=EXIT_RECV_WINDOW_MS,
            category=LINEAR,
            symbol=symbol,
            orderLinkId=order_link_id,
        )

    def amend_order(
        self,
        *,
        symbol: str,
        order_link_id: str,
        price: Decimal | None = None,
        qty: Decimal | None = None,
    ) -> None:
        """Ask for another price or total quantity; ``OrderRejected(code="order_not_open")`` when
        the order is not working."""
        self._rest.write(
            Endpoint.AMEND_ORDER,
            priority=Priority.ENTRY,
            recv_window_ms=ENTRY_RECV_WINDOW_MS,
            category=LINEAR,
            symbol=symbol,
            orderLinkId=order_link_id,
            price=price,
            qty=qty,
        )

    def order(self, *, symbol: str, order_link_id: str) -> OrderReport | None:
        named: dict[str, Any] = {"category": LINEAR, "symbol": symbol, "orderLinkId": order_link_id}
        for endpoint in (Endpoint.OPEN_ORDERS, Endpoint.ORDER_HISTORY):
            found = [
                parse.order_report(row)
                for row in self._rest.pages(
                    endpoint,
                    priority=Priority.PROTECT,
                    deadline_s=SOON_S,
                    limit=ORDERS_PER_PAGE,
                    **named,
                )
                if row.get("orderLinkId") == order_link_id
            ]
            if found:
                return max(found, key=lambda one: (one.status.final, one.updated_at))
        return None

    def open_orders(self) -> Sequence[OrderReport]:
        """Working orders, stops that the venue keeps for a position included."""
        found = {}
        for kind in ("Order", "StopOrder"):
            for row in self._rest.pages(
                Endpoint.OPEN_ORDERS,
                category=LINEAR,
                settleCoin=SETTLE_COIN,
                orderFilter=kind,
                openOnly=0,
                deadline_s=SOON_S,
                limit=ORDERS_PER_PAGE,
            ):
                one = parse.order_report(row)
                if not one.status.final:
                    found[one.order_id] = one
        return sorted(found.values(), key=lambda one: one.created_at)

    # Position

    def positions(self) -> Sequence[PositionReport]:
        reports = self._position_rows(settleCoin=SETTLE_COIN, limit=POSITIONS_PER_PAGE)
        return [one for one in reports if one.qty]

    def set_trading_stop(
        self, *, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        try:
            self._rest.write(
                Endpoint.TRADING_STOP,
                priority=Priority.PROTECT,
                recv_window_ms=EXIT_RECV_WINDOW_MS,
                **stop_params(symbol, stop_loss, take_profit),
            )
        except OrderRejected as refused:
            if refused.code != "invalid_order":
                raise
            code = self._why_no_stop(symbol, stop_loss)
            raise OrderRejected(str(refused), code=code) from refused

    def _why_no_stop(self, symbol: str, stop_loss: Decimal | None) -> str:
        """Bybit has one code for every unfit level; the position tells which it was."""
        try:
            held = [one for one in self._position_of(symbol) if one.qty]
        except ExchangeUnavailable:
            return "invalid_order"
        if not held:
            return "no_position"
        (one, *_) = held
        if stop_loss is None or one.mark is None or one.side is None:
            return "invalid_order"
        beyond = (stop_loss - one.mark) * one.side.sign >= 0
        return "stop_wrong_side" if beyond else "invalid_order"

    def set_leverage(self, *, symbol: str, leverage: Decimal) -> None:
        self._require_isolated()
        if self._seen_leverage(symbol) == leverage:
            return
        if leverage > self._instrument(symbol).max_leverage:
            raise OrderRejected(f"{symbol} allows no leverage of {leverage}.", code="leverage")
        if self._ask_leverage(symbol) == leverage:
            return
        try:
            self._rest.write(
                Endpoint.SET_LEVERAGE,
                priority=Priority.ENTRY,
                category=LINEAR,
                symbol=symbol,
                buyLeverage=plain(leverage),
                sellLeverage=plain(leverage),
            )
        except OrderOutcomeUnknown:
            logger.info("bybit_leverage_unanswered", symbol=symbol)
        self._read_back_leverage(symbol, leverage)

    def _read_back_leverage(self, symbol: str, leverage: Decimal) -> None:
        seen = None
        for pause in READ_BACK_AFTER_S:
            time.sleep(pause)
            seen = self._ask_leverage(symbol)
            if seen == leverage:
                return
        raise OrderRejected(f"{symbol} shows a leverage of {seen}.", code="leverage")

    def _ask_leverage(self, symbol: str) -> Decimal | None:
        """What the venue shows; ``OrderRejected(code="position_mode")`` in hedge mode."""
        reports = self._position_of(symbol)
        if symbol in self._account.hedged:
            raise OrderRejected(f"{symbol} is in hedge mode.", code="position_mode")
        for one in reports:
            self._leverage[symbol] = (one.leverage, self._rest.server_time.now())
            return one.leverage
        return None

    def _seen_leverage(self, symbol: str) -> Decimal | None:
        seen = self._leverage.get(symbol)
        if seen is None or self._rest.server_time.now() - seen[1] > LEVERAGE_LASTS:
            return None
        return seen[0]

    def _position_of(self, symbol: str) -> list[PositionReport]:
        """The rows of one symbol, which are there even while it is flat."""
        return self._position_rows(symbol=symbol)

    def _position_rows(self, **which: Any) -> list[PositionReport]:
        reports = []
        for row in self._rest.pages(
            Endpoint.POSITIONS,
            priority=Priority.PROTECT,
            deadline_s=SOON_S,
            category=LINEAR,
            **which,
        ):
            one = parse.position_report(row)
            self._account.see_mode(one.symbol, hedged=parse.is_hedged(row))
            reports.append(one)
        return reports

    def _require_isolated(self) -> None:
        facts = self._account.facts
        if facts is None or self._account.due(self._rest.server_time.now()):
            facts = self.refresh_account()
        if facts.margin_mode is not MarginMode.ISOLATED:
            message = f"The account is in {facts.margin_mode.name.lower()} margin."
            raise OrderRejected(message, code="margin_mode")

    # Money and history

    def balance(self) -> Balance:
        """The USDT wallet; also the moment at which the account's modes are looked at again."""
        facts = self._account.facts
        if facts is None or self._account.due(self._rest.server_time.now()):
            try:
                facts = self.refresh_account()
            except ExchangeUnavailable:
                if facts is None:
                    raise
                logger.warning("bybit_account_unread")
        reply = self._rest.read(
            Endpoint.WALLET_BALANCE, deadline_s=SOON_S, accountType="UNIFIED", coin=SETTLE_COIN
        )
        isolated = facts.margin_mode is MarginMode.ISOLATED
        return parse.balance(reply.result, time=reply.time, isolated=isolated)

    def executions(self, *, since: datetime, order_link_id: str = "") -> Sequence[Execution]:
        return self._history.executions(since=since, order_link_id=order_link_id)

    def ledger(self, *, since: datetime) -> Sequence[LedgerEntry]:
        return self._history.ledger(since=since)

    def closed_pnl(self, *, since: datetime) -> Sequence[ClosedPnl]:
        """What each closing order realised, oldest first. Not every environment has it."""
        return self._history.closed_pnl(since=since)

    # What is told unasked, and how things stand

    def drain(self) -> AccountUpdate:
        if self._stream is None:
            return AccountUpdate()
        read = read_batch(self._stream.take(), self._newest, since=self._connected_at)
        for symbol, hedged in read.modes.items():
            self._account.see_mode(symbol, hedged=hedged)
        now = self._rest.server_time.now()
        for one in read.update.positions:
            self._leverage[one.symbol] = (one.leverage, now)
        if read.update.resync:
            self._leverage.clear()
        return read.update

    def refresh_account(self) -> parse.AccountFacts:
        """Ask for the account's modes again, which ``health`` judges."""
        facts = read_account(self._rest)
        for symbol in self._account.hedged:
            # Only asking again shows that hedge mode was left.
            self._position_of(symbol)
        self._account.learn(facts, self._rest.server_time.now())
        return facts

    def health(self) -> VenueHealth:
        streams = () if self._stream is None else self._stream.doubts()
        now = self._rest.server_time.now()
        return VenueHealth(
            doubts=(*self._rest.health_doubts(), *streams, *self._account.doubts(now)),
            halted=self._rest.halted,
            clock_offset_ms=self._rest.server_time.offset_ms,
        )

    def close(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
        if self._stream is not None:
            self._stream.stop()
        self._rest.close()

    def _instrument(self, symbol: str) -> Instrument:
        try:
            return self._instruments(symbol)
        except UnknownSymbol as error:
            raise OrderRejected(str(error), code="unknown_symbol") from error
        except (ExchangeUnavailable, MarketDataError) as error:
            raise OrderNotSent(f"The rules of {symbol} are not known: {error}") from error
