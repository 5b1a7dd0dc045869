"""Protections as they are entered and stored, in freqtrade's words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from trading.domain.invalid import SettingsInvalid
from trading.domain.protections import Protection, ProtectionKind, ProtectionScope

METHODS = {
    "CooldownPeriod": ProtectionKind.COOLDOWN,
    "StoplossGuard": ProtectionKind.STOPLOSS_GUARD,
    "MaxDrawdown": ProtectionKind.MAX_DRAWDOWN,
    "LowProfitPairs": ProtectionKind.LOW_PROFIT,
}
LONGEST = timedelta(days=30)
MOST = 20
MOST_TRADES = 100
STOP = frozenset({"method", "stop_duration", "stop_duration_candles"})
LOOKBACK = STOP | {"lookback_period", "lookback_period_candles", "trade_limit"}
FIELDS: Mapping[ProtectionKind, frozenset[str]] = {
    ProtectionKind.COOLDOWN: STOP,
    ProtectionKind.STOPLOSS_GUARD: LOOKBACK | {"required_profit", "only_per_pair", "only_per_side"},
    ProtectionKind.MAX_DRAWDOWN: LOOKBACK | {"max_allowed_drawdown"},
    ProtectionKind.LOW_PROFIT: LOOKBACK | {"required_profit", "only_per_side"},
}
SCOPES = {
    (False, False): ProtectionScope.GLOBAL,
    (True, False): ProtectionScope.SYMBOL,
    (False, True): ProtectionScope.SIDE,
    (True, True): ProtectionScope.SYMBOL_SIDE,
}
DEFAULT_LOOKBACK_MIN = 60
DEFAULT_STOP_MIN = 60
DEFAULT_TRADE_LIMIT: Mapping[ProtectionKind, int] = {
    ProtectionKind.STOPLOSS_GUARD: 10,
    ProtectionKind.MAX_DRAWDOWN: 1,
    ProtectionKind.LOW_PROFIT: 1,
}


class ProtectionsInvalid(SettingsInvalid):
    """What was entered is no list of protections; says which entry and which field."""


def protections_of(rows: object, timeframe: timedelta) -> tuple[Protection, ...]:
    """The rules that ``rows`` describe; spans in candles are of ``timeframe``. Raises
    ``ProtectionsInvalid``."""
    if not isinstance(rows, list):
        raise ProtectionsInvalid("protections: write a list, such as []")
    if len(rows) > MOST:
        raise ProtectionsInvalid(f"protections: at most {MOST} of them")
    return tuple(_parsed(row, f"entry {n}", timeframe) for n, row in enumerate(rows, start=1))


def _parsed(row: object, where: str, timeframe: timedelta) -> Protection:
    if not isinstance(row, dict):
        raise ProtectionsInvalid(f"{where}: write an object with a method")
    name = row.get("method")
    if not isinstance(name, str) or name not in METHODS:
        raise ProtectionsInvalid(f"{where}, method: must be one of {', '.join(METHODS)}")
    kind, where = METHODS[name], f"{where} ({name})"
    unknown = sorted(str(key) for key in set(row) - FIELDS[kind])
    if unknown:
        known = ", ".join(sorted(FIELDS[kind] - {"method"}))
        raise ProtectionsInvalid(f"{where}, {unknown[0]}: not a field of it; it has {known}")
    stop_for = _span(row, "stop_duration", DEFAULT_STOP_MIN, where, timeframe)
    if kind is ProtectionKind.COOLDOWN:
        return Protection(kind, stop_for, stop_for, scope=ProtectionScope.SYMBOL)
    by_symbol = _switch(row, "only_per_pair", where) or kind is ProtectionKind.LOW_PROFIT
    return Protection(
        kind=kind,
        lookback=_span(row, "lookback_period", DEFAULT_LOOKBACK_MIN, where, timeframe),
        stop_for=stop_for,
        trade_limit=_whole(row, "trade_limit", DEFAULT_TRADE_LIMIT[kind], MOST_TRADES, where),
        threshold=_threshold(row, kind, where),
        scope=SCOPES[by_symbol, _switch(row, "only_per_side", where)],
    )


def _threshold(row: Mapping[str, Any], kind: ProtectionKind, where: str) -> Decimal:
    if kind is ProtectionKind.MAX_DRAWDOWN:
        return _share(row, "max_allowed_drawdown", where, lowest=0)
    return _share(row, "required_profit", where, lowest=-1)


def _span(
    row: Mapping[str, Any], name: str, default_min: int, where: str, timeframe: timedelta
) -> timedelta:
    in_candles = f"{name}_candles"
    if name in row and in_candles in row:
        raise ProtectionsInvalid(f"{where}, {name}: give it in minutes or in candles, not both")
    if in_candles in row:
        most = int(LONGEST / timeframe)
        return _whole(row, in_candles, 0, most, where) * timeframe
    most = int(LONGEST.total_seconds() // 60)
    return timedelta(minutes=_whole(row, name, default_min, most, where))


def _whole(row: Mapping[str, Any], name: str, default: int, most: int, where: str) -> int:
    value = row.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ProtectionsInvalid(f"{where}, {name}: must be a whole number from 1 to {most}")
    return value


def _share(row: Mapping[str, Any], name: str, where: str, *, lowest: int) -> Decimal:
    value = row.get(name, 0)
    wrong = f"{where}, {name}: must be a number from {lowest} to 1, such as 0.02 for 2 %"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ProtectionsInvalid(wrong)
    try:
        share = Decimal(str(value))
    except InvalidOperation as exc:
        raise ProtectionsInvalid(wrong) from exc
    if not share.is_finite() or not lowest <= share <= 1:
        raise ProtectionsInvalid(wrong)
    return share


def _switch(row: Mapping[str, Any], name: str, where: str) -> bool:
    value = row.get(name, False)
    if not isinstance(value, bool):
        raise ProtectionsInvalid(f"{where}, {name}: must be true or false")
    return value
