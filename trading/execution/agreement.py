"""Do our tables and the venue's ledger tell the same story, line by line?"""

from __future__ import annotations

from collections.abc import Mapping

from exchange.domain import LedgerKind
from exchange.ports import ExchangeClient
from trading.execution.booking import book
from trading.execution.desk import Desk
from trading.execution.reconcile import EPOCH, READINGS, wallet_difference
from trading.models import Cashflow, Execution


def disagreements(desk: Desk) -> list[str]:
    """One sentence per execution, fee, funding payment or balance that differs; empty is good.

    Executions are compared by id, quantity, price and fee, cashflows by id and amount, the wallet
    to the last of 8 places. What the exchange does between two of our questions is booked and
    asked again before it counts as a difference.
    """
    found: list[str] = []
    for _ in range(READINGS):
        book(desk.account, desk.client.drain())
        found = [
            *_executions(desk, desk.client),
            *_cashflows(desk, desk.client),
            *wallet_difference(desk),
        ]
        if not found:
            break
    return found


def _executions(desk: Desk, client: ExchangeClient) -> list[str]:
    theirs = {
        item.exec_id: (item.symbol, item.qty, item.price, item.fee)
        for item in client.executions(since=EPOCH)
    }
    ours = {
        row.exec_id: (row.symbol, row.qty, row.price, row.fee)
        for row in Execution.objects.filter(account=desk.account)
    }
    return _compare("execution", ours, theirs)


def _cashflows(desk: Desk, client: ExchangeClient) -> list[str]:
    theirs = {
        item.entry_id: (item.symbol, item.amount)
        for item in client.ledger(since=EPOCH)
        if item.kind is not LedgerKind.EXECUTION
    }
    ours = {
        row.entry_id: (row.symbol, row.amount)
        for row in Cashflow.objects.filter(account=desk.account)
    }
    return _compare("cashflow", ours, theirs)


def _compare(what: str, ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    return [
        f"{what} {key}: we have {ours.get(key)}, the exchange {theirs.get(key)}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
