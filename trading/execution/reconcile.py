"""Compare our tables with the exchange and book what we missed.

Runs at start, every 60 seconds and on command. Until it is clean no entry leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db.models import F

from exchange.domain import ZERO, AccountUpdate, OrderReport, Side, quantise
from trading.choices import OrderState, TradeState
from trading.domain.order import WORKING
from trading.domain.ownership import is_ours
from trading.execution.booking import book
from trading.execution.desk import Desk
from trading.models import Cashflow, Execution, Order, Trade
from trading.selectors import LIVE_TRADES, trade_book

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
# How often a difference is asked about before it is believed.
READINGS = 3
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

    The exchange goes on between two of our questions, so a difference is believed only when it
    is still there after booking and asking again. Raises ``ExchangeError`` when the exchange
    does not answer: no answer is no agreement.
    """
    booked = 0
    for _ in range(READINGS):
        open_reports, executions = _catch_up(desk)
        booked += executions
        positions, external = _positions(desk)
        wallet = [] if external else wallet_difference(desk)
        differences = (*_strange_orders(open_reports), *positions, *wallet)
        if not differences and not external:
            break
    return Reconciliation(differences, external, booked)


def _catch_up(desk: Desk) -> tuple[dict[str, OrderReport], int]:
    """Book what the exchange has and we may lack; returns the working orders by our id, and how
    many executions were new."""
    client = desk.client
    open_reports = {r.order_link_id: r for r in client.open_orders() if r.order_link_id}
    update = AccountUpdate(
        orders=(*open_reports.values(), *_missing_reports(desk, open_reports)),
        executions=tuple(client.executions(since=_since(desk, Execution))),
        ledger=tuple(client.ledger(since=_since(desk, Cashflow))),
    )
    return open_reports, book(desk.account, update).executions


def _since(desk: Desk, model: type[Execution] | type[Cashflow]) -> datetime:
    """A little before the newest that we booked, so that nothing in between is missed."""
    newest = model._default_manager.filter(account=desk.account).order_by("-time").first()
    return newest.time - OVERLAP if newest else EPOCH


def _missing_reports(desk: Desk, open_reports: dict[str, OrderReport]) -> list[OrderReport]:
    """Orders that we think work and the exchange does not list: asked for one by one."""
    working = Order.objects.filter(account=desk.account, state__in=WORKING)
    found = (
        desk.client.order(symbol=order.symbol, order_link_id=order.order_link_id)
        for order in working
        if order.order_link_id not in open_reports
    )
    return [report for report in found if report is not None]


def _strange_orders(open_reports: dict[str, OrderReport]) -> list[str]:
    ours = set(
        Order.objects.filter(order_link_id__in=open_reports).values_list("order_link_id", flat=True)
    )
    return [
        f"{report.symbol}: order {link_id} works on the exchange and is not in our tables"
        for link_id, report in open_reports.items()
        if is_ours(link_id) and link_id not in ours
    ]


def _positions(desk: Desk) -> tuple[list[str], tuple[str, ...]]:
    """Sentences for signed sizes that differ, and symbols whose position is not ours. An unknown
    order explains a difference for as long as it is being looked up."""
    account = desk.account
    theirs = {
        report.symbol: report.qty * report.side.sign
        for report in desk.client.positions()
        if report.side is not None and report.qty > 0
    }
    # Read after the exchange's, so that a trade of ours is never taken for somebody else's.
    ours = {
        trade.symbol: trade_book(trade).open_qty * Side(trade.side).sign
        for trade in Trade.objects.filter(account=account, state__in=LIVE_TRADES)
    }
    unknown = set(
        Order.objects.filter(account=account, state=OrderState.UNKNOWN).values_list(
            "symbol", flat=True
        )
    )
    external = tuple(sorted(symbol for symbol in theirs if symbol not in ours.keys() | unknown))
    differences = [
        f"{symbol}: we hold {size}, the exchange {theirs.get(symbol, ZERO)}"
        for symbol, size in sorted(ours.items())
        if size != theirs.get(symbol, ZERO) and symbol not in unknown
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


def wallet_difference(desk: Desk) -> list[str]:
    """One sentence where our count of the wallet differs from the exchange's.

    Somebody else's trading changes the wallet too, so it is not compared once there was any; nor
    while an unknown order may have cost something that we can't see yet.
    """
    account = desk.account
    foreign = Execution.objects.filter(account=account, trade=None).exists()
    unknown = Order.objects.filter(account=account, state=OrderState.UNKNOWN).exists()
    if foreign or unknown or not account.uses_paper_ledger:
        return []
    ours, theirs = expected_wallet(desk), desk.client.balance().wallet
    if abs(ours - theirs) <= _tolerance(desk):
        return []
    return [f"wallet: we count {ours} USDT, the exchange {theirs} USDT"]


def _tolerance(desk: Desk) -> Decimal:
    """Each exit of a part-closed trade rounds the cost it releases to the last place; with the
    last exit the remainder goes too and the comparison is exact."""
    exits = Execution.objects.filter(account=desk.account, trade__state=TradeState.OPEN)
    return LAST_PLACE * exits.exclude(side=F("trade__side")).count()
