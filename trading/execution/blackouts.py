"""Blackouts that close positions."""

from __future__ import annotations

from collections.abc import Iterable

from trading.blackouts import blackouts_now
from trading.choices import BlackoutAction, CancelReason, EventLevel, ExitReason
from trading.domain.blackouts import strictest
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.executor import want_cancel
from trading.execution.protection import want_close
from trading.models import Trade


def flatten_for_blackouts(desk: Desk, trades: Iterable[Trade]) -> bool:
    """Wish each of ``trades`` closed whose symbol is in a blackout that closes positions; its
    entry is taken back first. A trade that is being closed anyway is left as it is. True when there
    is a new wish."""
    waiting = [one for one in trades if not one.close_wanted or one.target_qty > 0]
    if not waiting:
        return False
    wished = False
    now = desk.market.now()
    windows = blackouts_now(desk.account, now)
    for trade in waiting:
        found = strictest(trade.symbol, windows, now)
        if found is None or found.action is not BlackoutAction.FLATTEN:
            continue
        want_cancel(trade, CancelReason.BLACKOUT)
        want_close(trade, ExitReason.BLACKOUT)
        wished = True
        record(
            "blackout_close",
            f"{trade.symbol} is closed for the blackout {found.name}."[:300],
            account=desk.account,
            level=EventLevel.WARNING,
            data={"trade": trade.pk},
            market_time=now,
        )
    return wished
