"""The venue's ledger against the product's tables, and what the ledger alone forbids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.crash.stage import Venue
from tests.simulators.bybit.ledger import entries_by_link_id, naked_gaps, positions_at

if TYPE_CHECKING:
    from exchange.models import ExchangeAccount

Row = dict[str, Any]
# Executions that move a position; funding is a payment.
MOVES = {"Trade", "BustTrade", "AdlTrade", "Settle", "Delivery"}


class Oracle:
    """Reads the ledger on, a piece at a time, for one account of the venue."""

    def __init__(self, venue: Venue, uid: str) -> None:
        self._venue, self._uid = venue, uid
        self._read = 0
        self.rows: list[Row] = []

    def look(self) -> None:
        """Take in what happened since."""
        fresh = self._venue.rows(self._read)
        if fresh:
            self._read = int(fresh[-1]["n"])
        self.rows += [row for row in fresh if row.get("uid") in (self._uid, "")]

    def positions(self) -> dict[str, Decimal]:
        """Open sizes by symbol, negative when short."""
        return positions_at(self.rows, self._uid)

    def worst_gap_s(self, since_ms: int) -> float:
        """The longest time a position stood without a stop that covers it, of gaps that ended or
        lasted after ``since_ms``."""
        now_ms = max((int(row["ms"]) for row in self.rows), default=0)
        gaps = [gap for gap in naked_gaps(self.rows, now_ms) if gap.to_ms > since_ms]
        return max((gap.length_ms / 1000 for gap in gaps), default=0.0)

    def broken(self, signal_of: Mapping[str, int]) -> list[str]:
        """What must never be in the ledger: ``signal_of`` maps link ids of entries to signals."""
        entries = entries_by_link_id(self.rows)
        found = [
            f"{len(rows)} orders under {link}" for link, rows in entries.items() if len(rows) > 1
        ]
        found += [f"entry {link} was never stored" for link in entries if link not in signal_of]
        accepted = [signal_of[link] for link in entries if link in signal_of]
        twice = {signal for signal in accepted if accepted.count(signal) > 1}
        return found + [f"signal {signal} has two entries on the venue" for signal in sorted(twice)]

    def unsettled(self, account: ExchangeAccount) -> list[str]:
        """In what tables and ledger still differ."""
        from trading.choices import OrderState, TradeState
        from trading.models import Execution, Lease, Order, Trade

        open_states = (OrderState.CREATED, OrderState.SUBMITTED, OrderState.UNKNOWN)
        hanging = Order.objects.filter(account=account, state__in=open_states)
        found = [f"order {row.order_link_id} is {row.state}" for row in hanging]
        theirs = {
            row["execId"]: (row["symbol"], Decimal(row["qty"]), Decimal(row["price"]))
            for row in self.rows
            if row["kind"] == "execution" and row["execType"] in MOVES
        }
        ours = {
            row.exec_id: (row.symbol, row.qty, row.price)
            for row in Execution.objects.filter(account=account)
        }
        found += _compared("execution", ours, theirs)
        held = {
            trade.symbol: (trade.entry_qty - trade.exit_qty) * (1 if trade.side == "buy" else -1)
            for trade in Trade.objects.filter(account=account, state=TradeState.OPEN)
        }
        found += _compared("position", held, self.positions())
        if not Lease.objects.get(account=account).reconciled:
            found.append("the trader has not reconciled")
        return found


def _compared(what: str, ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    keys: Iterable[str] = sorted(ours.keys() | theirs.keys())
    return [
        f"{what} {key}: we have {ours.get(key)}, the venue {theirs.get(key)}"
        for key in keys
        if ours.get(key) != theirs.get(key)
    ]
