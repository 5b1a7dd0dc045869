"""Compare our tables with the exchange and book what we missed.

Runs at start, after every reconnect, every 60 seconds and on command. Until it is clean no entry
leaves. Four checks: positions, average entry prices, results, ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db.models import F, Q

from exchange.domain import (
    ZERO,
    AccountUpdate,
    LedgerEntry,
    OrderReport,
    PositionReport,
    Side,
    quantise,
)
from exchange.fault_points import fault_point
from trading.choices import OrderState, TradeState
from trading.domain.order import WORKING
from trading.domain.ownership import (
    Explained,
    Standing,
    average_agrees,
    difference_proved,
    explain_position,
    is_ours,
)
from trading.execution.booking import book
from trading.execution.desk import Desk
from trading.execution.differences import Difference, Reconciliation
from trading.execution.mending import mend
from trading.execution.results import result_differences
from trading.models import Cashflow, Execution, Lease, Order, Trade
from trading.selectors import LIVE_TRADES, trade_book, unresolved_symbols

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
# How often everything is asked in one go before a difference is told.
READINGS = 2
LAST_PLACE = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the exchange told in one go."""

    working: Sequence[OrderReport]
    open_reports: Mapping[str, OrderReport]
    positions: Mapping[str, PositionReport]
    ledger: Sequence[LedgerEntry]
    booked: int


def reconcile(desk: Desk, *, repair: bool = False) -> Reconciliation:
    """Book everything since we last agreed, then compare orders, positions, results and wallet.

    The exchange goes on between two of our questions, so a difference counts as proved only when
    it is still there some seconds later; on our own ledger, which can't lag, at once. With
    ``repair`` what is proved and can be mended is mended; the next comparison shows whether that
    was all. Raises ``ExchangeError`` when the exchange does not answer: no answer is no agreement.
    """
    began, looked = desk.market.now(), desk.clock.now()
    booked = 0
    for _ in range(READINGS):
        answers = _ask(desk)
        booked += answers.booked
        differences, external = _compare(desk, answers)
        news = set(external) - set(desk.external)
        if not differences and not news:
            break
    proved = _with_proof(desk, differences)
    mended = mend(desk, proved) if repair else ()
    result = Reconciliation(proved, external, booked, mended)
    known: dict[str, object] = {"orphan_orders": orphan_orders(desk, answers)}
    if result.clean:
        known |= {"agreed_until": began, "compared_at": looked}
    Lease.objects.filter(account=desk.account).update(**known)
    return result


def _ask(desk: Desk) -> _Answers:
    """Ask for everything, and book what we lack. Positions are read last, so that a fill of ours
    is booked before it shows in them."""
    client, since = desk.client, _since(desk)
    working = client.open_orders()
    open_reports = {r.order_link_id: r for r in working if r.order_link_id}
    missing = _missing_reports(desk, open_reports)
    ledger = tuple(client.ledger(since=since))
    update = AccountUpdate(
        orders=(*open_reports.values(), *missing),
        executions=tuple(client.executions(since=since)),
        ledger=ledger,
    )
    fault_point("K16")
    booked = book(desk.account, update).executions
    return _Answers(working, open_reports, desk.positions.read(), ledger, booked)


def _since(desk: Desk) -> datetime:
    """A little before the two last agreed, so that nothing in between is missed."""
    lease = Lease.objects.filter(account=desk.account).first()
    return lease.agreed_until - OVERLAP if lease and lease.agreed_until else EPOCH


def _missing_reports(desk: Desk, open_reports: Mapping[str, OrderReport]) -> list[OrderReport]:
    """Orders that we think work and the exchange does not list: asked for one by one. One that is
    not found at all is looked up by the resolver from then on."""
    found = []
    for order in Order.objects.filter(account=desk.account, state__in=WORKING):
        if order.order_link_id in open_reports:
            continue
        report = desk.client.order(symbol=order.symbol, order_link_id=order.order_link_id)
        if report is not None:
            found.append(report)
        elif order.state in (OrderState.ACKNOWLEDGED, OrderState.PARTIALLY_FILLED):
            _mark_lost(desk, order)
    return found


def _mark_lost(desk: Desk, order: Order) -> None:
    unmarked = Order.objects.filter(pk=order.pk, not_found_count=0, state=order.state)
    unmarked.update(not_found_count=1, unknown_since=desk.clock.now())


def _compare(desk: Desk, answers: _Answers) -> tuple[list[Difference], tuple[str, ...]]:
    positions, external = _positions(desk, answers.positions)
    differences = [*_strange_orders(answers.open_reports), *positions]
    differences += [
        Difference("result", symbol, text)
        for symbol, text in result_differences(desk, answers.ledger)
    ]
    if not external:
        differences += [Difference("wallet", "", text) for text in wallet_difference(desk)]
    return differences, external


def orphan_orders(desk: Desk, answers: _Answers) -> list[dict[str, str]]:
    """Orders that work on the exchange and that nothing explains: none of our rows, and no position
    whose stop or target they are. They are shown, and touched by nobody."""
    ours = _our_ids(answers.open_reports)
    return [
        {
            "symbol": one.symbol,
            "side": str(one.side),
            "words": f"{one.order_type}{' reduce-only' if one.reduce_only else ''}",
            "qty": f"{one.qty.normalize():f}",
            "price": f"{one.price.normalize():f}" if one.price else "",
            "id": one.order_link_id or one.order_id,
            "since": one.created_at.isoformat(),
        }
        for one in answers.working
        if one.order_link_id not in ours and not _guards_position(one, answers.positions)
    ]


def _guards_position(report: OrderReport, positions: Mapping[str, PositionReport]) -> bool:
    """Whether it is what an exchange keeps for a position: a stop or target without a client id."""
    return not report.order_link_id and report.reduce_only and report.symbol in positions


def _with_proof(desk: Desk, differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """Remember what was seen first when; a difference that has lasted is proved."""
    now = desk.clock.monotonic()
    desk.suspected = {one.text: desk.suspected.get(one.text, now) for one in differences}
    at_once = desk.account.uses_paper_ledger
    return tuple(
        replace(one, proved=at_once or difference_proved(desk.suspected[one.text], now))
        for one in differences
    )


def _our_ids(open_reports: Mapping[str, OrderReport]) -> set[str]:
    rows = Order.objects.filter(order_link_id__in=open_reports)
    return set(rows.values_list("order_link_id", flat=True))


def _strange_orders(open_reports: Mapping[str, OrderReport]) -> list[Difference]:
    ours = _our_ids(open_reports)
    return [
        Difference(
            "order",
            report.symbol,
            f"{report.symbol}: order {link_id} works on the exchange and is not in our tables",
            mend="the order is cancelled",
            order_link_id=link_id,
        )
        for link_id, report in open_reports.items()
        if is_ours(link_id) and link_id not in ours
    ]


def holding_trades(desk: Desk) -> list[Trade]:
    """Trades that may hold a position: live ones, and those that filled after they were over."""
    live = Q(state__in=LIVE_TRADES) | ~Q(close_wanted="")
    return list(Trade.objects.filter(live, account=desk.account).order_by("pk"))


def _positions(
    desk: Desk, reports: Mapping[str, PositionReport]
) -> tuple[list[Difference], tuple[str, ...]]:
    """What differs per symbol, and symbols with a position that is not, or not wholly, ours."""
    # Read after the exchange's, so that a trade of ours is never taken for somebody else's.
    trades: dict[str, list[Trade]] = {}
    for trade in holding_trades(desk):
        trades.setdefault(trade.symbol, []).append(trade)
    unknown = set(unresolved_symbols(desk.account))
    differences: list[Difference] = []
    external = []
    for symbol in sorted(trades.keys() | reports.keys()):
        ours = sum((_signed(trade) for trade in trades.get(symbol, [])), ZERO)
        theirs = _signed_report(reports.get(symbol))
        explained = explain_position(ours, theirs, symbol in unknown)
        foreign = explained.standing in (Standing.EXTERNAL, Standing.INCREASED)
        if foreign:
            external.append(symbol)
        if explained.standing is Standing.AGREED:
            differences += _agreed(trades.get(symbol, []), reports.get(symbol))
        elif explained.standing in (Standing.REDUCED, Standing.FLIPPED) or (
            explained.standing is Standing.INCREASED and not _others_traded(desk, symbol)
        ):
            differences.append(_position_differs(trades[symbol], ours, theirs, explained))
    return differences, tuple(external)


def _signed(trade: Trade) -> Decimal:
    return trade_book(trade).open_qty * Side(trade.side).sign


def _signed_report(report: PositionReport | None) -> Decimal:
    if report is None or report.side is None:
        return ZERO
    return report.qty * report.side.sign


def _others_traded(desk: Desk, symbol: str) -> bool:
    """Whether somebody else's executions of the symbol explain more than ours."""
    theirs = Q(trade=None) | ~Q(trade_qty=None)
    return Execution.objects.filter(theirs, account=desk.account, symbol=symbol).exists()


def _position_differs(
    trades: Sequence[Trade], ours: Decimal, theirs: Decimal, explained: Explained
) -> Difference:
    trade = trades[-1]
    text = f"{trade.symbol}: we hold {ours}, the exchange {theirs}"
    if explained.standing is Standing.INCREASED or len(trades) > 1:
        return Difference("position", trade.symbol, text, trade=trade.pk)
    gone = min(explained.by, abs(ours))
    mend = "the trade is closed as external" if gone == abs(ours) else "the trade is reduced"
    return Difference("position", trade.symbol, text, mend, trade=trade.pk, qty=gone)


def _agreed(trades: Sequence[Trade], report: PositionReport | None) -> list[Difference]:
    """With the quantities the same: the average entry price, and whether a stop stands."""
    if report is None or len(trades) != 1:
        return []
    trade, found = trades[0], []
    ours = trade_book(trade).avg_entry
    # After an exit the two count later fills differently, which is right on both sides.
    fresh = trade.exit_qty == 0 and report.avg_price is not None
    if fresh and not average_agrees(ours, report.avg_price or ZERO):
        text = f"{trade.symbol}: we entered at {ours}, the exchange says {report.avg_price}"
        found.append(Difference("average", trade.symbol, text, trade=trade.pk))
    if report.stop_loss is None:
        text = f"{trade.symbol}: the position has no stop"
        found.append(
            Difference("stop", trade.symbol, text, "the stop is set again", trade=trade.pk)
        )
    return found


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
    if not account.uses_paper_ledger or unresolved_symbols(account):
        return []
    theirs = Q(trade=None) | ~Q(trade_qty=None)
    if Execution.objects.filter(theirs, account=account).exists():
        return []
    ours, wallet = expected_wallet(desk), desk.client.balance().wallet
    if abs(ours - wallet) <= _tolerance(desk):
        return []
    return [f"wallet: we count {ours} USDT, the exchange {wallet} USDT"]


def _tolerance(desk: Desk) -> Decimal:
    """Each exit of a part-closed trade rounds the cost it releases to the last place; with the
    last exit the remainder goes too and the comparison is exact."""
    exits = Execution.objects.filter(account=desk.account, trade__state=TradeState.OPEN)
    return LAST_PLACE * exits.exclude(side=F("trade__side")).count()
