"""The oracle: what really happened at the venue, and pure questions about it.

Rows only ever get added. Numbers in rows are strings, so rows read the same in process and as JSON:

    order     event, orderId, orderLinkId, side, qty, price, status, cumExecQty, reduceOnly, ...
    execution execId, orderId, orderLinkId, side, qty, price, fee, execType
    position  positionIdx, size (negative when short), avgPrice
    stop      positionIdx, stopLoss, takeProfit, trailingStop ("" for none), qty a stop covers
    funding   positionIdx, fee (positive = paid), rate
    wallet    change, balance, type
    user      what a person or the venue itself did

Every row has n (1, 2, ...), ms, kind, uid and, where it has one, symbol.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
PositionKey = tuple[str, str, int]


class Ledger:
    """Append-only rows in the order things happened."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, ms: int, kind: str, uid: str, **facts: Any) -> None:
        self.rows.append({"n": len(self.rows) + 1, "ms": ms, "kind": kind, "uid": uid, **facts})

    def since(self, n: int) -> list[Row]:
        """Give the rows after row `n`."""
        return self.rows[n:]


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a position had no stop, or one too small; [from_ms, to_ms)."""

    symbol: str
    from_ms: int
    to_ms: int
    uid: str = ""

    @property
    def length_ms(self) -> int:
        return self.to_ms - self.from_ms


def accepted_orders(rows: Iterable[Row]) -> list[Row]:
    """Give the first row of every order a client placed; the venue's own have no client id."""
    return [row for row in rows if row["kind"] == "order" and row["event"] == "accepted"]


def duplicate_link_ids(rows: Iterable[Row]) -> list[str]:
    """Name the client order ids under which more than one order was accepted."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in accepted_orders(rows):
        if row["orderLinkId"]:
            counts[row["uid"], row["orderLinkId"]] += 1
    return sorted(link_id for (_, link_id), count in counts.items() if count > 1)


def entries_by_link_id(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group accepted orders that may open a position by their client order id."""
    entries: dict[str, list[Row]] = defaultdict(list)
    for row in accepted_orders(rows):
        if row["orderLinkId"] and not row["reduceOnly"]:
            entries[row["orderLinkId"]].append(row)
    return dict(entries)


def positions_at(rows: Iterable[Row], uid: str | None = None) -> dict[str, Decimal]:
    """Sum up the open positions after these rows: symbol -> size, negative when short."""
    sizes: dict[PositionKey, Decimal] = {}
    for row in rows:
        if row["kind"] == "position" and uid in (None, row["uid"]):
            sizes[_key(row)] = Decimal(row["size"])
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for (_, symbol, _), size in sizes.items():
        totals[symbol] += size
    return {symbol: size for symbol, size in totals.items() if size}


def naked_gaps(rows: Sequence[Row], now_ms: int) -> list[Gap]:
    """Find every time in which a position was larger than what its stop covers."""
    sizes: dict[PositionKey, Decimal] = defaultdict(Decimal)
    covered: dict[PositionKey, Decimal] = defaultdict(Decimal)
    naked_since: dict[PositionKey, int] = {}
    gaps: list[Gap] = []
    for row in rows:
        if row["kind"] == "position":
            sizes[_key(row)] = abs(Decimal(row["size"]))
        elif row["kind"] == "stop":
            covered[_key(row)] = Decimal(row["qty"])
        else:
            continue
        key, ms = _key(row), row["ms"]
        naked = sizes[key] > covered[key]
        if naked:
            naked_since.setdefault(key, ms)
        elif key in naked_since:
            gaps.append(Gap(key[1], naked_since.pop(key), ms, key[0]))
    gaps += [Gap(key[1], since, now_ms, key[0]) for key, since in naked_since.items()]
    # A stop attached to the entry appears in the same millisecond as the position.
    return sorted((gap for gap in gaps if gap.length_ms > 0), key=lambda gap: gap.from_ms)


def _key(row: Row) -> PositionKey:
    return row["uid"], row["symbol"], row["positionIdx"]
