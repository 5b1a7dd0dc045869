"""When cycles are due: candle boundaries by each bot's market clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from exchange.candles import floor_time
from exchange.domain import TIMEFRAMES
from exchange.errors import ExchangeError, MarketDataError
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import BotState, CycleState
from trading.errors import ActionRefused, TradingError
from trading.events import record
from trading.models import Bot, Cycle

logger = structlog.get_logger(__name__)

# After the close of a candle, for the venue to settle it. Simulated and replayed candles are
# final at once, so on markets faster than 1x this counts in market time.
SETTLE = timedelta(seconds=3)
LATE_SHARE = 3


def latest_start(boundary: datetime, timeframe: timedelta) -> datetime:
    """A cycle that has not begun a third into the next candle is not begun any more."""
    return boundary + timeframe / LATE_SHARE


def cycle_due(bot: Bot, now: datetime, settle: timedelta = SETTLE) -> Cycle | None:
    """Create the cycle of the newest boundary, if it is due and was not created before.

    ``settle`` is how long after its close a candle counts as final, in market time.
    Boundaries that were missed are not made up; one event says how many there were.
    """
    timeframe = TIMEFRAMES[bot.timeframe]
    boundary = floor_time(now - settle, timeframe)
    if now > latest_start(boundary, timeframe):
        return None
    newest = Cycle.objects.filter(bot=bot, timeframe=bot.timeframe, attempt=0).first()
    if newest is not None and newest.boundary >= boundary:
        return None
    missed = 0
    if newest is not None:
        missed = int((boundary - newest.boundary) / timeframe) - 1
    try:
        with transaction.atomic():
            cycle = Cycle.objects.create(bot=bot, timeframe=bot.timeframe, boundary=boundary)
            if missed > 0:
                record(
                    "cycle_missed",
                    f"{bot}: {missed} cycles were missed while off and are not made up.",
                    account=bot.account,
                    data={"bot": bot.pk, "missed": missed},
                    market_time=now,
                )
    except IntegrityError:
        return None
    return cycle


def cycles_create_due(
    market_for: Callable[[ExchangeAccount], MarketData], enqueue: Callable[[int], None]
) -> int:
    """Create every cycle that is due and hand its id to ``enqueue``. Returns how many.

    Markets that a driver steps have their cycles run by that driver.
    """
    bots = Bot.objects.filter(
        state=BotState.RUNNING, account__is_active=True, account__market_session__speed__gt=0
    )
    created = 0
    for bot in bots.select_related("account", "account__market_session"):
        now = _market_now(market_for, bot.account)
        cycle = cycle_due(bot, now) if now is not None else None
        if cycle is not None:
            created += 1
            enqueue(cycle.pk)
    return created


def _market_now(
    market_for: Callable[[ExchangeAccount], MarketData], account: ExchangeAccount
) -> datetime | None:
    """Market time, or None where the market can't be had: that must not stop other accounts."""
    try:
        return market_for(account).now()
    except (ExchangeError, MarketDataError, TradingError) as exc:
        logger.warning("no market time", account=account.pk, reason=str(exc))
        return None


def cycles_requeue(
    market_for: Callable[[ExchangeAccount], MarketData],
    enqueue: Callable[[int], None],
    alive: Callable[[str], bool],
) -> None:
    """Give back cycles whose worker died, while there is time; fail the rest."""
    unfinished = Cycle.objects.filter(
        state__in=(CycleState.DUE, CycleState.RUNNING), bot__account__market_session__speed__gt=0
    )
    for cycle in unfinished.select_related("bot__account"):
        if cycle.state == CycleState.RUNNING and alive(cycle.claimed_by):
            continue
        account = cycle.bot.account
        now = _market_now(market_for, account)
        if now is None:
            continue
        in_time = now <= latest_start(cycle.boundary, TIMEFRAMES[cycle.timeframe])
        # Only as it was read: a worker may have claimed it while the market was asked for its time.
        as_read = Cycle.objects.filter(pk=cycle.pk, state=cycle.state, claimed_by=cycle.claimed_by)
        if cycle.attempt > 0 or in_time:
            if cycle.state == CycleState.RUNNING:
                as_read.update(state=CycleState.DUE, claimed_by="")
            # Also when it was due already: brokers forget, and a second message is harmless.
            enqueue(cycle.pk)
            continue
        with transaction.atomic():
            moved = as_read.update(
                state=CycleState.FAILED, reason="interrupted", finished_at=timezone.now()
            )
            if moved:
                record(
                    "cycle_failed",
                    f"{cycle.bot}: the cycle of {cycle.boundary:%H:%M} was interrupted.",
                    account=account,
                    data={"cycle": cycle.pk},
                    market_time=now,
                )


def cycle_request(bot: Bot, now: datetime) -> Cycle:
    """ "Run now": the newest boundary once more, as an attempt that only observes."""
    timeframe = TIMEFRAMES[bot.timeframe]
    boundary = floor_time(now, timeframe)
    earlier = Cycle.objects.filter(bot=bot, timeframe=bot.timeframe, boundary=boundary)
    attempt = max((cycle.attempt for cycle in earlier), default=0) + 1
    try:
        with transaction.atomic():
            return Cycle.objects.create(
                bot=bot, timeframe=bot.timeframe, boundary=boundary, attempt=attempt
            )
    except IntegrityError as exc:
        raise ActionRefused("another run was asked for at this moment; try again") from exc
