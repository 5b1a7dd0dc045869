"""Opposite signals in a cycle: which open trades are read on, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exchange.domain import TIMEFRAMES
from trading.choices import CommandKind, ExitReason, OppositeSignal, TradeState
from trading.domain.exits import ExitSettings, ExitSettingsInvalid
from trading.domain.opposite import HeldTrade
from trading.models import Bot, Command, Cycle, Signal, Trade
from trading.selectors import direction_of


def held_trades(bot: Bot) -> dict[str, HeldTrade]:
    """The bot's open trades that an opposite signal ends, by their settings of the entry."""
    found = {}
    for trade in Trade.objects.filter(bot=bot, state=TradeState.OPEN):
        try:
            rule = ExitSettings.from_json(trade.exit_settings).opposite
        except ExitSettingsInvalid:
            continue
        if rule is not OppositeSignal.OFF:
            direction = direction_of(trade.side)
            found[trade.symbol] = HeldTrade(trade.pk, trade.symbol, direction, rule)
    return found


def closes_request(cycle: Cycle, closing: Sequence[HeldTrade]) -> None:
    """Ask the trader to close them. Asked before the signals are stored: one that turns a trade
    must find it closing."""
    if cycle.observe_only:
        return
    until = cycle.boundary + TIMEFRAMES[cycle.timeframe]
    for trade in closing:
        Command.objects.get_or_create(
            idempotency_key=f"opposite-{cycle.pk}-{trade.trade_id}",
            defaults={
                "account": cycle.bot.account,
                "kind": CommandKind.CLOSE,
                "target": trade.trade_id,
                "payload": {
                    "reason": ExitReason.OPPOSITE_SIGNAL.value,
                    "until": until.isoformat(),
                },
            },
        )


def explain(signals: Sequence[Signal], closing: Sequence[HeldTrade]) -> None:
    """Say on each signal that only ends a trade what it does."""
    ended: Mapping[str, HeldTrade] = {trade.symbol: trade for trade in closing}
    for signal in signals:
        trade = ended.get(signal.symbol)
        if trade is not None and signal.rank is None:
            signal.state_reason = f"An opposite signal: the open {trade.direction} is closed."
