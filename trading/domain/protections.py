"""Pauses after losses, in freqtrade's vocabulary of look-backs.

The four are its ``CooldownPeriod``, ``StoplossGuard``, ``MaxDrawdown`` and ``LowProfitPairs``
(freqtrade.io, "Protections"). Profit counts as a share of the account's wallet, because that is
what a loss takes, and every pause follows from closed trades alone: a run over the same trades
gives the same pauses, live and in a backtest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from analysis.domain import Direction
from trading.domain.verdict import Verdict, percent

if TYPE_CHECKING:
    from trading.domain.portfolio import PastTrade


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
    SYMBOL_SIDE = "symbol_side"

    @property
    def by_symbol(self) -> bool:
        return self in (ProtectionScope.SYMBOL, ProtectionScope.SYMBOL_SIDE)

    @property
    def by_side(self) -> bool:
        return self in (ProtectionScope.SIDE, ProtectionScope.SYMBOL_SIDE)


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


@dataclass(frozen=True, slots=True)
class Pause:
    """Entries wait ``until`` then. ``value`` broke ``limit``."""

    protection: Protection
    until: datetime
    value: str
    limit: str
    text: str


# The verdicts' names; those of the sides are asked once the side is known.
RULES = {
    ProtectionKind.COOLDOWN: "cooldown_period",
    ProtectionKind.STOPLOSS_GUARD: "stoploss_guard",
    ProtectionKind.MAX_DRAWDOWN: "drawdown_pause",
    ProtectionKind.LOW_PROFIT: "low_profit",
}
SIDE_SUFFIX = "_side"


def memory_of(protections: Sequence[Protection]) -> timedelta:
    """How far back the trades must be known."""
    return max((one.lookback + one.stop_for for one in protections), default=timedelta())


def symbol_pauses(
    protections: Sequence[Protection], symbol: str, trades: Sequence[PastTrade], now: datetime
) -> tuple[Verdict, ...]:
    """What the protections say of a symbol, whichever side; one verdict a kind."""
    asked = [one for one in protections if not one.scope.by_side]
    return tuple(_verdicts(asked, symbol, None, trades, now))


def side_pauses(
    protections: Sequence[Protection],
    symbol: str,
    direction: Direction,
    trades: Sequence[PastTrade],
    now: datetime,
) -> tuple[Verdict, ...]:
    """What the protections of one side say."""
    asked = [one for one in protections if one.scope.by_side]
    return tuple(_verdicts(asked, symbol, direction, trades, now))


def _verdicts(
    protections: Sequence[Protection],
    symbol: str,
    direction: Direction | None,
    trades: Sequence[PastTrade],
    now: datetime,
) -> Iterator[Verdict]:
    """One verdict for all protections of a kind: the pause that ends last, if there is one."""
    for kind in dict.fromkeys(one.kind for one in protections):
        same = [one for one in protections if one.kind is kind]
        found = [pause_of(one, symbol, direction, trades, now) for one in same]
        pauses = [pause for pause in found if pause is not None]
        rule = RULES[kind] + (SIDE_SUFFIX if direction is not None else "")
        if pauses:
            worst = max(pauses, key=lambda pause: pause.until)
            text = f"{worst.text} Entries wait until {worst.until:%m-%d %H:%M} UTC."
            yield Verdict(rule, False, worst.value, worst.limit, text)
        else:
            yield Verdict(rule, True, "no pause", "no pause", "Nothing recent asks for a pause.")


def pause_of(
    protection: Protection,
    symbol: str,
    direction: Direction | None,
    trades: Sequence[PastTrade],
    now: datetime,
) -> Pause | None:
    """The pause that the newest trade which broke the rule began, if it still lasts.

    ``trades`` are closed ones, oldest first. The rule is asked at the close of each trade, over
    the look-back that ended there, so a pause may outlast its look-back.
    """
    mine = [trade for trade in trades if _counts(protection, trade, symbol, direction)]
    for end in range(len(mine), 0, -1):
        last = mine[end - 1].closed_at
        if last + protection.stop_for <= now:
            return None
        since = last - protection.lookback
        window = [trade for trade in mine[:end] if trade.closed_at > since]
        broken = _JUDGES[protection.kind](protection, window)
        if broken is not None:
            value, limit, text = broken
            return Pause(protection, last + protection.stop_for, value, limit, text)
    return None


def _counts(
    protection: Protection, trade: PastTrade, symbol: str, direction: Direction | None
) -> bool:
    scope = protection.scope
    if scope.by_symbol and trade.symbol != symbol:
        return False
    return not scope.by_side or trade.direction is direction


Broken = tuple[str, str, str] | None


def _whose(protection: Protection, window: Sequence[PastTrade]) -> str:
    last = window[-1]
    words = {
        ProtectionScope.GLOBAL: "the account",
        ProtectionScope.SYMBOL: last.symbol,
        ProtectionScope.SIDE: f"all {last.direction} trades",
        ProtectionScope.SYMBOL_SIDE: f"{last.symbol} {last.direction}",
    }
    return words[protection.scope]


def _cooldown(protection: Protection, window: Sequence[PastTrade]) -> Broken:
    last, span = window[-1], span_words(protection.stop_for)
    text = f"{last.symbol} closed a trade at {last.closed_at:%m-%d %H:%M} UTC; the rest is {span}."
    return f"closed {last.closed_at:%H:%M}", span, text


def _stoplosses(protection: Protection, window: Sequence[PastTrade]) -> Broken:
    stopped = [one for one in window if one.stopped and one.equity_share < protection.threshold]
    if len(stopped) < protection.trade_limit or not (window[-1].stopped):
        return None
    n, span = len(stopped), span_words(protection.lookback)
    text = f"{n} stop-outs of {_whose(protection, window)} within {span}."
    return str(n), f"fewer than {protection.trade_limit}", text


def _drawdown(protection: Protection, window: Sequence[PastTrade]) -> Broken:
    if len(window) < protection.trade_limit:
        return None
    level = peak = worst = Decimal(0)
    for trade in window:
        level += trade.equity_share
        peak = max(peak, level)
        worst = max(worst, peak - level)
    if worst <= protection.threshold:
        return None
    value, limit = percent(worst), percent(protection.threshold)
    text = f"{len(window)} trades within {span_words(protection.lookback)} drew down {value}."
    return value, limit, text


def _low_profit(protection: Protection, window: Sequence[PastTrade]) -> Broken:
    profit = sum((trade.equity_share for trade in window), Decimal(0))
    if len(window) < protection.trade_limit or profit >= protection.threshold:
        return None
    value, limit = percent(profit), percent(protection.threshold)
    text = (
        f"{len(window)} trades of {_whose(protection, window)} within "
        f"{span_words(protection.lookback)} made {value} of the wallet."
    )
    return value, f"at least {limit}", text


_JUDGES: dict[ProtectionKind, Callable[[Protection, Sequence[PastTrade]], Broken]] = {
    ProtectionKind.COOLDOWN: _cooldown,
    ProtectionKind.STOPLOSS_GUARD: _stoplosses,
    ProtectionKind.MAX_DRAWDOWN: _drawdown,
    ProtectionKind.LOW_PROFIT: _low_profit,
}


def span_words(span: timedelta) -> str:
    """A time span as people say it: "45 min", "12 h", "2 d 6 h"."""
    minutes = int(span.total_seconds() // 60)
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 min"
