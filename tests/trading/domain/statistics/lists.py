"""Trades for tests of statistics, by hand and drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tests.trading.domain.made import Number, dec
from trading.domain.statistics import ClosedTrade

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
EQUITY = Decimal(10_000)


def closed(net: Number, r: Number | None = None, *, hour: int = 0, **more: Any) -> ClosedTrade:
    """A trade that opened ``hour`` hours after START and closed an hour later."""
    given: dict[str, Any] = {
        "opened": START + hour * HOUR,
        "closed": START + (hour + 1) * HOUR,
    } | more
    return ClosedTrade(net_pnl=dec(net), r_multiple=None if r is None else dec(r), **given)


def drawn(seed: int, count: int, *, mean: float = 0.05) -> list[ClosedTrade]:
    """Trades with results drawn around ``mean`` R, several a day, in the order of closing."""
    rng = np.random.default_rng(seed)
    made, closed_at = [], START
    for _ in range(count):
        opened_at = closed_at + timedelta(minutes=int(rng.integers(1, 900)))
        closed_at = opened_at + timedelta(minutes=int(rng.integers(5, 600)))
        r = Decimal(str(round(float(rng.normal(mean, 1.1)), 8)))
        risk = Decimal(str(round(float(rng.uniform(20, 60)), 2)))
        fees = Decimal(str(round(float(rng.uniform(0.1, 3)), 8)))
        made.append(
            ClosedTrade(
                net_pnl=(r * risk).quantize(Decimal("1e-8")),
                fees=fees,
                funding=Decimal(str(round(float(rng.normal(0, 0.2)), 8))),
                r_multiple=r,
                opened=opened_at,
                closed=closed_at,
                best_r=max(r, Decimal(0)) + Decimal("0.2"),
                worst_r=min(r, Decimal(0)) - Decimal("0.1"),
                confidence=Decimal(str(round(float(rng.uniform(0.55, 0.95)), 3))),
                symbol=str(rng.choice(["BTCUSDT", "ETHUSDT", "SOLUSDT"])),
                direction=str(rng.choice(["long", "short"])),
                mode="sim",
            )
        )
    return made
