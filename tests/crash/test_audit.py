"""The audit finds what it is there for: each kind of wrong planted into good books."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

import pytest

from tests.crash.audit import Findings, audit

# The columns that the audit reads, without the constraints that make some findings impossible.
TABLES = """
CREATE TABLE exchange_exchangeaccount (id, start_equity);
CREATE TABLE exchange_paperaccount (account_id, wallet);
CREATE TABLE exchange_paperorder (order_link_id);
CREATE TABLE exchange_paperposition (symbol, side, qty, stop_loss, take_profit);
CREATE TABLE exchange_paperexecution
    (exec_id, order_link_id, symbol, side, qty, price, fee, kind, time);
CREATE TABLE exchange_paperledgerentry (entry_id, kind, symbol, amount, time);
CREATE TABLE trading_cycle (id, bot_id, timeframe, boundary, attempt);
CREATE TABLE trading_signal (id, cycle_id);
CREATE TABLE trading_order
    (id, signal_id, role, symbol, order_link_id, state, unknown_since, submitted_at);
CREATE TABLE trading_trade
    (id, symbol, side, state, entry_qty, exit_qty, stop_loss, take_profit);
CREATE TABLE trading_execution (account_id, trade_id, exec_id, order_link_id, symbol, side, qty,
    price, fee, kind, time);
CREATE TABLE trading_event (level, text);
CREATE TABLE trading_cashflow (account_id, entry_id, symbol, amount, time);
"""
# A long of 2 ETH at 100, half of it sold at 110, and one payment of funding.
STORY = """
INSERT INTO exchange_exchangeaccount VALUES (1, 1000);
INSERT INTO exchange_paperaccount VALUES (1, 1009.34);
INSERT INTO exchange_paperorder VALUES ('at1-a-e'), ('');
INSERT INTO exchange_paperposition VALUES ('ETHUSDT', 'buy', 1, 95.5, 120);
INSERT INTO exchange_paperexecution VALUES
    ('f1', 'at1-a-e', 'ETHUSDT', 'buy', 2, 100, 0.11, 'trade', 't1'),
    ('f2', '', 'ETHUSDT', 'sell', 1, 110, 0.05, 'trade', 't2');
INSERT INTO exchange_paperledgerentry VALUES
    ('l1', 'execution', 'ETHUSDT', -0.11, 't1'),
    ('l2', 'execution', 'ETHUSDT', 9.95, 't2'),
    ('l3', 'funding', 'ETHUSDT', -0.5, 't3');
INSERT INTO trading_cycle VALUES (1, 1, '5m', '07:45', 0), (2, 1, '5m', '07:50', 0);
INSERT INTO trading_signal VALUES (1, 1), (2, 2);
INSERT INTO trading_order VALUES
    (1, 1, 'e', 'ETHUSDT', 'at1-a-e', 'filled', NULL, '2026-01-06 07:45:03');
INSERT INTO trading_trade VALUES (1, 'ETHUSDT', 'buy', 'open', 2, 1, 95.5, 120);
INSERT INTO trading_execution VALUES
    (1, 1, 'f1', 'at1-a-e', 'ETHUSDT', 'buy', 2, 100, 0.11, 'trade', 't1'),
    (1, 1, 'f2', '', 'ETHUSDT', 'sell', 1, 110, 0.05, 'trade', 't2');
INSERT INTO trading_cashflow VALUES (1, 'l3', 'ETHUSDT', -0.5, 't3');
"""
SECOND_ENTRY = (
    "INSERT INTO trading_order VALUES "
    "(2, {signal}, 'e', 'ETHUSDT', 'at1-b-e', 'filled', NULL, '2026-01-06 07:45:03');"
)
BROKEN = {
    "boundary with two cycles: 07:45": "INSERT INTO trading_cycle VALUES (3, 1, '5m', '07:45', 0)",
    "boundary with entries from two cycles: 07:45": (
        "UPDATE trading_cycle SET boundary = '07:45';" + SECOND_ENTRY.format(signal=2)
    ),
    "boundary with two entries of a symbol: 07:45 ETHUSDT": SECOND_ENTRY.format(signal=1),
    "signal with two entries on the venue: signal 1": (
        SECOND_ENTRY.format(signal=1) + "INSERT INTO exchange_paperorder VALUES ('at1-b-e')"
    ),
    "order on the venue that was never stored: at1-c-e": (
        "INSERT INTO exchange_paperorder VALUES ('at1-c-e')"
    ),
    "position without a stop: ETHUSDT": "UPDATE exchange_paperposition SET stop_loss = NULL",
    "fill that belongs to no trade: f2": (
        "UPDATE trading_execution SET trade_id = NULL WHERE exec_id = 'f2'"
    ),
    "alarm raised by the system itself: ETHUSDT has no stop": (
        "INSERT INTO trading_event VALUES ('info', 'all well'), ('critical', 'ETHUSDT has no stop')"
    ),
    "fill booked twice: f1": (
        "INSERT INTO trading_execution SELECT * FROM trading_execution WHERE exec_id = 'f1'"
    ),
    "payment booked twice: l3": "INSERT INTO trading_cashflow SELECT * FROM trading_cashflow",
    "order left unknown for 41 s: at1-a-e": (
        "UPDATE trading_order SET state = 'unknown', unknown_since = '2026-01-06 07:45:04'"
    ),
    "order left submitted for 41 s: at1-a-e": "UPDATE trading_order SET state = 'submitted'",
}
UNSETTLED = {
    "fill f2: we have None": "DELETE FROM trading_execution WHERE exec_id = 'f2'",
    "fill f1: we have": "UPDATE trading_execution SET fee = 0.12 WHERE exec_id = 'f1'",
    "payment l3: we have None": "DELETE FROM trading_cashflow",
    "position ETHUSDT: we have None": "UPDATE trading_trade SET state = 'closed'",
    "position ETHUSDT: we have": "UPDATE trading_trade SET stop_loss = 95.4",
    "wallet: the venue has 1009.34000001, its ledger": (
        "UPDATE exchange_paperaccount SET wallet = 1009.34000001"
    ),
    "wallet: the venue has 1009.34000002, our fills": (
        "UPDATE exchange_paperaccount SET wallet = 1009.34000002"
    ),
}


@pytest.fixture
def books() -> Iterator[sqlite3.Connection]:
    """Books in which everything agrees: 1000 - 0.11 + 9.95 - 0.50 = 1009.34 USDT."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.executescript(TABLES + STORY)
        yield database


def audited(books: sqlite3.Connection, *, alive_s: float = 0.0) -> Findings:
    def alive(since: datetime) -> float:
        return alive_s

    return audit(books, alive)


def test_good_books_are_clean(books: sqlite3.Connection) -> None:
    assert audited(books) == Findings((), ())


@pytest.mark.parametrize(("finding", "plant"), BROKEN.items())
def test_what_may_never_be_is_found(books: sqlite3.Connection, finding: str, plant: str) -> None:
    books.executescript(plant)
    assert finding in audited(books, alive_s=41).broken


@pytest.mark.parametrize(("finding", "plant"), UNSETTLED.items())
def test_what_does_not_agree_is_found(books: sqlite3.Connection, finding: str, plant: str) -> None:
    books.executescript(plant)
    assert any(text.startswith(finding) for text in audited(books).unsettled)


def test_unknown_order_has_forty_seconds_of_running_time(books: sqlite3.Connection) -> None:
    books.execute("UPDATE trading_order SET state = 'unknown', unknown_since = '2026-01-06 07:45'")
    assert audited(books, alive_s=39.9).clean
    assert not audited(books, alive_s=40.1).clean
