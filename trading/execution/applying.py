"""Give an open trade other exit settings, because an operator asked for it."""

from __future__ import annotations

from exchange.errors import MarketDataError
from trading.domain.exits import CloseTrade, ExitSettings, ExitSettingsInvalid, MoveStop
from trading.errors import ActionRefused
from trading.execution.desk import Desk
from trading.execution.rule_actions import carry_out
from trading.managed import actions_now
from trading.models import Command, Trade


def apply_exits(desk: Desk, trade: Trade, command: Command) -> str:
    """Freeze the settings of ``command`` into the trade and do at once what they ask for at the
    newest closed candle. A stop moves toward profit only. Raises ``ActionRefused``."""
    if trade.close_wanted:
        raise ActionRefused("the trade is shrinking or being closed; look again")
    try:
        settings = ExitSettings.from_json(command.payload.get("exit_settings"))
        at, actions = actions_now(trade, settings, desk.market)
    except (ExitSettingsInvalid, MarketDataError) as exc:
        raise ActionRefused(str(exc)) from exc
    trade.exit_settings = settings.as_json()
    trade.version += 1
    # A restart runs candles again: none from before must meet rules that came after it.
    trade.managed_until = max(at, trade.managed_until or at)
    trade.save(update_fields=["exit_settings", "version", "managed_until"])
    old = trade.stop_loss
    for action in actions:
        carry_out(desk, trade, action, at, command.actor)
    if any(isinstance(action, CloseTrade) for action in actions):
        return "rules changed; they close the trade"
    if any(isinstance(action, MoveStop) for action in actions) and trade.stop_loss != old:
        return f"rules changed; stop {old.normalize():f} to {trade.stop_loss.normalize():f}"
    return "rules changed; the stop stays"
