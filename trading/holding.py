"""How long a bot's trades last."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

from trading.choices import TradeState
from trading.models import Bot, Trade

NEWEST = 50
# Fewer say little about the next one.
FEWEST = 5


def median_hold(bot: Bot, now: datetime) -> timedelta | None:
    """Median market time from opening to close of the bot's newest trades that closed before
    ``now``; None while there are fewer than five."""
    rows = (
        Trade.objects.filter(bot=bot, state=TradeState.CLOSED, closed_market__lt=now)
        .exclude(opened_market=None)
        .order_by("-closed_market")
    )
    times = rows.values_list("opened_market", "closed_market")[:NEWEST]
    spans = [(closed - opened).total_seconds() for opened, closed in times if opened and closed]
    return timedelta(seconds=median(spans)) if len(spans) >= FEWEST else None
