"""The equity curve as a line of an inline picture."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from dashboard import format as fmt
from exchange.models import ExchangeAccount
from trading.models import EquityPoint

SPAN = timedelta(hours=24)
WIDTH, HEIGHT, MARGIN = 600, 120, 6
POINTS = 200


@dataclass(frozen=True, slots=True)
class EquityLine:
    """SVG paths in a box of ``WIDTH`` x ``HEIGHT``, with what they say in words."""

    line: str
    area: str
    low: str
    high: str
    change: str
    since: datetime
    until: datetime
    summary: str


def equity_line(account: ExchangeAccount, market_now: datetime | None) -> EquityLine | None:
    """Equity over the last 24 h of market time; None with fewer than two points."""
    points = EquityPoint.objects.filter(account=account)
    if market_now is not None:
        points = points.filter(time__gte=market_now - SPAN)
    series = thin(list(points.order_by("time").values_list("time", "equity")))
    if len(series) < 2:
        return None
    values = [value for _, value in series]
    low, high = min(values), max(values)
    line = _path(series, low, high)
    change = fmt.number(values[-1] - values[0], signed=True)
    return EquityLine(
        line=line,
        area=f"{line} L{WIDTH} {HEIGHT} L0 {HEIGHT} Z",
        low=fmt.number(low),
        high=fmt.number(high),
        change=change,
        since=series[0][0],
        until=series[-1][0],
        summary=(
            f"Equity from {fmt.number(values[0])} to {fmt.number(values[-1])} USDT, "
            f"lowest {fmt.number(low)}, highest {fmt.number(high)}."
        ),
    )


def thin(series: list[tuple[datetime, Decimal]]) -> list[tuple[datetime, Decimal]]:
    """At most about ``POINTS`` points: of each stretch its lowest and highest, so that no spike
    disappears."""
    if len(series) <= POINTS:
        return series
    size = -(-len(series) * 2 // POINTS)
    kept = {0, len(series) - 1}
    for start in range(0, len(series), size):
        stretch = range(start, min(start + size, len(series)))
        kept.add(min(stretch, key=lambda i: series[i][1]))
        kept.add(max(stretch, key=lambda i: series[i][1]))
    return [series[i] for i in sorted(kept)]


def _path(series: list[tuple[datetime, Decimal]], low: Decimal, high: Decimal) -> str:
    start, end = series[0][0], series[-1][0]
    across = max((end - start).total_seconds(), 1.0)
    span = float(high - low) or 1.0
    usable = HEIGHT - 2 * MARGIN
    steps = []
    for time, value in series:
        x = WIDTH * (time - start).total_seconds() / across
        y = HEIGHT - MARGIN - usable * float(value - low) / span
        steps.append(f"{x:.1f} {y:.1f}")
    return "M" + " L".join(steps)
