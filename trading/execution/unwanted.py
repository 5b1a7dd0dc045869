"""Working entries that the account's rules, a blackout or the spread would not let in now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf

import structlog

from exchange.candles import floor_time
from exchange.errors import MarketDataError
from trading.choices import CancelReason, EventLevel
from trading.domain.exits import ExitSettingsInvalid
from trading.domain.invalid import SettingsInvalid
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.settings import BotSettings
from trading.domain.withdrawal import (
    SPREAD_PATIENCE,
    no_longer_let_in,
    spread_too_wide,
    withdrawal_reason,
)
from trading.events import record
from trading.execution.desk import Desk
from trading.models import Bot, Order
from trading.portfolio import portfolio_get
from trading.selectors import quote_or_none
from trading.settings_of import bot_settings, limits_current

logger = structlog.get_logger(__name__)

# Seconds between two looks at all rules, and market time: a replay that plays hours in a second
# must not depend on how fast it is. The spread is looked at in every round.
LOOK_EVERY_S = 2.0
LOOK_EVERY = timedelta(minutes=1)


class Unwanted:
    """Why entries of one desk are to be taken back, newest first, until the rest is let in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._looked_s = -inf
        self._looked: datetime | None = None
        self._known: set[int] = set()
        self._judged: dict[int, tuple[Exposure | None, BotSettings]] = {}
        self._wide_since: dict[int, datetime] = {}
        self._reasons: dict[int, CancelReason] = {}

    @property
    def reasons(self) -> Mapping[int, CancelReason]:
        """By the id of the order. A reason stays until the entry is gone."""
        return self._reasons

    def judge(self, entries: Collection[Order]) -> bool:
        """Look at the entries anew where that is due. True when another one is unwanted."""
        working = {order.pk for order in entries}
        self._judged = {pk: known for pk, known in self._judged.items() if pk in working}
        self._wide_since = {pk: since for pk, since in self._wide_since.items() if pk in working}
        self._reasons = {pk: why for pk, why in self._reasons.items() if pk in working}
        known, wall = len(self._reasons), self._desk.clock.monotonic()
        minute = floor_time(self._desk.market.now(), LOOK_EVERY)
        late = wall - self._looked_s >= LOOK_EVERY_S or minute != self._looked
        if entries and (late or working - self._known):
            self._looked_s, self._looked, self._known = wall, minute, working
            self._look(working)
        for order in entries:
            if order.pk in self._judged and order.pk not in self._reasons:
                self._watch_spread(order, *self._judged[order.pk])
        return len(self._reasons) > known

    def _look(self, working: Collection[int]) -> None:
        """Ask the rules of every entry; what is taken back makes room for the older ones."""
        rows = Order.objects.filter(pk__in=working).select_related("trade__bot__account", "signal")
        newest_first = list(rows.order_by("-pk"))
        settings = self._settings([order.trade.bot for order in newest_first])
        newest_first = [one for one in newest_first if one.trade.bot_id in settings]
        try:
            held = self._portfolios(newest_first, settings)
        except MarketDataError as exc:
            # What can't be judged now stays; expiry and price still take it back.
            logger.warning("working entries not judged", error=str(exc))
            return
        for order in newest_first:
            bot_id = order.trade.bot_id
            entry = held[bot_id].entry_of(order.symbol)
            lowered = self._lowered(order, settings[bot_id])
            self._judged[order.pk] = entry, settings[bot_id]
            if entry is None:
                continue
            rest = held[bot_id].without_entry(order.symbol)
            refused = no_longer_let_in(entry, rest, settings[bot_id], lowered=lowered)
            if refused is not None and order.pk not in self._reasons:
                self._take_back(order, withdrawal_reason(refused), refused.text)
            if order.pk in self._reasons:
                held = {pk: one.without_entry(order.symbol) for pk, one in held.items()}

    def _settings(self, bots: Iterable[Bot]) -> dict[int, BotSettings]:
        """By bot; one whose settings can't be read keeps its entries, and is judged by nothing."""
        limits, found = limits_current(self._desk.account), {}
        for pk, bot in {bot.pk: bot for bot in bots}.items():
            try:
                found[pk] = bot_settings(bot, limits)
            except (SettingsInvalid, ExitSettingsInvalid) as exc:
                logger.warning("entries of a bot not judged", bot=pk, error=str(exc))
        return found

    def _portfolios(
        self, orders: Sequence[Order], settings: Mapping[int, BotSettings]
    ) -> dict[int, Portfolio]:
        """The account as each bot with an entry sees it."""
        desk = self._desk
        return {
            bot.pk: portfolio_get(
                account=desk.account,
                market=desk.market,
                settings=settings[bot.pk],
                wall_now=desk.clock.now(),
                bot=bot,
            )
            for bot in {order.trade.bot for order in orders}
        }

    def _lowered(self, order: Order, settings: BotSettings) -> bool:
        """Whether the limits are others than those that the entry was last judged by."""
        known = self._judged.get(order.pk)
        if known is not None:
            return known[1].limits != settings.limits
        signal = order.signal
        return signal is not None and signal.limits_version != settings.limits.version

    def _watch_spread(self, order: Order, entry: Exposure | None, settings: BotSettings) -> None:
        quote = quote_or_none(self._desk.market, order.symbol)
        if entry is None or quote is None:
            return
        if not spread_too_wide(entry, quote, self._desk.market.facts, settings):
            self._wide_since.pop(order.pk, None)
            return
        now = self._desk.market.now()
        since = self._wide_since.setdefault(order.pk, now)
        if now - since >= SPREAD_PATIENCE:
            words = f"The spread has been too wide since {since:%H:%M:%S}."
            self._take_back(order, CancelReason.SPREAD, words)

    def _take_back(self, order: Order, reason: CancelReason, why: str) -> None:
        self._reasons[order.pk] = reason
        record(
            "entry_withdrawn",
            f"{order.symbol}: the unfilled entry is taken back. {why}"[:300],
            account=self._desk.account,
            level=EventLevel.NOTICE,
            data={"order": order.pk, "trade": order.trade_id},
            market_time=self._desk.market.now(),
        )
