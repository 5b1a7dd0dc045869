"""The charts of the performance page: equity, drawdown, results in R, and how trades went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from dashboard import format as fmt
from dashboard.figures import as_decimal, short
from dashboard.plot import Box, Dot, Line, Mark, Plot, across, area, bar, path, ticks, upward
from trading.domain.statistics.curve import Curve, falls
from trading.domain.statistics.trades import EPOCH, UNITS, Columns, Floats, Ints

POINTS = 300
DOTS = 400
EDGE_R = 4
BIN_R = 0.5


def moment_of(micros: int) -> datetime:
    """Microseconds since 1970 as UTC."""
    return EPOCH + timedelta(microseconds=micros)


def curve_plots(curve: Curve, note: str) -> list[Plot]:
    """The value without transfers, and under it how far it is below its peak; nothing with fewer
    than two values."""
    if len(curve) < 2:
        return []
    rows = thinned(curve.money)
    times, money = curve.times[rows].astype(np.float64), curve.money[rows] / UNITS
    plots = [_money_plot(times, money, note)]
    share = falls(curve)[rows]
    if not np.isnan(share).any():
        plots.append(_fall_plot(times, share * 100))
    return plots


def thinned(values: Ints, most: int = POINTS) -> Ints:
    """Places of at most about ``most`` values: of each stretch its lowest and highest."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    kept = {0, count - 1}
    for stretch in np.array_split(np.arange(count), most // 2):
        kept.add(int(stretch[values[stretch].argmin()]))
        kept.add(int(stretch[values[stretch].argmax()]))
    return np.array(sorted(kept), dtype=np.int64)


def _money_plot(times: Floats, money: Floats, note: str) -> Plot:
    x = across(float(times[0]), float(times[-1]))
    low, high = float(money.min()), float(money.max())
    y = upward(low, high)
    xs, ys = times.tolist(), money.tolist()
    return Plot(
        title="Equity",
        unit="USDT, without transfers",
        summary=(
            f"From {_money(ys[0])} to {_money(ys[-1])} USDT, lowest {_money(low)}, "
            f"highest {_money(high)}."
        ),
        across=_days(times),
        upward=[Mark(y.text(v), short(v)) for v in ticks(y)],
        lines=[
            Line(area(xs, ys, x, y, y.low), "plot-area"),
            Line(path(xs, ys, x, y), "plot-line"),
        ],
        head=("Time, UTC", "USDT"),
        rows=[(_minute(xs[i]), _money(ys[i])) for i in _few(len(xs))],
        note=note,
    )


def _fall_plot(times: Floats, share: Floats) -> Plot:
    x = across(float(times[0]), float(times[-1]))
    y = upward(min(float(share.min()), -0.1), 0)
    xs, ys = times.tolist(), share.tolist()
    return Plot(
        title="Drawdown",
        unit="% below the peak",
        summary=f"Deepest {_percent(min(ys))}, now {_percent(ys[-1])} below the peak.",
        across=_days(times),
        upward=[Mark(y.text(v), _number(v, 1)) for v in ticks(y)],
        lines=[
            Line(area(xs, ys, x, y, 0), "plot-fall"),
            Line(path(xs, ys, x, y), "plot-line-down"),
        ],
        head=("Time, UTC", "Below the peak"),
        rows=[(_minute(xs[i]), _percent(ys[i])) for i in _few(len(xs))],
    )


def histogram_plot(columns: Columns) -> Plot | None:
    """How many trades ended in each half R; None without any R."""
    multiples = columns.r[~np.isnan(columns.r)]
    if len(multiples) == 0:
        return None
    edges = np.arange(-EDGE_R, EDGE_R + BIN_R / 2, BIN_R)
    # What lies beyond is counted in the outermost bars.
    inside = np.clip(multiples, -EDGE_R, EDGE_R - 1e-9)
    counts, _ = np.histogram(inside, edges)
    x, y = across(-EDGE_R, EDGE_R), upward(0, float(counts.max()))
    rows, boxes = [], []
    for low, count in zip(edges[:-1].tolist(), counts.tolist(), strict=True):
        name = _bin_name(low)
        rows.append((name, str(count)))
        drawn = bar(low, low + BIN_R, 0, count, x, y)
        boxes.append(
            Box(drawn.x, drawn.y, drawn.width, drawn.height, drawn.tone, f"{name}: {count}")
        )
    most = int(counts.argmax())
    return Plot(
        title="Results",
        unit="trades per half R",
        summary=(
            f"{len(multiples):,} trades, most often {rows[most][0]} "
            f"({rows[most][1]} times); median {_r(float(np.median(multiples)))}."
        ),
        across=[Mark(x.text(v), f"{v:g}".replace("-", fmt.MINUS)) for v in range(-4, 5, 2)],
        upward=[Mark(y.text(v), short(v)) for v in ticks(y) if v == int(v)],
        boxes=boxes,
        head=("R", "Trades"),
        rows=rows,
    )


def _bin_name(low: float) -> str:
    if low <= -EDGE_R:
        return f"below {_r(low + BIN_R)}"
    if low + BIN_R >= EDGE_R:
        return f"{_r(low)} and more"
    return f"{_r(low)} to {_r(low + BIN_R)}"


def excursion_plot(columns: Columns, ids: Ints) -> Plot | None:
    """Most favourable against least favourable price of each trade, in R; None where no prices
    were kept."""
    known = np.flatnonzero(~np.isnan(columns.best_r) & ~np.isnan(columns.worst_r))
    if len(known) == 0:
        return None
    shown = known[-DOTS:]
    best = np.clip(columns.best_r[shown], -1, EDGE_R + 1)
    worst = np.clip(columns.worst_r[shown], -3, 1)
    x, y = across(-3, 1), upward(-1, EDGE_R + 1)
    won = columns.net[shown] > 0
    gave_back = int(((columns.best_r[known] >= 1) & (columns.net[known] < 0)).sum())
    note = "" if len(known) <= DOTS else f"The newest {DOTS} of {len(known):,} trades are drawn."
    return Plot(
        title="How trades went",
        unit="best (up) and worst price (across), in R",
        summary=(
            f"{len(known):,} trades: mean best {_r(float(columns.best_r[known].mean()))}, mean "
            f"worst {_r(float(columns.worst_r[known].mean()))}; {gave_back} had been 1 R ahead "
            "and lost."
        ),
        across=[Mark(x.text(v), f"{v:g}".replace("-", fmt.MINUS)) for v in (-3, -2, -1, 0, 1)],
        upward=[Mark(y.text(v), f"{v:g}".replace("-", fmt.MINUS)) for v in (-1, 0, 1, 2, 3, 4, 5)],
        dots=[
            Dot(x.text(w), y.text(b), "plot-up" if win else "plot-down")
            for w, b, win in zip(worst.tolist(), best.tolist(), won.tolist(), strict=True)
        ],
        head=("Trade", "Best", "Worst", "Net, USDT"),
        rows=[
            (
                f"#{ids[i]}",
                _r(float(columns.best_r[i])),
                _r(float(columns.worst_r[i])),
                fmt.number(as_decimal(columns.net[i] / UNITS), signed=True),
            )
            for i in reversed(known[-40:].tolist())
        ],
        note=" ".join(filter(None, (note, "Beyond the edges a trade is drawn on the edge."))),
    )


def _days(times: Floats) -> list[Mark]:
    x = across(float(times[0]), float(times[-1]))
    spots = np.linspace(x.low, x.high, 4)[:-1] + (x.high - x.low) / 8
    return [Mark(x.text(v), f"{moment_of(int(v)):%d %b %y}") for v in spots.tolist()]


def _few(count: int, most: int = 40) -> Sequence[int]:
    """Places of a table that stays readable, first and last included."""
    picked: list[int] = np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()
    return picked


def _minute(micros: float) -> str:
    return fmt.day_and_time(moment_of(int(micros)))


def _number(value: float, places: int = 2) -> str:
    return fmt.number(as_decimal(value), places)


def _money(value: float, places: int = 2) -> str:
    return fmt.number(as_decimal(value), places)


def _percent(value: float) -> str:
    return f"{_number(value, 1)} %"


def _r(value: float) -> str:
    return f"{fmt.number(as_decimal(value), 2, signed=True)} R"
