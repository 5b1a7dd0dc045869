"""A venue in a few lines, for the state machine: one symbol, seconds as numbers, faults on demand.

It knows the truth and never forgets it; what it tells depends on the faults that are set.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from exchange.domain import (
    ZERO,
    Execution,
    ExecutionKind,
    OrderReport,
    OrderRequest,
    OrderType,
    Side,
    VenueOrderStatus,
)
from exchange.errors import ExchangeUnavailable, OrderOutcomeUnknown, OrderRejected
from tests.crash.model_money import EntryLeft, Money

START = datetime(2026, 1, 5, tzinfo=UTC)
SYMBOL = "BTCUSDT"


@dataclass
class ModelVenue:
    """``size`` is signed. Every list only grows; ``news`` holds what the stream would bring."""

    now: float = 0.0
    price: Decimal = Decimal(100)
    size: Decimal = ZERO
    stop: Decimal | None = None
    target: Decimal | None = None
    reports: dict[str, OrderReport] = field(default_factory=dict)
    requests: dict[str, OrderRequest] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    news: list[OrderReport | Execution] = field(default_factory=list)
    on_the_way: list[tuple[float, OrderRequest]] = field(default_factory=list)
    not_found_answers: dict[str, list[float]] = field(default_factory=dict)
    flips: int = 0
    interfered: list[float] = field(default_factory=list)
    money: Money = field(default_factory=Money)
    entries_left: list[EntryLeft] = field(default_factory=list)
    stamp: int = 0
    # How far the calendar is ahead of the seconds.
    day_shift: timedelta = timedelta(0)
    naked_since: float | None = None
    # Faults.
    post: str = "ack"
    late_s: float = 0.0
    reads_down: bool = False
    stream_down: bool = False
    missed_news: bool = False
    stops_refused: bool = False
    hidden_until: float = 0.0
    fill_share: Decimal = Decimal(1)

    def time(self) -> datetime:
        """Market time."""
        return START + self.day_shift + timedelta(seconds=self.now)

    def next_stamp(self) -> int:
        """What happens now comes after all that has a smaller one."""
        self.stamp += 1
        return self.stamp

    def near_midnight(self, before: timedelta) -> None:
        """The day is over but for ``before``; nothing else has happened since."""
        midnight = self.time().replace(hour=0, minute=0, second=0) + timedelta(days=1)
        self.day_shift += midnight - before - self.time()
        self.money.open_day(self.time(), self.price)

    def pass_to(self, now: float) -> None:
        """Late requests arrive in their order."""
        self.now = now
        self.money.open_day(self.time(), self.price)
        due = [entry for entry in self.on_the_way if entry[0] <= now]
        self.on_the_way = [entry for entry in self.on_the_way if entry[0] > now]
        for _, request in due:
            with suppress(OrderRejected):
                self._take(request)

    # What the trader calls.

    def place(self, request: OrderRequest) -> None:
        """One POST, with the fault that is set; each fault is used once."""
        if not request.reduce_only:
            self._note_leaving(request)
        fault, self.post = self.post, "ack"
        if fault == "reject":
            raise OrderRejected("refused", code="refused")
        if fault == "lost before":
            raise OrderOutcomeUnknown("the connection broke")
        if fault == "late":
            self.on_the_way.append((self.now + self.late_s, request))
            raise OrderOutcomeUnknown("no answer in time")
        self._take(request)
        if fault == "lost after":
            raise OrderOutcomeUnknown("no answer in time")

    def cancel(self, link_id: str) -> None:
        """Cancel a working order."""
        self._answer()
        report = self.reports.get(link_id)
        if report is None or report.status.final:
            raise OrderRejected("not open", code="order_not_open")
        self._report(replace(report, status=VenueOrderStatus.CANCELLED))

    def set_stop(self, stop: Decimal, target: Decimal) -> None:
        """Set both levels of the open position."""
        self._answer()
        if self.size == 0:
            raise OrderRejected("no position", code="no_position")
        if self.stops_refused:
            raise OrderRejected("refused", code="refused")
        self.stop, self.target = stop, target
        self._look_at_stop()

    def look_up(self, link_id: str) -> tuple[OrderReport | None, list[Execution]]:
        """An order and its executions, wherever they are; hidden ones are not found yet."""
        self._answer()
        if self.now < self.hidden_until or link_id not in self.reports:
            self.not_found_answers.setdefault(link_id, []).append(self.now)
            return None, []
        return self.reports[link_id], [
            one for one in self.executions if one.order_link_id == link_id
        ]

    def position(self) -> Decimal:
        """Signed size."""
        self._answer()
        return self.size

    def balance(self) -> Decimal:
        """The wallet."""
        self._answer()
        return self.money.wallet

    def day_start(self) -> Decimal:
        """Equity at 00:00 UTC."""
        self._answer()
        return self.money.open_day(self.time(), self.price)

    def everything(self) -> list[OrderReport | Execution]:
        """Orders and executions for a reconciliation."""
        self._answer()
        return [*self.reports.values(), *self.executions]

    def drain(self) -> tuple[list[OrderReport | Execution], bool]:
        """What the stream brought, and whether some of it was missed."""
        if self.stream_down:
            self.missed_news = self.missed_news or bool(self.news)
            self.news = []
            return [], False
        told, self.news = self.news, []
        missed, self.missed_news = self.missed_news, False
        return told, missed

    def _answer(self) -> None:
        if self.reads_down:
            raise ExchangeUnavailable("down")

    # What happens at the venue.

    def fill_working(self, share: Decimal) -> None:
        """Price comes to the resting orders and fills part of them."""
        for report in list(self.reports.values()):
            if not report.status.final:
                self._fill(report.order_link_id, (report.qty - report.filled_qty) * share)

    def hit_stop(self) -> None:
        """Price runs through the stop."""
        if self.size and self.stop is not None:
            self.price = min(self.price, self.stop) if self.size > 0 else self.price
            self._close_by_venue(abs(self.size), ExecutionKind.STOP_LOSS)

    def hit_target(self) -> None:
        """Price runs through the target."""
        if self.size and self.target is not None:
            self.price = self.target
            self._close_by_venue(abs(self.size), ExecutionKind.TAKE_PROFIT)

    def liquidate(self) -> None:
        """The venue takes the position."""
        self.interfered.append(self.now)
        if self.size:
            self._close_by_venue(abs(self.size), ExecutionKind.LIQUIDATION)

    def by_hand(self, change: Decimal) -> None:
        """Somebody trades the symbol in the app: a signed quantity."""
        self.interfered.append(self.now)
        side = Side.BUY if change > 0 else Side.SELL
        self._execute("", side, abs(change), ExecutionKind.TRADE)

    def move_stop_by_hand(self, stop: Decimal | None) -> None:
        """Somebody moves or removes the stop in the app."""
        if self.size:
            self.stop = stop
            self._look_at_stop()

    def _note_leaving(self, request: OrderRequest) -> None:
        start = self.money.open_day(self.time(), self.price)
        working = [(self.requests[link], report) for link, report in self._working_entries()]
        level = self.price if self.stop is None else self.stop
        worst = self.money.worst_day(start, level, working, request)
        self.entries_left.append(EntryLeft(request.order_link_id, self.next_stamp(), start, worst))

    def _working_entries(self) -> list[tuple[str, OrderReport]]:
        return [
            (link, report)
            for link, report in self.reports.items()
            if not report.reduce_only and not report.status.final
        ]

    def working_entries(self) -> list[str]:
        """Entries that may still fill."""
        return [link for link, _ in self._working_entries()]

    def _take(self, request: OrderRequest) -> None:
        link_id = request.order_link_id
        if link_id in self.requests:
            raise OrderRejected("used before", code="duplicate_link_id")
        qty = abs(self.size) if request.close_all else request.qty
        if request.reduce_only:
            closing = self.size * request.side.sign < 0
            if not closing:
                raise OrderRejected("nothing to reduce", code="reduce_only")
            qty = min(qty, abs(self.size))
        self.requests[link_id] = request
        self.accepted.append(link_id)
        self._report(
            OrderReport(
                order_link_id=link_id,
                order_id=f"v{len(self.accepted)}",
                symbol=SYMBOL,
                side=request.side,
                order_type=request.order_type,
                status=VenueOrderStatus.NEW,
                qty=qty,
                filled_qty=ZERO,
                avg_price=None,
                price=request.price,
                reduce_only=request.reduce_only,
                created_at=self.time(),
                updated_at=self.time(),
            )
        )
        if request.order_type is OrderType.MARKET:
            self._fill(link_id, qty)
        elif self.fill_share:
            self._fill(link_id, qty * self.fill_share)

    def _fill(self, link_id: str, qty: Decimal) -> None:
        report, request = self.reports[link_id], self.requests[link_id]
        if report.reduce_only:
            qty = min(qty, abs(self.size))
        filled = report.filled_qty + qty
        status = VenueOrderStatus.PARTIALLY_FILLED
        if filled == report.qty:
            status = VenueOrderStatus.FILLED
        if qty == 0:
            self._report(replace(report, status=VenueOrderStatus.CANCELLED))
            return
        if not report.reduce_only and self.size == 0:
            self.stop, self.target = request.stop_loss, request.take_profit
        self._report(replace(report, filled_qty=filled, status=status, avg_price=self.price))
        self._execute(link_id, report.side, qty, ExecutionKind.TRADE)

    def _close_by_venue(self, qty: Decimal, kind: ExecutionKind) -> None:
        self._execute("", Side.SELL if self.size > 0 else Side.BUY, qty, kind)

    def _execute(self, link_id: str, side: Side, qty: Decimal, kind: ExecutionKind) -> None:
        before = self.size
        self.size += qty * side.sign
        self.money.trade(qty * side.sign, self.price)
        if before * self.size < 0 and link_id and self.reports[link_id].reduce_only:
            self.flips += 1
        if self.size == 0 or before * self.size < 0:
            self.stop = self.target = None
            # Turned round by somebody else it is another position, and its time begins now.
            self.naked_since = None
            self._cancel_reducing()
        self._look_at_stop()
        execution = Execution(
            exec_id=f"x{len(self.executions) + 1}",
            order_id=self.reports[link_id].order_id if link_id else "venue",
            order_link_id=link_id,
            symbol=SYMBOL,
            side=side,
            qty=qty,
            price=self.price,
            fee=qty * self.price * Decimal("0.00055"),
            is_maker=False,
            kind=kind,
            time=self.time(),
        )
        self.executions.append(execution)
        self.news.append(execution)

    def _cancel_reducing(self) -> None:
        for report in list(self.reports.values()):
            if report.reduce_only and not report.status.final:
                self._report(replace(report, status=VenueOrderStatus.CANCELLED))

    def _report(self, report: OrderReport) -> None:
        report = replace(report, updated_at=self.time())
        self.reports[report.order_link_id] = report
        self.news.append(report)

    def _look_at_stop(self) -> None:
        naked = self.size != 0 and self.stop is None
        if not naked:
            self.naked_since = None
        elif self.naked_since is None:
            self.naked_since = self.now
