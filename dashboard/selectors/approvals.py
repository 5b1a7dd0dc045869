"""Signals that wait for a person's answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboard import format as fmt
from exchange.domain import TIMEFRAMES
from exchange.models import ExchangeAccount
from trading.calibration import calibration_words
from trading.choices import ApprovalDecision, Autonomy, BotState
from trading.cycle.signals import approval_life
from trading.models import Approval, Bot


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One open question with what a yes would do. ``expires_at`` is wall time."""

    id: int
    signal_id: int
    cycle_id: int
    symbol: str
    is_long: bool
    confidence: str
    calibrated: str
    entry: str
    stop: str
    target: str
    rr_net: str
    qty: str
    risk: str
    bot: str
    payload_hash: str
    expires_at: datetime
    life: str


def approvals_waiting(account: ExchangeAccount) -> list[ApprovalRow]:
    """Open questions of ``account``, the most urgent first."""
    waiting = (
        Approval.objects.filter(signal__account=account, decision=ApprovalDecision.WAITING)
        .select_related("signal__bot", "signal__account__market_session")
        .order_by("expires_at")
    )
    return [_row(approval) for approval in waiting]


def approval_lives(account: ExchangeAccount) -> str:
    """How long a request lives, for each timeframe of bots that ask; empty where none asks."""
    asking = Bot.objects.filter(account=account, autonomy=Autonomy.APPROVE)
    timeframes = asking.exclude(state=BotState.ARCHIVED).values_list("timeframe", flat=True)
    lives = [
        f"{_life(timeframe, _speed(account))} ({timeframe} candles)"
        for timeframe in sorted(set(timeframes), key=TIMEFRAMES.__getitem__)
    ]
    return ", ".join(lives)


def _life(timeframe: str, speed: int) -> str:
    life = approval_life(TIMEFRAMES[timeframe], speed)
    return f"{fmt.age(life.total_seconds())} of wall time at {speed}x"


def _speed(account: ExchangeAccount) -> int:
    session = getattr(account, "market_session", None)
    return session.speed if session else 1


def left(row: ApprovalRow, now: datetime) -> str:
    """Wall time left to answer, as a clock."""
    return fmt.countdown((row.expires_at - now).total_seconds())


def _row(approval: Approval) -> ApprovalRow:
    signal = approval.signal
    places = fmt.price_places((signal.entry_price, signal.stop_loss, signal.take_profit))
    return ApprovalRow(
        id=approval.pk,
        signal_id=signal.pk,
        cycle_id=signal.cycle_id,
        symbol=signal.symbol,
        is_long=signal.direction == "long",
        confidence=fmt.percent(signal.confidence, 0),
        calibrated=calibration_words(signal.calibration),
        entry=fmt.number(signal.entry_price, places),
        stop=fmt.number(signal.stop_loss, places),
        target=fmt.number(signal.take_profit, places),
        rr_net=fmt.number(signal.rr_net, 2),
        qty=fmt.plain(signal.qty),
        risk=fmt.number(signal.risk_amount),
        bot=signal.bot.name,
        payload_hash=approval.payload_hash,
        expires_at=approval.expires_at,
        life=_life(signal.bot.timeframe, _speed(signal.account)),
    )
