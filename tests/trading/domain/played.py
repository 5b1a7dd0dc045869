"""Play a made trade over candles as a driver does, and tell what happened in short lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from exchange.domain import Candle, Side
from tests.trading.domain.made import MINUTE, NOW, dec
from trading.domain.exits import (
    CloseTrade,
    ExitAction,
    ExitSettings,
    ManagedTrade,
    MoveStop,
    manage_all,
)

Bar = str | tuple[str, str, str]


def bars(*told: Bar, side: Side = Side.BUY, every: timedelta = MINUTE) -> list[Candle]:
    """Candles from closes, or from (worst, best, close) where the way matters. For a short the
    prices are mirrored at 100, so that one table serves both sides."""
    found = []
    for index, bar in enumerate(told):
        worst, best, close = (dec(price) for price in ((bar,) * 3 if isinstance(bar, str) else bar))
        if side is Side.SELL:
            worst, best, close = 200 - worst, 200 - best, 200 - close
        low, high = min(worst, best), max(worst, best)
        opened = NOW + index * every
        found.append(Candle("BTCUSDT", opened, every, close, high, low, close, Decimal(1)))
    return found


def hit(trade: ManagedTrade, candle: Candle) -> str:
    """What the exchange did during the candle: the stop counts where both were reached."""
    long = trade.side is Side.BUY
    worst, best = (candle.low, candle.high) if long else (candle.high, candle.low)
    if (worst - trade.stop_loss) * trade.side.sign <= 0:
        return "stopped"
    return "target" if (best - trade.take_profit) * trade.side.sign > 0 else ""


def after(trade: ManagedTrade, action: ExitAction) -> ManagedTrade:
    """The trade once a driver has done what a rule asked."""
    if isinstance(action, MoveStop):
        return replace(trade, stop_loss=action.stop_loss)
    if isinstance(action, CloseTrade):
        return replace(trade, open_qty=Decimal(0))
    return replace(trade, open_qty=action.target_qty)


@dataclass(frozen=True, slots=True)
class Done:
    """One action at the close of one candle."""

    candle: Candle
    before: ManagedTrade
    action: ExitAction


def play(
    trade: ManagedTrade, candles: Sequence[Candle], settings: ExitSettings
) -> Iterator[Done | str]:
    """Actions in their order; the last item is ``stopped`` or ``target`` if the exchange closed
    it, and nothing follows a close."""
    for candle in candles:
        happened = hit(trade, candle)
        if happened:
            yield happened
            return
        for action in manage_all(trade, candle, settings, candle.close_time):
            yield Done(candle, trade, action)
            trade = after(trade, action)
            if isinstance(action, CloseTrade):
                return


def told(trade: ManagedTrade, candles: Sequence[Candle], settings: ExitSettings) -> list[str]:
    """``play`` in words: "2 breakeven 100.2", "5 part 5", "7 max_holding"; the number counts
    candles from 0. Prices of a short are mirrored back."""
    lines = []
    for done in play(trade, candles, settings):
        if isinstance(done, str):
            lines.append(done)
            continue
        minute = candles.index(done.candle)
        action = done.action
        if isinstance(action, MoveStop):
            stop = action.stop_loss
            shown = stop if trade.side is Side.BUY else 200 - stop
            lines.append(f"{minute} {action.rule} {shown.normalize():f}")
        elif isinstance(action, CloseTrade):
            lines.append(f"{minute} {action.reason}")
        else:
            lines.append(f"{minute} part {action.target_qty.normalize():f}")
    return lines
