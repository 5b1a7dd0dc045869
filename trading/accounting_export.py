"""The books as CSV: one row per execution, per fee, per funding payment and per transfer.

The column ``amount`` adds up to the change of the wallet, to the last of 8 places; ``fee`` repeats
the cost of a fee row for those who want fees alone. The last rows carry totals in a column of their
own, so that no column counts anything twice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from exchange.domain import ZERO, quantise
from exchange.models import ExchangeAccount
from trading.accounting import Line, LineKind, Sums, book_lines
from trading.models import Bot

COLUMNS = (
    "account", "mode", "time_utc", "kind", "market", "side", "qty", "price", "amount", "fee",
    "currency", "order_id", "order_link_id", "entry_id", "trade_id", "bot", "total",
)  # fmt: skip
CURRENCY = "USDT"
ROWS_AT_ONCE = 500
# A cell that begins like this is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")

Row = dict[str, str]


def text_cell(value: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe stands before one."""
    return f"'{value}" if value.lstrip(" ").startswith(FORMULA) else value


def number_cell(value: Decimal | None) -> str:
    """Every digit, without an exponent and without idle zeros."""
    if value is None:
        return ""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def time_cell(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def export_rows(
    account: ExchangeAccount,
    start: datetime,
    end: datetime,
    on_line: Callable[[datetime], None] | None = None,
) -> Iterator[Row]:
    """Rows of the books from ``start`` up to but not including ``end``, then the totals.

    ``on_line`` is told the time of each entry, those before ``start`` included.
    """
    bots = dict(Bot.objects.filter(account=account).values_list("pk", "name"))
    opening: Decimal = account.start_equity
    sums = Sums()
    for line in book_lines(account, end):
        if on_line is not None:
            on_line(line.time)
        if line.time < start:
            opening += line.amount
            continue
        sums.add(line)
        yield from _rows_of(account, line, bots.get(line.bot_id or 0, ""))
    yield from _totals(account, opening, sums)


def _rows_of(account: ExchangeAccount, line: Line, bot: str) -> Iterator[Row]:
    common = {
        "account": text_cell(account.name),
        "mode": account.mode,
        "time_utc": time_cell(line.time),
        "market": text_cell(line.symbol),
        "currency": CURRENCY,
        "order_id": text_cell(line.order_id),
        "order_link_id": text_cell(line.order_link_id),
        "entry_id": text_cell(line.entry_id),
        "trade_id": str(line.trade_id or ""),
        "bot": text_cell(bot),
    }
    if line.kind is not LineKind.EXECUTION:
        yield common | {"kind": str(line.kind), "amount": number_cell(line.amount)}
        return
    yield common | {
        "kind": "execution",
        "side": line.side,
        "qty": number_cell(line.qty),
        "price": number_cell(line.price),
        "amount": number_cell(line.realised),
    }
    yield common | {
        "kind": "fee",
        "amount": number_cell(ZERO - line.fee),
        "fee": number_cell(line.fee),
    }


def _totals(account: ExchangeAccount, opening: Decimal, sums: Sums) -> Iterator[Row]:
    totals = (
        ("wallet at start", opening),
        ("realised profit", sums.realised),
        ("fees", ZERO - sums.fees),
        ("funding", sums.funding),
        ("transfers", sums.transfers),
        ("wallet change", sums.change),
        ("wallet at end", opening + sums.change),
    )
    for kind, value in totals:
        yield {
            "account": text_cell(account.name),
            "mode": account.mode,
            "kind": kind,
            "currency": CURRENCY,
            "total": number_cell(quantise(value)),
        }


def export_chunks(rows: Iterator[Row]) -> Iterator[str]:
    """The rows as CSV text with their heading, some hundred rows at a time."""
    yield _csv([dict(zip(COLUMNS, COLUMNS, strict=True))])
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= ROWS_AT_ONCE:
            yield _csv(batch)
            batch = []
    if batch:
        yield _csv(batch)


def _csv(rows: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writerows(rows)
    return out.getvalue()


def export_name(account: ExchangeAccount, start: datetime, end: datetime) -> str:
    """A file name that says what is in it: mode, account and days."""
    safe = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in account.name)
    return f"ledger-{account.mode.lower()}-{safe}-{start:%Y%m%d}-{end:%Y%m%d}.csv"
