"""Does the exchange's transaction log give our trades the results that we count?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from exchange.domain import ZERO, LedgerEntry, LedgerKind
from trading.choices import TradeState
from trading.execution.desk import Desk
from trading.models import Trade
from trading.selectors import trade_book

# A cent, or a hundredth of a percent of what was traded: rounding of averages, not money.
LEAST = Decimal("0.01")
SHARE = Decimal("0.0001")
LOOK_BACK = timedelta(hours=1)
NEWEST = 20


def result_differences(desk: Desk, ledger: Sequence[LedgerEntry]) -> list[tuple[str, str]]:
    """Symbol and sentence for each newly closed trade whose result, fees included, is not the sum
    of its lines in the log.

    A trade is compared once, when the log shows all of its executions; lines that the log lacks
    are asked for from the trade's opening. Our own ledger is compared as a whole, by its wallet.
    """
    if desk.account.uses_paper_ledger:
        return []
    trades = _unchecked(desk)
    ids = {trade.pk: list(trade.executions.values_list("exec_id", flat=True)) for trade in trades}
    amounts = _amounts(ledger)
    missing = [trade for trade in trades if not amounts.keys() >= set(ids[trade.pk])]
    if missing:
        opened = min(trade.opened_market or trade.created_market for trade in missing)
        amounts |= _amounts(desk.client.ledger(since=opened - LOOK_BACK))
    found = []
    for trade in trades:
        if not amounts.keys() >= set(ids[trade.pk]):
            continue
        text = _differs(trade, sum((amounts[exec_id] for exec_id in ids[trade.pk]), ZERO))
        if text:
            found.append((trade.symbol, text))
        else:
            desk.checked_trades.add(trade.pk)
    return found


def _amounts(ledger: Sequence[LedgerEntry]) -> dict[str, Decimal]:
    return {line.exec_id: line.amount for line in ledger if line.kind is LedgerKind.EXECUTION}


def _differs(trade: Trade, theirs: Decimal) -> str:
    book = trade_book(trade)
    ours = book.gross_pnl - book.fees
    if abs(ours - theirs) <= max(LEAST, SHARE * (book.entry_value + book.exit_value)):
        return ""
    return f"{trade.symbol}: trade {trade.pk} made {ours} by our count, {theirs} by theirs"


def _unchecked(desk: Desk) -> list[Trade]:
    """Newly closed trades that consist of whole executions of ours."""
    since = desk.market.now() - LOOK_BACK
    rows = Trade.objects.filter(
        account=desk.account, state=TradeState.CLOSED, closed_market__gte=since, released_qty=ZERO
    ).exclude(pk__in=desk.checked_trades)
    return [
        trade
        for trade in rows.order_by("-closed_market")[:NEWEST]
        if not trade.executions.exclude(trade_qty=None).exists()
    ]
