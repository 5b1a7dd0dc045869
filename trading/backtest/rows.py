"""Stored orders and signals as entries that can be followed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from analysis.domain import Direction
from exchange.domain import TIMEFRAMES, Instrument, OrderType, Quote, Side, TimeInForce
from exchange.models import ExchangeAccount, MarketSession
from trading.backtest.followed import FollowedEntry
from trading.choices import OrderRole
from trading.domain.entry import EntryOrder, entry_order
from trading.domain.exits import ExitSettings
from trading.domain.invalidation import Invalidation
from trading.managed import invalidation_to_freeze
from trading.models import Order, RiskLimits, Signal, Trade
from trading.selectors import RULES
from trading.settings_of import bot_settings, exits_for


def data_end(account: ExchangeAccount) -> datetime | None:
    """Where a stepped run ends and closes what is open; None on a market that goes on."""
    session = MarketSession.objects.filter(account=account, speed=0).first()
    return session.end if session else None


def entry_of_trade(trade: Trade) -> FollowedEntry | None:
    """The entry of a trade as it was sent; None for a trade without one, such as an adopted
    position."""
    order: Order | None = trade.orders.filter(role=OrderRole.ENTRY).first()
    if order is None:
        return None
    return FollowedEntry(
        symbol=trade.symbol,
        side=Side(trade.side),
        qty=order.qty,
        stop_loss=trade.initial_stop,
        take_profit=trade.initial_target,
        placed_at=order.created_market,
        order_type=OrderType(order.order_type),
        time_in_force=TimeInForce(order.time_in_force),
        price=order.price,
        trigger_price=order.trigger_price,
        leverage=trade.leverage,
        planned_risk=trade.planned_risk,
        expires_at=order.expires_market,
        invalidation=Invalidation.from_json(trade.invalidation),
    )


def exits_of(signal: Signal) -> ExitSettings:
    """The exit settings that a trade of the signal would have been given.

    Raises ``ExitSettingsInvalid``.
    """
    return exits_for(signal.bot, _limits_of(signal), signal.cycle.timeframe)


def _limits_of(signal: Signal) -> RiskLimits:
    """The limits of the decision; the newest where it names none."""
    rows = RiskLimits.objects.filter(account=signal.account_id)
    return rows.filter(version=signal.limits_version).first() or rows.latest("version")


def entry_of_signal(signal: Signal, instrument: Instrument) -> FollowedEntry:
    """The entry that the signal would have become, sent when it was decided."""
    order = _order_of(signal, instrument)
    waits = order.time_in_force is TimeInForce.GTC or order.trigger_price is not None
    life = RULES.entry_life(TIMEFRAMES[signal.cycle.timeframe])
    expires = signal.decided_at + life if waits else None
    return FollowedEntry(
        symbol=signal.symbol,
        side=Side.BUY if signal.direction == Direction.LONG else Side.SELL,
        qty=signal.qty or _unit_qty(signal, instrument),
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        placed_at=signal.decided_at,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        price=order.price,
        trigger_price=order.trigger_price,
        leverage=signal.leverage or Decimal(1),
        expires_at=expires,
        outdated_at=_outdated_at(signal, expires) if expires else None,
        invalidation=Invalidation.from_json(invalidation_to_freeze(signal)),
    )


def _order_of(signal: Signal, instrument: Instrument) -> EntryOrder:
    """The order that was decided; for an entry beyond the market, that a bot without breakouts has
    none for, the conditional one that a bot with them would have sent."""
    if signal.order_type:
        return EntryOrder(
            order_type=OrderType(signal.order_type),
            time_in_force=TimeInForce(signal.time_in_force),
            price=signal.limit_price,
            worst_price=signal.worst_price,
            trigger_price=signal.trigger_price,
        )
    tick = instrument.tick_size
    quote = Quote(
        signal.symbol,
        signal.decided_at,
        bid=signal.entry_price - tick,
        ask=signal.entry_price + tick,
        last=signal.entry_price,
    )
    order = entry_order(
        Direction(signal.direction),
        signal.entry_price,
        signal.stop_loss,
        signal.atr,
        quote,
        instrument,
        bot_settings(signal.bot, _limits_of(signal)),
    )
    # At its own price the entry is near the market, so there is an order.
    assert order is not None
    return replace(order, trigger_price=signal.entry_price)


def _unit_qty(signal: Signal, instrument: Instrument) -> Decimal:
    """What the bot's plain risk per trade buys, and the smallest order at least: results are
    counted in R, so that only slippage depends on it."""
    limits = _limits_of(signal)
    risk = signal.account.start_equity * signal.bot.capital_share * limits.risk_per_trade
    worst, stop = signal.worst_price or signal.entry_price, signal.stop_loss
    costs = 2 * instrument.taker_fee * worst + RULES.slippage_allowance * stop
    wanted = instrument.floor_qty(risk / (abs(worst - stop) + costs))
    # Rounding the negative down rounds the quantity up to its step.
    by_value = -instrument.floor_qty(-instrument.min_notional / signal.entry_price)
    return min(max(wanted, instrument.min_qty, by_value), instrument.max_qty)


def _outdated_at(signal: Signal, expires: datetime) -> datetime | None:
    """When the bot next read the symbol otherwise: then an unfilled entry is taken back."""
    later = Signal.objects.filter(
        bot=signal.bot_id,
        symbol=signal.symbol,
        cycle__attempt=0,
        decided_at__gt=signal.decided_at,
        decided_at__lte=expires,
        analysis__isnull=False,
    ).exclude(direction=signal.direction)
    for row in later.select_related("analysis").order_by("decided_at"):
        seen = row.analysis
        if seen is None or (signal.analysis and seen.profile_id != signal.analysis.profile_id):
            continue
        if seen.grounding is None or seen.grounding.get("grounded") is True:
            turned: datetime = row.decided_at
            return turned
    return None
