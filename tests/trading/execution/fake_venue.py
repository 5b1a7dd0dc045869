"""A venue at the ``ExchangeClient`` port that does what the paper venue can't: lose answers, show
things late, refuse or ignore stops, and hold what other people traded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import connection

from exchange.domain import (
    ZERO,
    AccountUpdate,
    Balance,
    Execution,
    ExecutionKind,
    LedgerEntry,
    LedgerKind,
    OrderAck,
    OrderReport,
    OrderRequest,
    OrderType,
    PositionReport,
    Side,
    TimeInForce,
    VenueHealth,
    VenueOrderStatus,
    quantise,
)
from exchange.errors import ExchangeUnavailable, OrderOutcomeUnknown, OrderRejected
from exchange.ports import MarketData
from trading.models import Order

FEE_RATE = Decimal("0.00055")


class FakeVenue:
    """Orders fill at once where they can (``fills``), at the last price; limit GTC orders rest.

    ``down`` names calls that raise; ``lose`` loses the answer to the next orders "before" or
    "after" they are taken; ``hidden`` orders are not found, nor are their executions.
    """

    def __init__(self, market: MarketData, wallet: Decimal = Decimal(10_000)) -> None:
        self.market = market
        self.wallet = wallet
        self.posts: list[OrderRequest] = []
        self.states_at_post: list[str] = []
        self.cancels: list[str] = []
        self.stop_calls: list[tuple[Decimal | None, Decimal | None]] = []
        self.lookups = 0
        self.condition = VenueHealth()
        self.closed = False
        self.reports: dict[str, OrderReport] = {}
        self.fills_done: list[Execution] = []
        self.entries: list[LedgerEntry] = []
        self.holdings: dict[str, PositionReport] = {}
        self.news: list[AccountUpdate] = []
        self.down: set[str] = set()
        self.hidden: set[str] = set()
        self.lose = ""
        self.rejects = ""
        self.fills = True
        self.ignore_stops = False
        self.stop_refusal = ""
        self.before_look: Callable[[], object] | None = None
        self.before_post: Callable[[OrderRequest], object] | None = None
        self.before_stop: Callable[[], object] | None = None
        self.before_cancel: Callable[[], object] | None = None
        self.before_leverage: Callable[[], object] | None = None

    def place_order(
        self, request: OrderRequest, *, last_look: Callable[[], None] | None = None
    ) -> OrderAck:
        assert not connection.in_atomic_block, "the intent must be committed before the POST"
        if self.before_look is not None:
            self.before_look()
        if last_look is not None:
            last_look()
        self.posts.append(request)
        self.states_at_post.append(Order.objects.get(order_link_id=request.order_link_id).state)
        if self.before_post is not None:
            self.before_post(request)
        if self.rejects:
            raise OrderRejected(f"refused: {self.rejects}", code=self.rejects)
        if self.lose == "before":
            raise OrderOutcomeUnknown("the connection broke")
        report = self.take(request)
        if self.lose == "after":
            raise OrderOutcomeUnknown("no answer in time")
        return OrderAck(request.order_link_id, report.order_id)

    def take(self, request: OrderRequest, *, told: bool = True) -> OrderReport:
        """Accept an order, as when it arrives late, and fill it if it can fill."""
        now = self.market.now()
        qty = request.qty
        if request.close_all:
            qty = self.size(request.symbol)
        report = OrderReport(
            order_link_id=request.order_link_id,
            order_id=f"v{len(self.reports) + 1}",
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            status=VenueOrderStatus.NEW,
            qty=qty,
            filled_qty=ZERO,
            avg_price=None,
            price=request.price,
            reduce_only=request.reduce_only,
            created_at=now,
            updated_at=now,
        )
        self.reports[request.order_link_id] = report
        self._tell(told, orders=(report,))
        rests = request.order_type is OrderType.LIMIT and request.time_in_force is TimeInForce.GTC
        if self.fills and not rests:
            self.fill(request.order_link_id, told=told)
        return self.reports[request.order_link_id]

    def fill(
        self,
        link_id: str,
        qty: Decimal | None = None,
        *,
        price: Decimal | None = None,
        told: bool = True,
    ) -> Execution:
        """Fill an order, whole or in part."""
        report = self.reports[link_id]
        qty = report.qty - report.filled_qty if qty is None else qty
        filled = report.filled_qty + qty
        done = filled >= report.qty
        price = price or self.market.quote(report.symbol).last
        report = replace(
            report,
            status=VenueOrderStatus.FILLED if done else VenueOrderStatus.PARTIALLY_FILLED,
            filled_qty=filled,
            avg_price=price,
            updated_at=self.market.now(),
        )
        self.reports[link_id] = report
        return self._execute(report, qty, price, ExecutionKind.TRADE, told)

    def trigger(self, symbol: str, kind: ExecutionKind, price: Decimal) -> Execution:
        """Let the attached stop or target close the position, with an order of the venue's."""
        held = self.holdings[symbol]
        assert held.side is not None
        return self.stranger(symbol, held.side.opposite, held.qty, price=price, kind=kind)

    def stranger(
        self,
        symbol: str,
        side: Side,
        qty: Decimal,
        *,
        price: Decimal | None = None,
        kind: ExecutionKind = ExecutionKind.TRADE,
        link_id: str = "",
        told: bool = True,
    ) -> Execution:
        """A fill that no order of ours asked for."""
        now = self.market.now()
        price = price or self.market.quote(symbol).last
        report = OrderReport(
            order_link_id=link_id,
            order_id=f"other{len(self.fills_done) + 1}",
            symbol=symbol,
            side=side,
            order_type=OrderType.MARKET,
            status=VenueOrderStatus.FILLED,
            qty=qty,
            filled_qty=qty,
            avg_price=price,
            price=None,
            reduce_only=False,
            created_at=now,
            updated_at=now,
        )
        return self._execute(report, qty, price, kind, told)

    def _execute(
        self, report: OrderReport, qty: Decimal, price: Decimal, kind: ExecutionKind, told: bool
    ) -> Execution:
        execution = Execution(
            exec_id=f"x{len(self.fills_done) + 1}",
            order_id=report.order_id,
            order_link_id=report.order_link_id,
            symbol=report.symbol,
            side=report.side,
            qty=qty,
            price=price,
            fee=quantise(qty * price * FEE_RATE),
            is_maker=False,
            kind=kind,
            time=self.market.now(),
        )
        self.fills_done.append(execution)
        realised = self._move(execution)
        self.wallet += realised - execution.fee
        self.entries.append(
            LedgerEntry(
                entry_id=f"l{len(self.entries) + 1}",
                kind=LedgerKind.EXECUTION,
                symbol=execution.symbol,
                amount=realised - execution.fee,
                time=execution.time,
                exec_id=execution.exec_id,
            )
        )
        self._tell(told, orders=(report,), executions=(execution,))
        return execution

    def _move(self, execution: Execution) -> Decimal:
        held = self.holdings.get(execution.symbol)
        signed = self.size(execution.symbol, signed=True) + execution.qty * execution.side.sign
        old_avg = held.avg_price if held and held.avg_price else ZERO
        closing = held is not None and held.side is not execution.side
        if signed == 0:
            self.holdings.pop(execution.symbol, None)
        else:
            average = old_avg
            if not closing:
                before = held.qty if held else ZERO
                value = before * old_avg + execution.qty * execution.price
                average = value / (before + execution.qty)
            sent = {request.order_link_id: request for request in self.posts}
            request = sent.get(execution.order_link_id)
            attach = request is not None and not request.reduce_only and not self.ignore_stops
            self.holdings[execution.symbol] = PositionReport(
                symbol=execution.symbol,
                side=Side.BUY if signed > 0 else Side.SELL,
                qty=abs(signed),
                avg_price=average,
                stop_loss=request.stop_loss
                if attach and request
                else (held.stop_loss if held else None),
                take_profit=request.take_profit
                if attach and request
                else (held.take_profit if held else None),
                leverage=Decimal(2),
                mark=None,
                updated_at=execution.time,
            )
        if not closing or held is None or held.side is None:
            return ZERO
        return quantise(held.side.sign * (execution.price - old_avg) * execution.qty)

    def pay_funding(self, symbol: str, amount: Decimal, *, told: bool = True) -> LedgerEntry:
        """A settlement that changes the wallet by ``amount``."""
        entry = LedgerEntry(
            f"f{len(self.entries) + 1}", LedgerKind.FUNDING, symbol, amount, self.market.now()
        )
        self.entries.append(entry)
        self.wallet += amount
        self._tell(told, ledger=(entry,))
        return entry

    def _tell(
        self,
        told: bool,
        *,
        orders: tuple[OrderReport, ...] = (),
        executions: tuple[Execution, ...] = (),
        ledger: tuple[LedgerEntry, ...] = (),
    ) -> None:
        if told:
            self.news.append(AccountUpdate(orders, executions, ledger))

    def size(self, symbol: str, *, signed: bool = False) -> Decimal:
        held = self.holdings.get(symbol)
        if held is None or held.side is None:
            return ZERO
        return held.qty * held.side.sign if signed else held.qty

    def cancel_order(self, *, symbol: str, order_link_id: str) -> None:
        self._refuse_when_down("cancel_order")
        if self.before_cancel is not None:
            self.before_cancel()
        self.cancels.append(order_link_id)
        report = self.reports.get(order_link_id)
        if report is None or report.status.final or order_link_id in self.hidden:
            raise OrderRejected("not working", code="order_not_open")
        report = replace(report, status=VenueOrderStatus.CANCELLED, updated_at=self.market.now())
        self.reports[order_link_id] = report
        self._tell(True, orders=(report,))

    def set_trading_stop(
        self, *, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        if self.before_stop is not None:
            self.before_stop()
        self._refuse_when_down("set_trading_stop")
        self.stop_calls.append((stop_loss, take_profit))
        if self.stop_refusal:
            raise OrderRejected(self.stop_refusal, code="stop_wrong_side")
        if not self.ignore_stops:
            self.place_stop(symbol, stop_loss, take_profit)

    def place_stop(self, symbol: str, stop: Decimal | None, target: Decimal | None) -> None:
        """The levels as they stand, whoever set them."""
        held = self.holdings[symbol]
        self.holdings[symbol] = replace(held, stop_loss=stop, take_profit=target)

    def set_leverage(self, *, symbol: str, leverage: Decimal) -> None:
        if self.before_leverage is not None:
            self.before_leverage()
        self._refuse_when_down("set_leverage")

    def order(self, *, symbol: str, order_link_id: str) -> OrderReport | None:
        self.lookups += 1
        self._refuse_when_down("order")
        return None if order_link_id in self.hidden else self.reports.get(order_link_id)

    def open_orders(self) -> Sequence[OrderReport]:
        self._refuse_when_down("open_orders")
        return [
            report
            for link_id, report in self.reports.items()
            if not report.status.final and link_id not in self.hidden
        ]

    def executions(self, *, since: datetime, order_link_id: str = "") -> Sequence[Execution]:
        self._refuse_when_down("executions")
        return [
            execution
            for execution in self.fills_done
            if execution.time >= since
            and execution.order_link_id not in self.hidden
            and order_link_id in ("", execution.order_link_id)
        ]

    def positions(self) -> Sequence[PositionReport]:
        self._refuse_when_down("positions")
        return list(self.holdings.values())

    def balance(self) -> Balance:
        self._refuse_when_down("balance")
        return Balance(self.wallet, self.wallet, self.wallet, self.market.now())

    def ledger(self, *, since: datetime) -> Sequence[LedgerEntry]:
        self._refuse_when_down("ledger")
        return [entry for entry in self.entries if entry.time >= since]

    def drain(self) -> AccountUpdate:
        self._refuse_when_down("drain")
        told, self.news = self.news, []
        return AccountUpdate(
            orders=tuple(one for update in told for one in update.orders),
            executions=tuple(one for update in told for one in update.executions),
            ledger=tuple(one for update in told for one in update.ledger),
            positions=tuple(one for update in told for one in update.positions),
            resync=any(update.resync for update in told),
        )

    def health(self) -> VenueHealth:
        return self.condition

    def close(self) -> None:
        self.closed = True

    def _refuse_when_down(self, call: str) -> None:
        if call in self.down or "everything" in self.down:
            raise ExchangeUnavailable(f"{call} failed")
