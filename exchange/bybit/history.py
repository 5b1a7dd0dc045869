"""What happened on an account: executions, ledger and closed P&L, all windows and pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from exchange.bybit import parse
from exchange.bybit.endpoints import Endpoint, Priority
from exchange.bybit.params import LINEAR, SETTLE_COIN, windows
from exchange.bybit.parse import ClosedPnl
from exchange.bybit.rest import BybitRest
from exchange.domain import Execution, LedgerEntry

# The most rows that a page of each can have.
EXECUTIONS_PER_PAGE, LEDGER_PER_PAGE, CLOSED_PER_PAGE = 100, 50, 100


class History:
    """Reads from ``connected_at`` on, whatever is asked for; every answer is oldest first."""

    def __init__(self, rest: BybitRest, connected_at: datetime) -> None:
        self._rest = rest
        self._connected_at = connected_at

    def executions(self, *, since: datetime, order_link_id: str = "") -> Sequence[Execution]:
        """Those of one order only, where it is named; funding is none."""
        named = {"orderLinkId": order_link_id} if order_link_id else {}
        found: dict[str, tuple[datetime, int, Execution]] = {}
        for row in self._rows(
            Endpoint.EXECUTIONS,
            since,
            priority=Priority.PROTECT,
            category=LINEAR,
            limit=EXECUTIONS_PER_PAGE,
            **named,
        ):
            one = parse.execution(row) if parse.in_scope(row) else None
            if one is None or order_link_id not in ("", one.order_link_id):
                continue
            if one.time >= self._from(since):
                found[one.exec_id] = (one.time, parse.sequence(row) or 0, one)
        ordered = sorted(found.values(), key=lambda item: item[:2])
        return [one for _, _, one in ordered]

    def ledger(self, *, since: datetime) -> Sequence[LedgerEntry]:
        """The transaction log of the USDT wallet."""
        rows = self._rows(
            Endpoint.TRANSACTION_LOG,
            since,
            accountType="UNIFIED",
            currency=SETTLE_COIN,
            limit=LEDGER_PER_PAGE,
        )
        entries = (parse.ledger_entry(row) for row in rows)
        start = self._from(since)
        found = {one.entry_id: one for one in entries if one is not None and one.time >= start}
        return sorted(found.values(), key=lambda one: one.time)

    def closed_pnl(self, *, since: datetime) -> Sequence[ClosedPnl]:
        """What each closing order realised."""
        rows = self._rows(Endpoint.CLOSED_PNL, since, category=LINEAR, limit=CLOSED_PER_PAGE)
        found = [parse.closed_pnl(row) for row in rows if parse.in_scope(row)]
        start = self._from(since)
        return sorted((one for one in found if one.time >= start), key=lambda one: one.time)

    def _from(self, since: datetime) -> datetime:
        return max(since, self._connected_at)

    def _rows(
        self,
        endpoint: Endpoint,
        since: datetime,
        *,
        priority: Priority = Priority.QUERY,
        **params: Any,
    ) -> Iterator[Mapping[str, Any]]:
        """All rows from ``since``, oldest first; a page has them newest first."""
        for window in windows(self._from(since), self._rest.server_time.now()):
            newest_first = list(self._rest.pages(endpoint, priority=priority, **window, **params))
            yield from reversed(newest_first)
