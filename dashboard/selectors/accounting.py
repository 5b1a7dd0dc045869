"""The books of one account over a period, as the console shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from dashboard import format as fmt
from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from trading.accounting import AiCosts, Period, Sums, ai_costs, first_day, midnight, period_read
from trading.choices import CashflowKind, WalletCheckState
from trading.models import Bot, Cashflow, WalletCheck

DAY = timedelta(days=1)
USUAL_DAYS = 30
# Longer periods show their newest days; the file has all.
DAYS_SHOWN = 62
CHECKS_SHOWN = 31
TRANSFERS_SHOWN = 50
# A column of the picture is a hundred wide; nothing that is not 0 is thinner than this.
THINNEST = 0.6


@dataclass(frozen=True, slots=True)
class Choice:
    """A period of UTC days, both included, and what was wrong with the one asked for."""

    first: date
    last: date
    problem: str = ""

    @property
    def start(self) -> datetime:
        return midnight(self.first)

    @property
    def end(self) -> datetime:
        """Not included."""
        return midnight(self.last) + DAY


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A usual period to jump to."""

    label: str
    first: str
    last: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class SumRow:
    """One day, symbol or bot. Amounts change the wallet as they stand; ``after_ai`` is net less AI
    cost."""

    name: str
    realised: str
    fees: str
    funding: str
    net: str
    transfers: str
    slippage: str
    slippage_note: str
    ai: str
    after_ai: str
    trades: int
    executions: int


@dataclass(frozen=True, slots=True)
class BridgeStep:
    """A step from the wallet at the start to the one at the end, drawn from ``x`` on, ``width``
    wide, of 100."""

    label: str
    amount: str
    tone: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One day's comparison with the venue's log. ``findings`` are what, id, symbol, ours, venue,
    difference."""

    day: date
    state: str
    booked: str
    reported: str
    difference: str
    checked_at: datetime
    findings: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class TransferRow:
    time: datetime
    amount: str
    entry_id: str


@dataclass(frozen=True, slots=True)
class Books:
    """Everything on the page."""

    total: SumRow
    opening: str
    closing: str
    bridge: list[BridgeStep]
    days: list[SumRow]
    days_hidden: int
    symbols: list[SumRow]
    bots: list[SumRow]
    checks: list[CheckRow]
    transfers: list[TransferRow]
    ai_known: bool
    ai_others: str


def choose(wanted_first: str, wanted_last: str, today: date) -> Choice:
    """The period asked for, else the newest 30 days up to ``today`` of market time."""
    usual = Choice(today - (USUAL_DAYS - 1) * DAY, today)
    if not wanted_first and not wanted_last:
        return usual
    try:
        first = date.fromisoformat(wanted_first) if wanted_first else usual.first
        last = date.fromisoformat(wanted_last) if wanted_last else today
        midnight(last) + DAY
    except (ValueError, OverflowError):
        return Choice(usual.first, usual.last, "A day is written like 2026-03-01.")
    if last < first:
        return Choice(usual.first, usual.last, "The last day is before the first.")
    return Choice(first, last)


def shortcuts(account: ExchangeAccount, choice: Choice, today: date) -> list[Shortcut]:
    """Today, a week, a month, the calendar month and year, everything."""
    periods = (
        ("Today", today),
        ("7 days", today - 6 * DAY),
        ("30 days", today - 29 * DAY),
        ("This month", today.replace(day=1)),
        ("This year", today.replace(month=1, day=1)),
        ("All", first_day(account, today)),
    )
    return [
        Shortcut(label, str(first), str(today), (first, today) == (choice.first, choice.last))
        for label, first in periods
    ]


def books_read(account: ExchangeAccount, choice: Choice) -> Books:
    """The books of ``account`` over the period of ``choice``."""
    period = period_read(account, choice.start, choice.end)
    ai = ai_costs(account, choice.first, choice.last)
    names = dict(Bot.objects.filter(account=account).values_list("pk", "name"))
    days = sorted(period.days.items(), reverse=True)
    return Books(
        total=_row("Total", period.total, ai.total if ai else None),
        opening=fmt.number(period.opening),
        closing=fmt.number(period.closing),
        bridge=_bridge(period),
        days=[
            _row(str(day), sums, ai.days.get(day, ZERO) if ai else None)
            for day, sums in days[:DAYS_SHOWN]
        ],
        days_hidden=max(0, len(days) - DAYS_SHOWN),
        symbols=[_row(name, sums, None) for name, sums in sorted(period.symbols.items())],
        bots=_bot_rows(period, ai, names),
        checks=_checks(account, choice),
        transfers=_transfers(account, choice),
        ai_known=ai is not None,
        ai_others=fmt.number(ai.others, 4) if ai and ai.others else "",
    )


def _bot_rows(period: Period, ai: AiCosts | None, names: Mapping[int, str]) -> list[SumRow]:
    """Bots by name; last what no bot traded. A bot that only paid for readings has a row too."""
    sums = dict(period.bots)
    for pk in ai.bots if ai else ():
        sums.setdefault(pk, Sums())
    rows = [
        _row(names.get(pk, f"bot {pk}"), one, ai.bots.get(pk, ZERO) if ai else None)
        for pk, one in sorted(sums.items(), key=lambda item: names.get(item[0] or 0, ""))
        if pk is not None
    ]
    if None in sums:
        rows.append(_row("No bot of ours", sums[None], ZERO))
    return rows


def _row(name: str, sums: Sums, ai: Decimal | None) -> SumRow:
    unknown = sums.slippage_unknown
    all_unknown = not sums.trades or unknown == sums.trades
    return SumRow(
        name=name,
        realised=fmt.number(sums.realised, signed=True),
        fees=fmt.number(ZERO - sums.fees, signed=True),
        funding=fmt.number(sums.funding, signed=True),
        net=fmt.number(sums.net, signed=True),
        transfers=fmt.number(sums.transfers, signed=True) if sums.transfers else "",
        slippage=fmt.UNKNOWN if all_unknown else fmt.number(sums.slippage),
        slippage_note=f"{unknown} of {sums.trades} not known" if unknown else "",
        ai=fmt.number(ai, 4) if ai else fmt.UNKNOWN if ai is None else "0",
        after_ai=fmt.number(None if ai is None else sums.net - ai, signed=True),
        trades=sums.trades,
        executions=sums.executions,
    )


def _bridge(period: Period) -> list[BridgeStep]:
    """Start + profit - fees + funding + transfers = end, each drawn where the one before ended.

    The picture begins a little below the lowest level, not at 0: next to a whole wallet a day's
    result would be invisible.
    """
    total, level = period.total, period.opening
    moves = (
        ("Realised profit", total.realised),
        ("Fees", ZERO - total.fees),
        ("Funding", total.funding),
        ("Transfers", total.transfers),
    )
    levels = [level]
    for _, amount in moves:
        level += amount
        levels.append(level)
    low, high = min(levels), max(levels)
    margin = (high - low) / 8 or Decimal(1)
    scale = _Scale(float(low - margin), float(high + margin))
    steps = [_whole("Wallet at the start", period.opening, scale)]
    steps += [
        _step(label, amount, before, scale)
        for (label, amount), before in zip(moves, levels[:-1], strict=True)
    ]
    return [*steps, _whole("Wallet at the end", period.closing, scale)]


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def x(self, amount: Decimal) -> float:
        return 100 * (float(amount) - self.low) / (self.high - self.low)


def _whole(label: str, level: Decimal, scale: _Scale) -> BridgeStep:
    return BridgeStep(label, fmt.number(level), "level", "0", f"{scale.x(level):.2f}")


def _step(label: str, amount: Decimal, before: Decimal, scale: _Scale) -> BridgeStep:
    left, right = sorted((scale.x(before), scale.x(before + amount)))
    width = max(THINNEST, right - left) if amount else 0.0
    tone = "up" if amount > 0 else "down" if amount < 0 else "none"
    text = fmt.number(amount, signed=True)
    return BridgeStep(label, text, tone, f"{min(left, 100 - width):.2f}", f"{width:.2f}")


def _checks(account: ExchangeAccount, choice: Choice) -> list[CheckRow]:
    rows = WalletCheck.objects.filter(account=account, day__gte=choice.first, day__lte=choice.last)
    return [
        CheckRow(
            day=row.day,
            state=row.state,
            booked=_exact(row.booked) if row.state != WalletCheckState.UNREAD else fmt.UNKNOWN,
            reported=_exact(row.reported),
            difference=_exact(row.difference),
            checked_at=row.checked_at,
            findings=row.findings,
        )
        for row in rows.order_by("-day")[:CHECKS_SHOWN]
    ]


def _exact(amount: Decimal | None) -> str:
    return fmt.plain(amount, signed=True)


def _transfers(account: ExchangeAccount, choice: Choice) -> list[TransferRow]:
    rows = Cashflow.objects.filter(
        account=account,
        kind=CashflowKind.TRANSFER,
        time__gte=choice.start,
        time__lt=choice.end,
    )
    return [
        TransferRow(row.time, fmt.number(row.amount, signed=True), row.entry_id)
        for row in rows.order_by("-time", "-id")[:TRANSFERS_SHOWN]
    ]
