"""The tables of the performance page: by each dimension, by mode, by hour and weekday."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from dashboard import figures as fig
from dashboard import format as fmt
from trading.choices import ExitReason
from trading.domain.statistics.figures import Statistics, figures_by
from trading.domain.statistics.trades import (
    UNITS,
    WEEKDAYS,
    Dimension,
    Labels,
    amount,
    exact_sum,
)
from trading.results import Results

FEW = 30
HOURS = 24
TONES = 4
NAMES = {
    Dimension.BOT: "Bot",
    Dimension.SYMBOL: "Symbol",
    Dimension.DIRECTION: "Direction",
    Dimension.EXIT_REASON: "Exit reason",
    Dimension.TIMEFRAME: "Timeframe",
    Dimension.ANALYST: "Analyst",
    Dimension.PROMPT: "Prompt version",
    Dimension.CONFIDENCE: "Confidence",
    Dimension.WEEKDAY: "Weekday of opening, UTC",
    Dimension.HOUR: "Hour of opening, UTC",
}
# In the order of their values; all others by how many trades they have.
ORDERED = (Dimension.CONFIDENCE, Dimension.WEEKDAY, Dimension.HOUR)


@dataclass(frozen=True, slots=True)
class TableRow:
    """Figures of one value of a dimension; ``few`` says that they are from too few trades."""

    name: str
    trades: str
    few: bool
    win_rate: str
    win_interval: str
    net: str
    expectancy: str
    expectancy_interval: str
    profit_factor: str
    drawdown: str
    hold: str


@dataclass(frozen=True, slots=True)
class Table:
    """One dimension; ``folded`` starts closed."""

    title: str
    rows: list[TableRow]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class HeatCell:
    """Net P&L of one hour of one weekday; ``tone`` is a class, stronger with the amount."""

    text: str
    title: str
    tone: str


@dataclass(frozen=True, slots=True)
class HeatTable:
    """Hours down, weekdays across; ``summary`` names the best and the worst cell."""

    days: tuple[str, ...]
    rows: list[tuple[str, list[HeatCell]]]
    summary: str


def dimension_tables(results: Results, start_equity: Decimal) -> list[Table]:
    """A table per dimension that has more than one value, or a name for its only one."""
    if len(results.columns) == 0:
        return []
    tables = []
    for dimension, title in NAMES.items():
        labels = results.labels[dimension]
        found = figures_by(results.columns, labels, start_equity=start_equity)
        if set(found) == {""}:
            continue
        items = list(found.items())
        if dimension not in ORDERED:
            items.sort(key=lambda item: -item[1].trades)
        rows = [_row(_name(dimension, name), each) for name, each in items]
        tables.append(Table(title, rows, folded=dimension in ORDERED))
    return tables


def mode_table(results: Results | None) -> Table | None:
    """Modes of all accounts side by side, never added up; None where there is only one account
    with trades."""
    if results is None or len(results.columns) == 0:
        return None
    found = figures_by(results.columns, results.labels[Dimension.MODE])
    return Table("Mode, all accounts", [_row(name, each) for name, each in found.items()])


def _name(dimension: Dimension, name: str) -> str:
    if not name:
        return "none" if dimension is Dimension.PROMPT else "unknown"
    return ExitReason(name).label if dimension is Dimension.EXIT_REASON else name


def _row(name: str, found: Statistics) -> TableRow:
    fall = found.drawdown
    return TableRow(
        name=name,
        trades=f"{found.trades:,}",
        few=found.trades < FEW,
        win_rate=fig.percent(found.win_rate, 0),
        win_interval=fig.share_interval(found.win_rate_interval),
        net=fmt.number(found.net_pnl, signed=True),
        expectancy=fig.r(found.expectancy_r),
        expectancy_interval=fig.interval(found.expectancy_r_interval),
        profit_factor=fig.number(found.profit_factor),
        drawdown=fmt.number(fall.amount if fall else None),
        hold=fig.span(found.average_hold),
    )


def heat_table(results: Results) -> HeatTable | None:
    """Net P&L by hour and weekday of opening; None without trades."""
    hours, days = results.labels[Dimension.HOUR], results.labels[Dimension.WEEKDAY]
    if len(results.columns) == 0:
        return None
    sums, counts = _sums(results, hours, days)
    traded = [cell for cell, count in enumerate(counts) if count]
    if not traded:
        return None
    largest = max(abs(value) for value in sums) or 1
    rows = [
        (
            f"{hour:02d}",
            [
                _cell(sums[hour * 7 + day], counts[hour * 7 + day], largest, hour, day)
                for day in range(7)
            ],
        )
        for hour in range(HOURS)
    ]
    best = max(traded, key=sums.__getitem__)
    worst = min(traded, key=sums.__getitem__)
    return HeatTable(
        days=tuple(day[:3] for day in WEEKDAYS),
        rows=rows,
        summary=f"Best {_place(best, sums)}, worst {_place(worst, sums)}.",
    )


def _sums(results: Results, hours: Labels, days: Labels) -> tuple[list[int], list[int]]:
    known = (hours.codes < HOURS) & (days.codes < 7)
    cells = (hours.codes * 7 + days.codes)[known]
    net = results.columns.net[known]
    order = np.argsort(cells, kind="stable")
    bounds = np.searchsorted(cells[order], np.arange(HOURS * 7 + 1))
    ordered = net[order]
    spans = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    return [exact_sum(ordered[a:b]) for a, b in spans], [b - a for a, b in spans]


def _cell(units: int, count: int, largest: int, hour: int, day: int) -> HeatCell:
    if count == 0:
        return HeatCell("", f"{WEEKDAYS[day]} {hour:02d}:00: no trade", "")
    strength = min(TONES, 1 + abs(units) * TONES // (largest + 1)) if units else 0
    tone = f"heat-{'up' if units > 0 else 'down'}-{strength}" if strength else ""
    text = ("+" if units > 0 else "") + fig.short(round(units / UNITS))
    title = (
        f"{WEEKDAYS[day]} {hour:02d}:00: {fmt.number(amount(units), signed=True)} USDT "
        f"from {count} trade{'s' * (count > 1)}"
    )
    return HeatCell(text, title, tone)


def _place(cell: int, sums: list[int]) -> str:
    hour, day = divmod(cell, 7)
    return f"{WEEKDAYS[day]} {hour:02d}:00 ({fmt.number(amount(sums[cell]), signed=True)} USDT)"
