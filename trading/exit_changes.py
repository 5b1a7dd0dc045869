"""Exit settings of a bot: change them, see what they would do to open trades, and apply them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from exchange.domain import TIMEFRAMES
from exchange.errors import MarketDataError
from exchange.ports import MarketData
from trading.choices import CommandKind, EventLevel, RiskProfile, TradeState
from trading.domain.exits import (
    CloseTrade,
    ExitSettings,
    ExitSettingsInvalid,
    MoveStop,
    ReduceTrade,
    default_exits,
)
from trading.errors import ActionRefused
from trading.events import record
from trading.managed import actions_now
from trading.models import Bot, Command, OperatorAction, Trade
from trading.services import command_request
from trading.settings_of import exits_for, limits_current


@dataclass(frozen=True, slots=True)
class OpenTradeChange:
    """What other settings would do to one open trade now. ``new_stop`` is None where the stop
    stays; ``closes`` says why the trade would be closed, ``keeps`` to what it would shrink;
    ``problem`` why that can't be told. ``version`` is the trade's as it was looked at."""

    trade_id: int
    version: int
    symbol: str
    side: str
    old_stop: Decimal
    new_stop: Decimal | None = None
    rule: str = ""
    closes: str = ""
    keeps: Decimal | None = None
    problem: str = ""


def exits_of(bot: Bot) -> ExitSettings:
    """The bot's exit settings as its next trade gets them. Raises ``ExitSettingsInvalid``."""
    return exits_for(bot, limits_current(bot.account), bot.timeframe)


def exits_default(bot: Bot) -> ExitSettings:
    """What the profile of the bot's account says for its timeframe."""
    profile = RiskProfile(limits_current(bot.account).profile)
    return default_exits(profile, TIMEFRAMES[bot.timeframe])


def exits_update(*, bot: Bot, settings: ExitSettings, actor: User, reason: str = "") -> Bot:
    """Store exit settings for the trades that the bot enters from now on.

    Raises ``ActionRefused`` where they make no sense.
    """
    try:
        settings.check()
    except ExitSettingsInvalid as exc:
        raise ActionRefused(str(exc)) from exc
    old, new = bot.exit_settings, settings.as_json()
    if old == new:
        return bot
    with transaction.atomic():
        Bot.objects.filter(pk=bot.pk).update(exit_settings=new)
        OperatorAction.objects.create(
            actor=actor,
            action="exit settings",
            target=str(bot),
            reason=reason,
            data={"old": old, "new": new},
        )
        record(
            "exits_changed",
            f"{bot}: the exit rules of its next trades were changed.",
            account=bot.account,
            level=EventLevel.NOTICE,
            data={"bot": bot.pk},
        )
    bot.exit_settings = new
    return bot


def open_trades(bot: Bot) -> list[Trade]:
    """The bot's open trades, oldest first."""
    return list(Trade.objects.filter(bot=bot, state=TradeState.OPEN).order_by("pk"))


def changes_preview(
    trades: Iterable[Trade], settings: ExitSettings, market: MarketData
) -> list[OpenTradeChange]:
    """What ``settings`` would do to each open trade at the newest closed candle."""
    return [_change(trade, settings, market) for trade in trades]


def _change(trade: Trade, settings: ExitSettings, market: MarketData) -> OpenTradeChange:
    found: dict[str, Any] = {
        "trade_id": trade.pk,
        "version": trade.version,
        "symbol": trade.symbol,
        "side": trade.side,
        "old_stop": trade.stop_loss,
    }
    try:
        _, actions = actions_now(trade, settings, market)
    except MarketDataError as exc:
        return OpenTradeChange(**found, problem=str(exc))
    for action in actions:
        if isinstance(action, CloseTrade):
            found["closes"] = action.reason.label.lower()
        elif isinstance(action, MoveStop):
            found |= {"new_stop": action.stop_loss, "rule": action.rule}
        elif isinstance(action, ReduceTrade):
            found["keeps"] = action.target_qty
    return OpenTradeChange(**found)


def exits_apply(
    *, bot: Bot, settings: ExitSettings, seen: dict[int, int], key: str, actor: User
) -> list[Command]:
    """Ask the trader to give open trades of the bot these settings. ``seen`` maps trade ids to
    the versions that were looked at: a trade that has changed since is refused by the trader.
    ``key`` makes a second sending of the same page harmless."""
    known = {trade.pk for trade in open_trades(bot)}
    if not seen or not set(seen) <= known:
        raise ActionRefused("these trades are not open any more; look again")
    return [
        command_request(
            account=bot.account,
            kind=CommandKind.APPLY_EXITS,
            idempotency_key=f"{key}-{trade_id}",
            actor=actor,
            target=trade_id,
            payload={"exit_settings": settings.as_json()},
            expected_version=version,
        )
        for trade_id, version in sorted(seen.items())
    ]
