"""An account whose bot traded, and its books as they are written to a file."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from decimal import Decimal

from exchange.models import ExchangeAccount
from tests import factories
from trading import models
from trading.accounting_export import export_chunks, export_rows

D = Decimal


def bot_with_account() -> models.Bot:
    """Its names begin like formulas."""
    account = factories.AccountFactory.create(start_equity=D(1000), name="=SUM(A1)")
    made: models.Bot = factories.BotFactory.create(account=account, name="@bot")
    return made


def trade_of(bot: models.Bot, **changes: object) -> models.Trade:
    cycle = factories.CycleFactory.create(bot=bot)
    signal = factories.SignalFactory.create(cycle=cycle)
    return factories.TradeFactory.create(signal=signal, closed=True, **changes)


def fill(trade: models.Trade, side: str, price: int, **changes: object) -> models.Execution:
    order = trade.orders.first() or factories.OrderFactory.create(trade=trade)
    fields = {"qty": D(1), "price": D(price), "fee": D("0.5"), "side": side, **changes}
    return factories.ExecutionFactory.create(order=order, trade=trade, **fields)


def read_csv(text: str) -> tuple[list[dict[str, str]], dict[str, Decimal]]:
    """Rows, and the totals at the end by their name."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    totals = {row["kind"]: D(row["total"]) for row in rows if row["total"]}
    return [row for row in rows if not row["total"]], totals


def exported(account: ExchangeAccount, start: datetime, end: datetime) -> str:
    return "".join(export_chunks(export_rows(account, start, end)))
