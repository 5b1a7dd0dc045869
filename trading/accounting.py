"""The books of an account: every change of its wallet, and what a period came to.

All from our own rows: executions, fees, funding, transfers. What the venue says is compared with
it in ``trading.wallet_check``. Amounts are USDT, days are UTC days of market time, and two accounts
are never added up.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from analysis.models import Spend
from exchange.domain import ZERO, Side, quantise
from exchange.labels import Labelled
from exchange.models import ExchangeAccount
from trading.ai import REAL_TIME, bot_key
from trading.choices import CashflowKind, TradeState
from trading.domain.books import Fill, PositionBooks
from trading.models import Cashflow, Execution, Trade

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHUNK = 2000
_EXECUTION = (
    "time", "exec_id", "symbol", "side", "qty", "price", "fee", "trade_id", "trade__bot_id",
    "trade_qty", "venue_order_id", "order_link_id",
)  # fmt: skip
_CASHFLOW = ("time", "entry_id", "kind", "symbol", "amount", "trade_id", "trade__bot_id")


class LineKind(Labelled):
    EXECUTION = "execution", "Execution"
    FUNDING = "funding", "Funding"
    TRANSFER = "transfer", "Transfer"


@dataclass(frozen=True, slots=True)
class Line:
    """One change of the wallet. ``amount`` is the change: realised profit less fee of an execution,
    or a cashflow. ``slack`` is by how much a venue may have rounded it differently."""

    kind: LineKind
    time: datetime
    entry_id: str
    symbol: str
    amount: Decimal
    trade_id: int | None = None
    bot_id: int | None = None
    realised: Decimal = ZERO
    fee: Decimal = ZERO
    slack: Decimal = ZERO
    side: str = ""
    qty: Decimal | None = None
    price: Decimal | None = None
    trade_qty: Decimal | None = None
    order_id: str = ""
    order_link_id: str = ""


def midnight(day: date) -> datetime:
    """The beginning of a UTC day."""
    return datetime.combine(day, time(), UTC)


def book_lines(account: ExchangeAccount, until: datetime) -> Iterator[Line]:
    """Every change of the wallet before ``until``, oldest first."""
    return heapq.merge(
        _executions(account, until), _cashflows(account, until), key=lambda line: line.time
    )


def _executions(account: ExchangeAccount, until: datetime) -> Iterator[Line]:
    """Profit is realised against the positions that all executions before have built."""
    rows = Execution.objects.filter(account=account, time__lt=until).order_by("time", "id")
    books = PositionBooks()
    for row in rows.values_list(*_EXECUTION).iterator(chunk_size=CHUNK):
        moment, exec_id, symbol, side, qty, price, fee, trade, bot, share, order, link = row
        realised = books.take(Fill(symbol, Side(side), qty, price))
        yield Line(
            kind=LineKind.EXECUTION,
            time=moment,
            entry_id=exec_id,
            symbol=symbol,
            amount=realised.amount - fee,
            trade_id=trade,
            bot_id=bot,
            realised=realised.amount,
            fee=fee,
            slack=realised.slack,
            side=side,
            qty=qty,
            price=price,
            trade_qty=share,
            order_id=order,
            order_link_id=link,
        )


def _cashflows(account: ExchangeAccount, until: datetime) -> Iterator[Line]:
    rows = Cashflow.objects.filter(account=account, time__lt=until).order_by("time", "id")
    for row in rows.values_list(*_CASHFLOW).iterator(chunk_size=CHUNK):
        moment, entry_id, kind, symbol, amount, trade, bot = row
        line = LineKind.FUNDING if kind == CashflowKind.FUNDING else LineKind.TRANSFER
        yield Line(line, moment, entry_id, symbol, amount, trade_id=trade, bot_id=bot)


@dataclass(slots=True)
class Sums:
    """What came and went. ``fees`` are paid when above 0; ``funding`` and ``transfers`` change the
    wallet as they stand. ``slippage`` is that of trades that closed, greater than 0 is worse;
    ``slippage_unknown`` counts those that lack a part of it, and are not in it."""

    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    transfers: Decimal = ZERO
    executions: int = 0
    trades: int = 0
    slippage: Decimal = ZERO
    slippage_unknown: int = 0

    @property
    def net(self) -> Decimal:
        """Realised profit less fees, with funding; transfers are no result."""
        return self.realised - self.fees + self.funding

    @property
    def change(self) -> Decimal:
        """By how much the wallet changed."""
        return self.net + self.transfers

    def add(self, line: Line) -> None:
        """Count a change of the wallet."""
        if line.kind is LineKind.EXECUTION:
            self.realised += line.realised
            self.fees += line.fee
            self.executions += 1
        elif line.kind is LineKind.FUNDING:
            self.funding += line.amount
        else:
            self.transfers += line.amount

    def add_trade(self, entry: Decimal | None, leave: Decimal | None) -> None:
        """Count a trade that closed, with its slippage."""
        self.trades += 1
        if entry is None or leave is None:
            self.slippage_unknown += 1
        else:
            self.slippage += entry + leave


@dataclass(slots=True)
class Period:
    """The books from ``start`` up to but not including ``end``. ``bots`` has None for what no bot
    traded."""

    account: ExchangeAccount
    start: datetime
    end: datetime
    opening: Decimal
    total: Sums = field(default_factory=Sums)
    days: dict[date, Sums] = field(default_factory=dict)
    symbols: dict[str, Sums] = field(default_factory=dict)
    bots: dict[int | None, Sums] = field(default_factory=dict)
    trades: dict[int | None, Sums] = field(default_factory=dict)

    @property
    def closing(self) -> Decimal:
        return self.opening + self.total.change

    def add(self, line: Line) -> None:
        """Count a change of the wallet everywhere it belongs."""
        self.total.add(line)
        self.days.setdefault(line.time.date(), Sums()).add(line)
        if line.symbol and line.kind is not LineKind.TRANSFER:
            self.symbols.setdefault(line.symbol, Sums()).add(line)
        for part in _parts(line):
            if part.kind is not LineKind.TRANSFER:
                self.bots.setdefault(part.bot_id, Sums()).add(part)
                self.trades.setdefault(part.trade_id, Sums()).add(part)


def _parts(line: Line) -> list[Line]:
    """A fill that is only partly a trade's: its share, and the rest, which is nobody's here."""
    if line.trade_id is None or line.trade_qty is None or not line.qty:
        return [line]
    share = line.trade_qty / line.qty
    realised, fee = quantise(line.realised * share), quantise(line.fee * share)
    return [
        _part(line, realised, fee, line.trade_id, line.bot_id),
        _part(line, line.realised - realised, line.fee - fee, None, None),
    ]


def _part(
    line: Line, realised: Decimal, fee: Decimal, trade_id: int | None, bot_id: int | None
) -> Line:
    return Line(
        kind=line.kind,
        time=line.time,
        entry_id=line.entry_id,
        symbol=line.symbol,
        amount=realised - fee,
        trade_id=trade_id,
        bot_id=bot_id,
        realised=realised,
        fee=fee,
    )


def period_read(account: ExchangeAccount, start: datetime, end: datetime) -> Period:
    """What the books of ``account`` say of a period of market time."""
    opening: Decimal = account.start_equity
    lines = book_lines(account, end)
    period = Period(account, start, end, opening)
    for line in lines:
        if line.time < start:
            period.opening += line.amount
        else:
            period.add(line)
    _add_trades(period)
    return period


def _add_trades(period: Period) -> None:
    closed = Trade.objects.filter(
        account=period.account,
        state=TradeState.CLOSED,
        closed_market__gte=period.start,
        closed_market__lt=period.end,
    )
    fields = ("closed_market", "symbol", "bot_id", "entry_slippage", "exit_slippage")
    for moment, symbol, bot, entry, leave in closed.values_list(*fields):
        for sums in (
            period.total,
            period.days.setdefault(moment.date(), Sums()),
            period.symbols.setdefault(symbol, Sums()),
            period.bots.setdefault(bot, Sums()),
        ):
            sums.add_trade(entry, leave)


@dataclass(frozen=True, slots=True)
class AiCosts:
    """What models cost in a period, US dollars counted as USDT. ``others`` is what the account paid
    besides its bots: charts that a person had read."""

    total: Decimal
    days: Mapping[date, Decimal]
    bots: Mapping[int, Decimal]
    others: Decimal


def ai_costs(account: ExchangeAccount, first: date, last: date) -> AiCosts | None:
    """AI cost of the days from ``first`` to ``last``, both included.

    Models are paid on days of wall time. Where the market does not run in real time those are other
    days than its own: None, unless nothing was ever paid.
    """
    keys = {bot_key(pk): pk for pk in account.bots.values_list("pk", flat=True)}
    whole = f"account:{account.pk}"
    rows = Spend.objects.filter(key__in=[*keys, whole]).exclude(amount=0)
    session = getattr(account, "market_session", None)
    if session is not None and session.speed != REAL_TIME:
        return None if rows.exists() else AiCosts(ZERO, {}, {}, ZERO)
    days: dict[date, Decimal] = {}
    bots: dict[int, Decimal] = {}
    for key, day, amount in rows.filter(day__gte=first, day__lte=last).values_list(
        "key", "day", "amount"
    ):
        if key == whole:
            days[day] = amount
        else:
            bots[keys[key]] = bots.get(keys[key], ZERO) + amount
    total = sum(days.values(), ZERO)
    return AiCosts(total, days, bots, total - sum(bots.values(), ZERO))


def first_day(account: ExchangeAccount, today: date) -> date:
    """The day of the oldest entry in the books; ``today`` where there is none."""
    times = [
        rows.order_by("time").values_list("time", flat=True).first()
        for rows in (
            Execution.objects.filter(account=account),
            Cashflow.objects.filter(account=account),
        )
    ]
    known = [moment.date() for moment in times if moment is not None]
    return min([*known, today])


def days_between(first: date, last: date) -> list[date]:
    """Each day from ``first`` to ``last``, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
