"""Re-base the peak from which an account's drawdown is counted."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction

from exchange.domain import quantise
from exchange.models import ExchangeAccount
from exchange.ports import MarketData
from trading.choices import EventLevel
from trading.domain.verdict import percent
from trading.equity import Standing, standing, transfers_since
from trading.errors import ActionRefused
from trading.events import record
from trading.models import EquityPoint, OperatorAction, PeakBase, Trade
from trading.selectors import LIVE_TRADES, unrealised_pnl

REASON_LENGTH = 200


def standing_now(
    account: ExchangeAccount, market: MarketData, open_trades: Iterable[Trade] | None = None
) -> Standing:
    """The account against its peak, at the prices of now; ``open_trades`` where they are known
    already. Raises ``MarketDataError``."""
    newest = EquityPoint.objects.filter(account=account).order_by("-time").first()
    wallet = newest.wallet if newest else account.start_equity
    trades = Trade.objects.filter(account=account, state__in=LIVE_TRADES)
    held = trades if open_trades is None else open_trades
    equity = wallet + unrealised_pnl(held, market)
    transfers = transfers_since(account, newest.time) if newest else []
    return standing(account, equity, market.now(), newest, transfers)


def peak_rebase(
    *, account: ExchangeAccount, market: MarketData, actor: User | None, reason: str
) -> PeakBase:
    """Count the drawdown from the equity of now on. A halt stays until it is lifted in its two
    steps. Raises ``ActionRefused`` without a reason, and ``MarketDataError``."""
    if not reason.strip():
        raise ActionRefused("give a reason; it is kept with the new peak")
    if len(reason) > REASON_LENGTH:
        raise ActionRefused(f"the reason is longer than {REASON_LENGTH} characters")
    before, now = standing_now(account, market), market.now()
    with transaction.atomic():
        base = PeakBase.objects.create(
            account=account,
            time=now,
            unit_value=quantise(before.value),
            reason=reason.strip(),
            actor=actor,
        )
        OperatorAction.objects.create(
            actor=actor,
            action="peak re-based",
            target=account.name,
            reason=base.reason,
            data={"drawdown": str(before.drawdown), "unit_value": str(base.unit_value)},
        )
        record(
            "peak_rebased",
            f"{account.name}: the peak is counted from now on; the drawdown was "
            f"{percent(before.drawdown)} ({base.reason}).",
            account=account,
            level=EventLevel.WARNING,
            data={"base": base.pk},
            market_time=now,
        )
    return base
