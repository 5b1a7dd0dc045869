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
    found = []
    amounts = {line.exec_id: line.amount for line in ledger if line.kind is LedgerKind.EXECUTION}
    for trade in _unchecked(desk):
        lines = _lines_of(desk, trade, amounts)
        if lines is None:
            continue
        book = trade_book(trade)
        ours, theirs = book.gross_pnl - book.fees, sum(lines, ZERO)
        if abs(ours - theirs) > max(LEAST, SHARE * (book.entry_value + book.exit_value)):
            text = f"{trade.symbol}: trade {trade.pk} made {ours} by our count, {theirs} by theirs"
            found.append((trade.symbol, text))
        else:
            desk.checked_trades.add(trade.pk)
    return found


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


def _lines_of(desk: Desk, trade: Trade, amounts: dict[str, Decimal]) -> list[Decimal] | None:
    """What the log counts for each execution of the trade; None while lines are missing."""
    ids = list(trade.executions.values_list("exec_id", flat=True))
    if any(exec_id not in amounts for exec_id in ids) and trade.opened_market is not None:
        log = desk.client.ledger(since=trade.opened_market - LOOK_BACK)
        amounts.update(
            {line.exec_id: line.amount for line in log if line.kind is LedgerKind.EXECUTION}
        )
    if any(exec_id not in amounts for exec_id in ids):
        return None
    return [amounts[exec_id] for exec_id in ids]
