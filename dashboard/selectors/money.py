"""Equity, the day, and what can be lost: the tiles of the overview."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypedDict

from django.db.models import Max

from dashboard import format as fmt
from dashboard.selectors.market import MarketReading
from dashboard.selectors.positions import Valued
from exchange.domain import ZERO
from exchange.errors import MarketDataError
from exchange.models import ExchangeAccount
from trading.choices import CashflowKind, TradeState
from trading.domain.portfolio import Exposure
from trading.models import Cashflow, EquityPoint, RiskLimits, Signal
from trading.portfolio import equity_at_day_start
from trading.selectors import HOLDING_SIGNALS, exposures_of, live_entries

PEAK_SPAN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Money:
    """Raw figures in USDT; what can't be known is None. ``used_of_day_limit`` is 0..1."""

    equity: Decimal | None
    wallet: Decimal
    unrealised: Decimal | None
    day: Decimal | None
    day_share: Decimal | None
    used_of_day_limit: Decimal | None
    open_risk: Decimal | None
    open_risk_share: Decimal | None
    risk_used: Decimal | None
    gross: Decimal | None
    net: Decimal | None
    gross_share: Decimal | None
    drawdown: Decimal | None
    peak: Decimal | None
    protected: int
    open_trades: int
    longs: int
    shorts: int
    slots_used: int
    limits: RiskLimits | None


def money_read(account: ExchangeAccount, valued: Sequence[Valued], market: MarketReading) -> Money:
    """Figures of ``account`` at the prices of ``market``."""
    limits = RiskLimits.objects.filter(account=account).order_by("-version").first()
    newest = EquityPoint.objects.filter(account=account).order_by("-time").first()
    now = market.now or (newest.time if newest else None)
    wallet = _wallet(account, newest)
    unrealised = _sum(item.unrealised for item in valued)
    equity = None if unrealised is None else wallet + unrealised
    start = equity_at_day_start(account, now) if now else account.start_equity
    day = equity - start - _transfers(account, now) if equity is not None and now else None
    peak = max(_peak(account, now) or ZERO, equity) if equity is not None else None
    exposures = _exposures(account, valued, market)
    risk = _sum(item.risk for item in exposures) if exposures is not None else None
    is_open = [item for item in valued if item.trade.state == TradeState.OPEN]
    return Money(
        equity=equity,
        wallet=wallet,
        unrealised=unrealised,
        day=day,
        day_share=_share(day, start),
        used_of_day_limit=_used(_share(day, start), limits.max_daily_loss if limits else None),
        open_risk=risk,
        open_risk_share=_share(risk, equity),
        risk_used=_share(_share(risk, equity), limits.max_open_risk if limits else None),
        **_notional(exposures, equity),
        drawdown=(equity - peak) / peak if equity is not None and peak else None,
        peak=peak,
        protected=sum(item.protected for item in is_open),
        open_trades=len(is_open),
        longs=sum(item.sign > 0 for item in valued),
        shorts=sum(item.sign < 0 for item in valued),
        slots_used=_slots(account, valued),
        limits=limits,
    )


def money_values(money: Money) -> dict[str, str]:
    """The tiles' figures as text, by the name of their place on the page."""
    return {
        "equity": fmt.number(money.equity),
        "free": fmt.number(money.wallet),
        "unrealised": fmt.number(money.unrealised, signed=True),
        "day": fmt.number(money.day, signed=True),
        "day_share": fmt.percent(money.day_share, 2, signed=True),
        "day_used": fmt.percent(money.used_of_day_limit, 0),
        "day_bar": _bar(money.used_of_day_limit),
        "risk": fmt.number(money.open_risk),
        "risk_share": fmt.percent(money.open_risk_share, 2),
        "risk_bar": _bar(money.risk_used),
        "protected": f"{money.protected}/{money.open_trades}",
        "gross": fmt.number(money.gross, 0),
        "gross_share": fmt.multiple(money.gross_share),
        "net": fmt.number(money.net, 0, signed=True),
        "drawdown": fmt.percent(money.drawdown, 2),
        "peak": fmt.number(money.peak),
        "slots": str(money.slots_used),
        "split": f"{money.longs} long, {money.shorts} short",
    }


def _wallet(account: ExchangeAccount, newest: EquityPoint | None) -> Decimal:
    # The paper venue's own wallet is exact at once; a point of the series may be a minute old.
    paper = getattr(account, "paper_account", None)
    wallet: Decimal = paper.wallet if paper else newest.wallet if newest else account.start_equity
    return wallet


def _exposures(
    account: ExchangeAccount, valued: Sequence[Valued], market: MarketReading
) -> tuple[Exposure, ...] | None:
    """None when one of the trades can't be weighed: a part of the risk is not the risk."""
    if not valued:
        return ()
    if market.market is None:
        return None
    try:
        trades = [item.trade for item in valued]
        return exposures_of(trades, live_entries(account), market.market)
    except MarketDataError:
        return None


class _Notional(TypedDict):
    gross: Decimal | None
    net: Decimal | None
    gross_share: Decimal | None


def _notional(exposures: tuple[Exposure, ...] | None, equity: Decimal | None) -> _Notional:
    if exposures is None:
        return {"gross": None, "net": None, "gross_share": None}
    gross = _sum(item.notional for item in exposures)
    net = _sum(item.notional * item.direction.sign for item in exposures)
    return {"gross": gross, "net": net, "gross_share": _share(gross, equity)}


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum, unknown as soon as one amount is."""
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _transfers(account: ExchangeAccount, now: datetime) -> Decimal:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    amounts = Cashflow.objects.filter(
        account=account, kind=CashflowKind.TRANSFER, time__gte=midnight
    ).values_list("amount", flat=True)
    return sum(amounts, ZERO)


def _peak(account: ExchangeAccount, now: datetime | None) -> Decimal | None:
    points = EquityPoint.objects.filter(account=account)
    if now is not None:
        points = points.filter(time__gte=now - PEAK_SPAN)
    peak: Decimal | None = points.aggregate(peak=Max("equity"))["peak"]
    return peak


def _slots(account: ExchangeAccount, valued: Sequence[Valued]) -> int:
    held = set(
        Signal.objects.filter(account=account, state__in=HOLDING_SIGNALS).values_list(
            "symbol", flat=True
        )
    )
    return len(held | {item.trade.symbol for item in valued})


def _share(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    return part / whole if part is not None and whole else None


def _used(day_share: Decimal | None, limit: Decimal | None) -> Decimal | None:
    if day_share is None or not limit:
        return None
    return max(ZERO, -day_share) / limit


def _bar(share: Decimal | None) -> str:
    return fmt.number(min(share or ZERO, Decimal(1)) * 100, 1)
