"""The trader's watch over the drawdown from the peak: beyond the limit it halts the account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from exchange.candles import floor_time
from exchange.domain import AccountUpdate
from trading.choices import EventLevel, TradingStateName
from trading.domain.verdict import percent
from trading.errors import ActionRefused
from trading.events import record
from trading.execution.booking import book
from trading.execution.desk import Desk
from trading.models import Trade
from trading.peak import standing_now
from trading.selectors import trading_state_effective
from trading.services import trading_state_set
from trading.settings_of import limits_current, limits_value

logger = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(minutes=1)
# A withdrawal shows in the wallet before the venue's log names it. So a drawdown counts once the
# log has been read this much later.
LOG_LATE_S = 15.0
LOG_BACK = timedelta(hours=1)


class PeakGuard:
    """Looks once a market minute while anything is held, and after every change of the wallet."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._looked: datetime | None = None
        self._seen: float | None = None

    def watch(self, open_trades: Sequence[Trade], wallet_changed: bool) -> None:
        """Halt the account when its drawdown is proved to be beyond the limit."""
        account, market = self._desk.account, self._desk.market
        now = market.now()
        minute = floor_time(now, LOOK_EVERY)
        passed = minute != self._looked and (bool(open_trades) or self._looked is None)
        if not (passed or wallet_changed or self._seen is not None):
            return
        self._looked = minute
        limit = limits_value(limits_current(account)).max_drawdown
        if standing_now(account, market, open_trades).drawdown <= limit:
            self._seen = None
            return
        if trading_state_effective(account)[0] is TradingStateName.HALTED:
            self._seen = None
            return
        wall = self._desk.clock.monotonic()
        self._seen = wall if self._seen is None else self._seen
        if self._desk.live and wall - self._seen < LOG_LATE_S:
            return
        self._seen = None
        self._read_log(now)
        lost = standing_now(account, market, open_trades).drawdown
        if lost > limit:
            self._halt(lost, limit, now)

    def _read_log(self, now: datetime) -> None:
        """Book transfers that nobody told yet."""
        ledger = self._desk.client.ledger(since=now - LOG_BACK)
        book(self._desk.account, AccountUpdate(ledger=tuple(ledger)))

    def _halt(self, lost: Decimal, limit: Decimal, now: datetime) -> None:
        account = self._desk.account
        reason = f"drawdown of {percent(lost)} is beyond {percent(limit)}; re-base the peak first"
        try:
            trading_state_set(
                account=account, state=TradingStateName.HALTED, actor=None, reason=reason
            )
        except ActionRefused as exc:
            # Somebody pressed or armed at the same moment: look again at what stands now.
            logger.warning("not halted yet", account=account.pk, reason=str(exc))
            self._looked = None
            return
        record(
            "guard_drawdown",
            f"{account.name}: halted, equity is {percent(lost)} below its peak (limit "
            f"{percent(limit)}). A person has to re-base the peak and arm again.",
            account=account,
            level=EventLevel.CRITICAL,
            data={"drawdown": str(lost), "limit": str(limit)},
            market_time=now,
        )
