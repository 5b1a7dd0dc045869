"""What must be true of the tables at any moment of the week, and after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from django.db import connection

from exchange.candles import from_ms, to_ms
from exchange.domain import ExecutionKind, LedgerKind, Side
from exchange.models import (
    ExchangeAccount,
    PaperAccount,
    PaperExecution,
    PaperLedgerEntry,
    PaperPosition,
)
from tests.crash.audit import NEVER
from tests.crash.week_watch import TAKER_COST, StepListener, Truth
from trading.choices import OrderState, TradeState
from trading.execution.agreement import disagreements
from trading.execution.desk import Desk
from trading.models import Order, Trade

HALF_STEP_MS = 31_000
PLACES = Decimal("0.00000001")
FUNDING_MS = 8 * 3_600_000
MINUTE_MS = 60_000
# Who opens or closes in these minutes may or may not have been there when funding was settled.
AROUND_FUNDING = timedelta(minutes=3)
# Two roundings of one payment may differ by this.
PAYMENT_SLACK = Decimal("0.00000002")


def naked_positions(account: ExchangeAccount) -> list[str]:
    """Positions that stand without a stop."""
    rows = PaperPosition.objects.filter(account=account, stop_loss=None)
    return [f"{row.symbol}: a position of {row.qty} without a stop" for row in rows]


def broken_books(desk: Desk) -> list[str]:
    """What the tables say that they never may, and where they differ from the venue's."""
    found = [*disagreements(desk), *_never(), *_positions(desk.account), *_wallet(desk.account)]
    stuck = Order.objects.filter(
        account=desk.account, state__in=(OrderState.SUBMITTED, OrderState.UNKNOWN)
    )
    limit = desk.clock.now() - timedelta(seconds=40)
    found += [
        f"order {row.order_link_id} is {row.state} since {row.submitted_at}"
        for row in stuck
        if row.submitted_at is not None and row.submitted_at < limit
    ]
    return found


def _never() -> Iterator[str]:
    with connection.cursor() as cursor:
        for name, statement in NEVER.items():
            cursor.execute(statement)
            yield from (f"{name}: {row[0]}" for row in cursor.fetchall())


def _positions(account: ExchangeAccount) -> list[str]:
    ours = {
        row.symbol: (row.side, row.entry_qty - row.exit_qty, row.stop_loss, row.take_profit)
        for row in Trade.objects.filter(account=account, state=TradeState.OPEN)
    }
    theirs = {
        row.symbol: (row.side, row.qty, row.stop_loss, row.take_profit)
        for row in PaperPosition.objects.filter(account=account)
    }
    return [
        f"position {symbol}: we have {ours.get(symbol)}, the venue {theirs.get(symbol)}"
        for symbol in sorted(ours.keys() | theirs.keys())
        if ours.get(symbol) != theirs.get(symbol)
    ]


def _wallet(account: ExchangeAccount) -> list[str]:
    """The venue's wallet is its own ledger added up, to the last of 8 places."""
    wallet = PaperAccount.objects.get(account=account).wallet
    amounts = PaperLedgerEntry.objects.filter(account=account).values_list("amount", flat=True)
    total = sum(amounts, account.start_equity).quantize(PLACES)
    if total == wallet.quantize(PLACES):
        return []
    return [f"wallet: the venue has {wallet}, its ledger adds up to {total}"]


def unreal_fills(
    account: ExchangeAccount, truth: Truth, listener: StepListener, after: int
) -> tuple[list[str], int]:
    """Fills later than the row ``after`` at prices that were not there; and the last row seen.

    A fill that takes may cost slippage and half the spread beyond what was traded. A fill inside a
    step carries its middle, and a step is at most a minute: price was there by half a minute later.
    """
    found = []
    for row in PaperExecution.objects.filter(account=account, pk__gt=after).order_by("pk"):
        after = row.pk
        first_ms = listener.reaches_back_to(row.symbol, row.time)
        low, high = truth.range(row.symbol, first_ms, to_ms(row.time) + HALF_STEP_MS)
        if not row.is_maker and row.kind != ExecutionKind.TAKE_PROFIT:
            slack = row.price * TAKER_COST + 2 * truth.tick(row.symbol)
            low, high = low - slack, high + slack
        if not low <= row.price <= high:
            found.append(f"{row}: the price was between {low} and {high} at {row.time}")
    return found, after


def funding_found(
    account: ExchangeAccount, truth: Truth, rates: dict[str, Decimal], first_ms: int, last_ms: int
) -> tuple[list[str], int]:
    """Settlements that were not booked once for a position held; and how many were booked."""
    found, booked = [], 0
    rows = PaperLedgerEntry.objects.filter(account=account, kind=LedgerKind.FUNDING)
    payments = list(rows.values_list("symbol", "time", "amount"))
    for at_ms in range(-(-first_ms // FUNDING_MS) * FUNDING_MS, last_ms, FUNDING_MS):
        moment = from_ms(at_ms)
        if at_ms + AROUND_FUNDING // timedelta(milliseconds=1) > last_ms:
            break
        for symbol, rate in rates.items():
            paid = [
                amount
                for name, time, amount in payments
                if name == symbol and moment <= time < moment + timedelta(hours=8)
            ]
            booked += len(paid)
            held, certain = _held_at(account, symbol, at_ms)
            if len(paid) > 1:
                found.append(f"{symbol}: funding of {moment} was booked {len(paid)} times")
            elif certain and len(paid) != bool(held):
                found.append(f"{symbol}: {held} at {moment}, funding booked {len(paid)} times")
            elif certain and held:
                close = truth.candle(symbol, MINUTE_MS, at_ms - MINUTE_MS).close
                if abs(paid[0] + held * close * rate) > PAYMENT_SLACK:
                    found.append(
                        f"{symbol}: funding of {moment} is {paid[0]} for {held} at {close}"
                    )
    if booked != len(payments):
        found.append(f"{len(payments) - booked} payments belong to no settlement")
    return found, booked


def _held_at(account: ExchangeAccount, symbol: str, at_ms: int) -> tuple[Decimal, bool]:
    """Signed position at a settlement, and whether nothing moved it around then."""
    moment, held, certain = from_ms(at_ms), Decimal(0), True
    for row in PaperExecution.objects.filter(account=account, symbol=symbol):
        if row.time <= moment:
            held += row.qty if row.side == Side.BUY else -row.qty
        if moment - timedelta(minutes=1) <= row.time <= moment + AROUND_FUNDING:
            certain = False
    return held, certain
