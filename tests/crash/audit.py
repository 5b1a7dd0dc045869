"""Check the books of an installation from outside, with plain SQL over one consistent snapshot.

Nothing of the product is imported: its own tables (``trading_*``) are held against those of the
paper venue (``exchange_paper*``), which it cannot bend.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

PLACES = Decimal("0.00000001")
UNRESOLVED_LIMIT_S = 40.0

# Each statement lists what must never be there, at no moment, as one text per finding.
NEVER = {
    "boundary with two cycles": """
        SELECT boundary FROM trading_cycle WHERE attempt = 0
        GROUP BY bot_id, timeframe, boundary HAVING count(*) > 1""",
    "boundary with entries from two cycles": """
        SELECT c.boundary FROM trading_cycle c
        JOIN trading_signal s ON s.cycle_id = c.id
        JOIN trading_order o ON o.signal_id = s.id AND o.role = 'e'
        GROUP BY c.bot_id, c.timeframe, c.boundary HAVING count(DISTINCT c.id) > 1""",
    "boundary with two entries of a symbol": """
        SELECT c.boundary || ' ' || o.symbol FROM trading_cycle c
        JOIN trading_signal s ON s.cycle_id = c.id
        JOIN trading_order o ON o.signal_id = s.id AND o.role = 'e'
        GROUP BY c.bot_id, c.timeframe, c.boundary, o.symbol HAVING count(*) > 1""",
    "signal with two entries on the venue": """
        SELECT 'signal ' || o.signal_id FROM exchange_paperorder p
        JOIN trading_order o ON o.order_link_id = p.order_link_id
        WHERE o.role = 'e' GROUP BY o.signal_id HAVING count(*) > 1""",
    "order on the venue that was never stored": """
        SELECT p.order_link_id FROM exchange_paperorder p
        LEFT JOIN trading_order o ON o.order_link_id = p.order_link_id
        WHERE p.order_link_id <> '' AND o.id IS NULL""",
    "position without a stop": """
        SELECT symbol FROM exchange_paperposition WHERE stop_loss IS NULL""",
    "fill that belongs to no trade": """
        SELECT exec_id FROM trading_execution WHERE trade_id IS NULL""",
    "alarm raised by the system itself": """
        SELECT text FROM trading_event WHERE level = 'critical'""",
    "fill booked twice": """
        SELECT exec_id FROM trading_execution GROUP BY account_id, exec_id HAVING count(*) > 1""",
    "payment booked twice": """
        SELECT entry_id FROM trading_cashflow GROUP BY account_id, entry_id HAVING count(*) > 1""",
}
Amounts = dict[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Findings:
    """``broken`` is wrong whatever the moment; ``unsettled`` is wrong if it stays, because the
    venue commits a fill a moment before its news is booked."""

    broken: tuple[str, ...]
    unsettled: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not self.broken and not self.unsettled


def audit(database: sqlite3.Connection, alive_s: Callable[[datetime], float]) -> Findings:
    """All checks on one snapshot. ``alive_s`` tells for how many seconds since a moment the
    installation was running: an order can't be resolved while nothing runs."""
    database.execute("BEGIN")
    try:
        broken = [
            f"{name}: {row[0]}"
            for name, statement in NEVER.items()
            for row in database.execute(statement)
        ]
        broken += _damaged(database)
        broken += _unresolved(database, alive_s)
        unsettled = [
            *_fills(database),
            *_payments(database),
            *_positions(database),
            *_wallet(database),
        ]
    finally:
        database.execute("ROLLBACK")
    return Findings(tuple(broken), tuple(unsettled))


def _damaged(database: sqlite3.Connection) -> list[str]:
    answers = [row[0] for row in database.execute("PRAGMA integrity_check")]
    return [] if answers == ["ok"] else [f"database damaged: {answer}" for answer in answers]


def _unresolved(database: sqlite3.Connection, alive_s: Callable[[datetime], float]) -> list[str]:
    rows = database.execute(
        "SELECT order_link_id, state, coalesce(unknown_since, submitted_at) FROM trading_order"
        " WHERE state IN ('submitted', 'unknown')"
    )
    waited = [(link_id, state, alive_s(_moment(since))) for link_id, state, since in rows]
    return [
        f"order left {state} for {seconds:.0f} s: {link_id}"
        for link_id, state, seconds in waited
        if seconds > UNRESOLVED_LIMIT_S
    ]


def _fills(database: sqlite3.Connection) -> list[str]:
    columns = "exec_id, order_link_id, symbol, side, qty, price, fee, kind, time"
    return _compared(
        "fill",
        _rows(database, f"SELECT {columns} FROM trading_execution"),
        _rows(database, f"SELECT {columns} FROM exchange_paperexecution"),
    )


def _payments(database: sqlite3.Connection) -> list[str]:
    columns = "entry_id, symbol, amount, time"
    return _compared(
        "payment",
        _rows(database, f"SELECT {columns} FROM trading_cashflow"),
        _rows(
            database, f"SELECT {columns} FROM exchange_paperledgerentry WHERE kind <> 'execution'"
        ),
    )


def _positions(database: sqlite3.Connection) -> list[str]:
    """Each position of the venue is explained by an open trade of the same size and stop."""
    return _compared(
        "position",
        _rows(
            database,
            "SELECT symbol, side, entry_qty - exit_qty, stop_loss, take_profit"
            " FROM trading_trade WHERE state = 'open'",
        ),
        _rows(
            database,
            "SELECT symbol, side, qty, stop_loss, take_profit FROM exchange_paperposition",
        ),
    )


def _wallet(database: sqlite3.Connection) -> list[str]:
    """The wallet counted three times: the venue's row, the venue's ledger, our own fills."""
    start, wallet = database.execute(
        "SELECT a.start_equity, p.wallet FROM exchange_exchangeaccount a"
        " JOIN exchange_paperaccount p ON p.account_id = a.id"
    ).fetchone()
    entries = database.execute("SELECT amount FROM exchange_paperledgerentry")
    ledger = _amount(start) + sum((_amount(row[0]) for row in entries), Decimal(0))
    ours, part_closed = _counted(database, _amount(start))
    found = []
    if ledger != _amount(wallet):
        found.append(f"wallet: the venue has {_amount(wallet)}, its ledger adds up to {ledger}")
    # The cost of a part of a position has more than 8 places until the rest is closed too.
    if abs(ours - _amount(wallet)) > PLACES * part_closed:
        found.append(f"wallet: the venue has {_amount(wallet)}, our fills add up to {ours}")
    return found


def _counted(database: sqlite3.Connection, start: Decimal) -> tuple[Decimal, int]:
    """The wallet by our fills and payments at average cost, and how many trades are part-closed."""
    total, part_closed = start, 0
    sums: dict[int, dict[str, Decimal]] = {}
    sign = {}
    rows = database.execute(
        "SELECT e.trade_id, t.side, e.side, e.qty, e.price, e.fee FROM trading_execution e"
        " JOIN trading_trade t ON t.id = e.trade_id"
    )
    for trade, trade_side, side, *amounts in rows:
        qty, price, fee = map(_amount, amounts)
        book = sums.setdefault(trade, dict.fromkeys(("in", "cost", "out", "value"), Decimal(0)))
        sign[trade] = 1 if trade_side == "buy" else -1
        size, value = ("in", "cost") if side == trade_side else ("out", "value")
        book[size] += qty
        book[value] += qty * price
        total -= fee
    for trade, book in sums.items():
        if book["out"]:
            total += sign[trade] * (book["value"] - book["cost"] * book["out"] / book["in"])
            part_closed += book["out"] != book["in"]
    for (amount,) in database.execute("SELECT amount FROM trading_cashflow"):
        total += _amount(amount)
    return total.quantize(PLACES), part_closed


def _compared(what: str, ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    return [
        f"{what} {key}: we have {ours.get(key)}, the venue {theirs.get(key)}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def _rows(database: sqlite3.Connection, statement: str) -> Amounts:
    """Rows by their first column, numbers as amounts."""
    return {
        key: tuple(_amount(value) if isinstance(value, int | float) else value for value in values)
        for key, *values in database.execute(statement)
    }


def _amount(value: float) -> Decimal:
    """SQLite keeps a decimal as the nearest float; its shortest text is the decimal again."""
    return Decimal(repr(value)).quantize(PLACES)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
