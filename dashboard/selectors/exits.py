"""What the page of a bot's exit rules shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms

from dashboard import format as fmt
from dashboard.forms_exits import initial_of
from exchange.errors import ExchangeError, MarketDataError
from trading.backtest.preview import PreviewedTrade, preview
from trading.choices import OppositeSignal, TradeState
from trading.domain.exits import ExitSettings
from trading.errors import TradingError
from trading.exit_changes import OpenTradeChange, changes_preview, open_trades
from trading.models import Bot, Trade
from trading.wiring import market_for

SHOWN = 50
UNREADABLE = (ExchangeError, MarketDataError, TradingError)


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One setting: its field in the form, and what it is now and by default."""

    field: Any
    current: str
    default: str
    changed: bool


@dataclass(frozen=True, slots=True)
class OpenRow:
    """One open trade with the stop it has and the one it would get."""

    trade_id: int
    version: int
    symbol: str
    is_long: bool
    old: str
    new: str
    note: str
    tone: str


@dataclass(frozen=True, slots=True)
class PastRow:
    """One closed trade as it ended and as it would have."""

    trade_id: int
    symbol: str
    is_long: bool
    old: str
    old_r: str
    new: str
    new_r: str
    note: str


@dataclass(frozen=True, slots=True)
class PastTable:
    """The newest closed trades. ``words`` sum them up."""

    rows: list[PastRow]
    words: str


def rule_rows(form: forms.Form, current: ExitSettings, default: ExitSettings) -> list[RuleRow]:
    """The form's fields with both values beside them."""
    now, usual = initial_of(current), initial_of(default)
    return [
        RuleRow(
            field=form[name],
            current=_shown(now[name]),
            default=_shown(usual[name]),
            changed=now[name] != usual[name],
        )
        for name in form.fields
    ]


def _shown(value: object) -> str:
    if value is None or value == "" or value is False:
        return "off"
    if value is True:
        return "on"
    if value in set(OppositeSignal):
        return "off" if value == OppositeSignal.OFF else OppositeSignal(str(value)).label.lower()
    return str(value)


def open_rows(bot: Bot, settings: ExitSettings) -> tuple[list[OpenRow], str]:
    """What the settings would do to each open trade now, and why that can't be told."""
    trades = open_trades(bot)
    if not trades:
        return [], ""
    try:
        changes = changes_preview(trades, settings, market_for(bot.account))
    except UNREADABLE as exc:
        return [], f"The open trades can't be looked at now: {exc}"
    return [_open_row(change) for change in changes], ""


def _open_row(change: OpenTradeChange) -> OpenRow:
    note, tone = "The stop stays.", "quiet"
    new = change.old_stop if change.new_stop is None else change.new_stop
    if change.problem:
        note, tone = f"Can't be told: {change.problem}", "warn"
    elif change.closes:
        note, tone = f"Closed at market at once: {change.closes}.", "bad"
    elif change.new_stop is not None:
        note, tone = f"Moves nearer ({change.rule.replace('_', ' ')}).", "info"
    if change.keeps is not None:
        note += f" Profit is taken down to {fmt.plain(change.keeps)}."
    return OpenRow(
        trade_id=change.trade_id,
        version=change.version,
        symbol=change.symbol,
        is_long=change.side == "buy",
        old=fmt.plain(change.old_stop),
        new="–" if change.closes else fmt.plain(new),
        note=note,
        tone=tone,
    )


def past_table(bot: Bot, settings: ExitSettings) -> tuple[PastTable | None, str]:
    """The bot's newest closed trades with these settings, and why that can't be told."""
    trades = Trade.objects.filter(bot=bot, state=TradeState.CLOSED).order_by("-closed_market")
    newest = list(trades.select_related("signal__analysis", "account", "bot")[:SHOWN])
    if not newest:
        return None, ""
    try:
        found = preview(newest, settings, market_for(bot.account))
    except UNREADABLE as exc:
        return None, f"Past trades can't be followed now: {exc}"
    compared = found.compared
    words = (
        f"{len(compared)} of {len(found.trades)} trades can be compared. "
        f"{found.changed} of them would have ended otherwise: together "
        f"{_r(found.new_r)} instead of {_r(found.old_r)}."
        if compared
        else f"None of the newest {len(found.trades)} trades can be compared."
    )
    return PastTable([_past_row(trade) for trade in _changed_first(found.trades)], words), ""


def _changed_first(trades: Iterable[PreviewedTrade]) -> list[PreviewedTrade]:
    return sorted(trades, key=lambda trade: not trade.compared)


def _past_row(trade: PreviewedTrade) -> PastRow:
    return PastRow(
        trade_id=trade.trade_id,
        symbol=trade.symbol,
        is_long=trade.side == "buy",
        old=trade.old_reason.label if trade.old_reason else "–",
        old_r=_r(trade.old_r),
        new=trade.new_reason.label if trade.new_reason else "–",
        new_r=_r(trade.new_r),
        note=trade.note,
    )


def _r(value: Decimal | None) -> str:
    return "–" if value is None else f"{value:+.2f} R"
