"""Compare our tables with the exchange and book what we missed.

Runs at start, every 60 seconds and on command. Until it is clean no entry leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from exchange.domain import ZERO, AccountUpdate, OrderReport, Side
from exchange.fields import quantise
from trading.choices import OrderState, TradeState
from trading.domain.order import WORKING
from trading.execution.booking import book
from trading.execution.desk import Desk
from trading.execution.identifiers import is_ours
from trading.models import Cashflow, Execution, Order, Trade
from trading.selectors import trade_book

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
LAST_PLACE = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """``differences`` are sentences; none means that ledger and exchange agree. ``external``
    are symbols with a position that no trade of ours explains."""

    differences: tuple[str, ...]
    external: tuple[str, ...]
    booked_executions: int

    @property
    def clean(self) -> bool:
        return not self.differences


def reconcile(desk: Desk) -> Reconciliation:
    """Book everything since the newest of ours, then compare orders, positions and wallet.

    Raises ``ExchangeError`` when the exchange does not answer: no answer is no agreement.
    """
    since = _since(desk)
    client = desk.client
    open_reports = {r.order_link_id: r for r in client.open_orders() if r.order_link_id}
    reports = (*open_reports.values(), *_missing_reports(desk, open_reports))
    update = AccountUpdate(
        orders=reports,
        executions=tuple(client.executions(since=since)),
        ledger=tuple(client.ledger(since=since)),
    )
    booked = book(desk.account, update)
    position_differences, external = _positions(desk)
    differences = (
        *_strange_orders(desk, open_reports),
        *position_differences,
        *_wallet(desk, bool(external)),
    )
    return Reconciliation(differences, external, booked.executions)


def _since(desk: Desk) -> datetime:
    """A little before the newest thing we booked, so that nothing in between is missed."""
    execution = Execution.objects.filter(account=desk.account).order_by("-time").first()
    cashflow = Cashflow.objects.filter(account=desk.account).order_by("-time").first()
    known = [row.time for row in (execution, cashflow) if row is not None]
    return min(known) - OVERLAP if len(known) == 2 else EPOCH


def _missing_reports(desk: Desk, open_reports: dict[str, OrderReport]) -> list[OrderReport]:
    """Orders that we think work and the exchange does not list: asked for one by one."""
    working = Order.objects.filter(account=desk.account, state__in=WORKING)
    found = (
        desk.client.order(symbol=order.symbol, order_link_id=order.order_link_id)
        for order in working
        if order.order_link_id not in open_reports
    )
    return [report for report in found if report is not None]


def _strange_orders(desk: Desk, open_reports: dict[str, OrderReport]) -> list[str]:
    ours = set(
        Order.objects.filter(order_link_id__in=open_reports).values_list("order_link_id", flat=True)
    )
    return [
        f"{report.symbol}: order {link_id} works on the exchange and is not in our tables"
        for link_id, report in open_reports.items()
        if is_ours(link_id) and link_id not in ours
    ]


def _positions(desk: Desk) -> tuple[list[str], tuple[str, ...]]:
    """Signed sizes, ours against the exchange's. An unknown order explains a difference for as
    long as it is being looked up."""
    account = desk.account
    theirs = {
        report.symbol: report.qty * report.side.sign
        for report in desk.client.positions()
        if report.side is not None and report.qty > 0
    }
    ours: dict[str, Decimal] = {}
    for trade in Trade.objects.filter(account=account, state=TradeState.OPEN):
        ours[trade.symbol] = trade_book(trade).open_qty * Side(trade.side).sign
    unknown = set(
        Order.objects.filter(account=account, state=OrderState.UNKNOWN).values_list(
            "symbol", flat=True
        )
    )
    external = tuple(sorted(symbol for symbol in theirs if symbol not in ours.keys() | unknown))
    differences = [
        f"{symbol}: we hold {ours.get(symbol, ZERO)}, the exchange {theirs.get(symbol, ZERO)}"
        for symbol in sorted(ours.keys() | theirs.keys())
        if ours.get(symbol, ZERO) != theirs.get(symbol, ZERO)
        and symbol not in unknown
        and symbol not in external
    ]
    return differences, external


def expected_wallet(desk: Desk) -> Decimal:
    """Start equity plus price results, minus fees, plus funding and transfers, from our rows."""
    account = desk.account
    total: Decimal = account.start_equity
    for trade in Trade.objects.filter(account=account).exclude(entry_qty=0):
        book_value = trade_book(trade)
        total += book_value.gross_pnl - book_value.fees
    for cashflow in Cashflow.objects.filter(account=account).only("amount"):
        total += cashflow.amount
    return quantise(total)


def _wallet(desk: Desk, has_external: bool) -> list[str]:
    """To the last of 8 places. Positions of others change the wallet too, so it is not compared
    while there are any."""
    foreign = Execution.objects.filter(account=desk.account, trade=None).exists()
    if has_external or foreign or not desk.account.uses_paper_ledger:
        return []
    ours, theirs = expected_wallet(desk), desk.client.balance().wallet
    if abs(ours - theirs) <= _tolerance(desk):
        return []
    return [f"wallet: we count {ours} USDT, the exchange {theirs} USDT"]


def _tolerance(desk: Desk) -> Decimal:
    """A part-closed trade spreads its cost by average, one unit of the last place per part."""
    open_parts = Trade.objects.filter(account=desk.account, state=TradeState.OPEN, exit_qty__gt=0)
    return LAST_PLACE * open_parts.count()
