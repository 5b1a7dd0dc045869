"""Pauses after losses, in freqtrade's vocabulary of look-backs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum


class ProtectionKind(StrEnum):
    COOLDOWN = "cooldown"
    STOPLOSS_GUARD = "stoploss_guard"
    MAX_DRAWDOWN = "max_drawdown"
    LOW_PROFIT = "low_profit"


class ProtectionScope(StrEnum):
    """Whose trades are counted, and what is paused."""

    GLOBAL = "global"
    SYMBOL = "symbol"
    SIDE = "side"


@dataclass(frozen=True, slots=True)
class Protection:
    """One pause: when at least ``trade_limit`` trades of the last ``lookback`` break the rule,
    entries within ``scope`` wait for ``stop_for``. ``threshold`` is the drawdown or the profit
    that counts, a share 0..1 (a profit may be negative)."""

    kind: ProtectionKind
    lookback: timedelta
    stop_for: timedelta
    trade_limit: int = 1
    threshold: Decimal = Decimal(0)
    scope: ProtectionScope = ProtectionScope.GLOBAL
