"""The book of a trade: what goes in comes out, in whatever order it arrives."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain import ZERO, Execution, ExecutionKind, Side
from tests.trading.domain.made import MINUTE, NOW, execution
from trading.choices import ExitReason
from trading.domain.trade import TradeBook, exit_reason, fold

BUY, SELL = Side.BUY, Side.SELL


def booked(*executions: Execution, side: Side = BUY, stop: str = "95") -> TradeBook:
    return reduce(fold, executions, TradeBook(side=side, initial_stop=Decimal(stop)))


def test_a_long_from_entry_to_exit() -> None:
    book = booked(
        execution(BUY, 1, 100, fee="0.055"),
        execution(BUY, 3, 102, fee="0.1683", minute=1),
        execution(SELL, 4, 110, fee="0.242", minute=9),
    )
    book = replace(book, funding=Decimal("0.5"))
    assert book.avg_entry == Decimal("101.5")
    assert book.avg_exit == 110
    assert book.gross_pnl == 34
    assert book.fees == Decimal("0.4653")
    assert book.net_pnl == Decimal("33.0347")
    assert book.initial_risk == 26
    assert book.r_multiple == Decimal("1.27056538")
    assert (book.opened_at, book.last_at) == (NOW, NOW + 9 * MINUTE)
    assert book.open_qty == 0


def test_a_short_earns_when_price_falls() -> None:
    book = booked(execution(SELL, 2, 100, fee="0.11"), execution(BUY, 2, 90), side=SELL, stop="105")
    assert book.gross_pnl == 20
    assert book.net_pnl == Decimal("19.89")
    assert book.r_multiple == Decimal("1.989")


def test_a_part_that_is_closed_is_measured_against_the_average_entry() -> None:
    book = booked(execution(BUY, 3, 100), execution(SELL, 1, 106))
    assert book.open_qty == 2
    assert book.gross_pnl == 6


def test_funding_received_adds_to_the_result() -> None:
    book = replace(booked(execution(BUY, 1, 100), execution(SELL, 1, 100)), funding=Decimal(-2))
    assert book.net_pnl == 2


def test_a_book_without_fills_has_no_prices_and_no_multiple() -> None:
    book = booked()
    assert book.avg_entry == book.avg_exit == 0
    assert book.gross_pnl == book.net_pnl == 0
    assert book.r_multiple is None
    assert book.opened_at is None


def test_an_exit_that_is_heard_of_before_its_entry_has_no_result_yet() -> None:
    book = booked(execution(SELL, 1, 110, fee="0.06"))
    assert book.open_qty == -1
    assert book.gross_pnl == 0
    assert book.net_pnl == Decimal("-0.06")
    assert book.r_multiple is None


def test_an_entry_at_its_own_stop_has_no_multiple() -> None:
    assert booked(execution(BUY, 1, 95), execution(SELL, 1, 99)).r_multiple is None


def test_the_multiple_of_a_tiny_price_does_not_suffer_from_rounding_the_average() -> None:
    book = booked(
        execution(BUY, 1_000_000, "0.00001234"),
        execution(BUY, 1_000_000, "0.00001235"),
        execution(SELL, 2_000_000, "0.00001254"),
        stop="0.00001214",
    )
    assert book.entry_value == Decimal("24.69")
    assert book.initial_risk == Decimal("0.41")
    assert book.net_pnl == Decimal("0.39")
    assert book.r_multiple == Decimal("0.95121951")


def test_huge_quantities_keep_every_digit() -> None:
    book = booked(
        execution(BUY, "123456789012.3", "0.00001234"), execution(SELL, "123456789012.3", "1")
    )
    assert book.entry_value == Decimal("1523456.77641178")
    assert book.gross_pnl == Decimal("123455265555.52358822")


@pytest.mark.parametrize(
    ("kind", "stop_rule", "ordered", "reason"),
    [
        (ExecutionKind.TAKE_PROFIT, "", None, ExitReason.TAKE_PROFIT),
        (ExecutionKind.STOP_LOSS, "", None, ExitReason.STOP_LOSS),
        (ExecutionKind.STOP_LOSS, "breakeven", None, ExitReason.BREAKEVEN),
        (ExecutionKind.STOP_LOSS, "tightening", None, ExitReason.TIGHTENED_STOP),
        (ExecutionKind.STOP_LOSS, "", ExitReason.MANUAL, ExitReason.STOP_LOSS),
        (ExecutionKind.LIQUIDATION, "breakeven", None, ExitReason.LIQUIDATION),
        (ExecutionKind.ADL, "", None, ExitReason.ADL),
        (ExecutionKind.TRADE, "", ExitReason.MAX_HOLDING, ExitReason.MAX_HOLDING),
        (ExecutionKind.TRADE, "", None, ExitReason.EXTERNAL),
    ],
)
def test_why_a_trade_closed(
    kind: ExecutionKind, stop_rule: str, ordered: ExitReason | None, reason: ExitReason
) -> None:
    assert exit_reason(kind, stop_rule, ordered) is reason


executions = st.lists(
    st.builds(
        execution,
        side=st.sampled_from(Side),
        qty=st.decimals("0.001", "1000000", places=3),
        price=st.decimals("0.00000001", "90000", places=8),
        fee=st.decimals("-1", "100", places=8),
        minute=st.integers(0, 500),
        kind=st.sampled_from(ExecutionKind),
    ),
    max_size=6,
)


@given(executions, st.randoms(use_true_random=False), st.sampled_from(Side))
def test_the_order_of_executions_does_not_matter(
    fills: list[Execution], random: st.DrawFn, side: Side
) -> None:
    shuffled = sorted(fills, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert booked(*fills, side=side) == booked(*shuffled, side=side)


@given(executions, st.sampled_from(Side))
def test_quantity_value_and_fees_are_conserved(fills: list[Execution], side: Side) -> None:
    book = booked(*fills, side=side)
    values = [(fill.side, (fill.qty * fill.price).quantize(Decimal("1E-8"))) for fill in fills]
    assert book.open_qty == sum((f.qty * f.side.sign * side.sign for f in fills), ZERO)
    assert book.entry_value == sum((value for way, value in values if way is side), ZERO)
    assert book.exit_value == sum((value for way, value in values if way is not side), ZERO)
    assert book.fees == sum((fill.fee for fill in fills), ZERO)


@given(executions, st.sampled_from(Side))
def test_the_result_of_any_book_can_be_told(fills: list[Execution], side: Side) -> None:
    book = booked(*fills, side=side)
    assert book.net_pnl == book.gross_pnl - book.fees
    assert book.net_pnl.is_finite()
    assert book.r_multiple is None or book.r_multiple.is_finite()
