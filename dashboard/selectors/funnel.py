"""Why nothing was traded, in rows and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard import format as fmt
from dashboard.selectors.paging import Page, page_of
from exchange.models import ExchangeAccount
from trading.funnel import (
    Funnel,
    FunnelQuery,
    funnel_get,
    funnel_signals,
    miss_words,
    stage_label,
)
from trading.models import Bot, Signal

DAY = timedelta(days=1)
# How far back in market time; the first is what the overview shows.
SPANS: dict[str, tuple[str, timedelta | None]] = {
    "day": ("24 h", DAY),
    "week": ("7 days", 7 * DAY),
    "month": ("30 days", 30 * DAY),
    "all": ("everything", None),
}
SPAN_CHOICES = [(key, label) for key, (label, _) in SPANS.items()]


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """How many decisions ended at one stage. ``width`` is its share of all, 0..100."""

    key: str
    label: str
    count: int
    width: str
    share: str
    good: bool


@dataclass(frozen=True, slots=True)
class NearestMiss:
    """What came closest, in words, and where it is told in full."""

    words: str
    cycle_id: int
    symbol: str


@dataclass(frozen=True, slots=True)
class FunnelShown:
    """A funnel as the console shows it."""

    headline: str
    total: int
    rows: list[FunnelRow]
    nearest: NearestMiss | None


@dataclass(frozen=True, slots=True)
class SignalRow:
    """One decision behind a count."""

    id: int
    cycle_id: int
    bot: str
    time: datetime
    symbol: str
    direction: str
    confidence: str
    rr_net: str
    ended: str
    reason: str


def funnel_query(
    account: ExchangeAccount,
    market_now: datetime | None,
    *,
    span: str = "day",
    bot: str = "",
    symbol: str = "",
    timeframe: str = "",
) -> FunnelQuery:
    """What the filters of the page mean. A market whose time is not known is not cut off."""
    back = SPANS.get(span, SPANS["day"])[1]
    return FunnelQuery(
        account=account,
        bot_id=int(bot) if bot.isdecimal() and len(bot) < 19 else None,
        symbol=symbol,
        timeframe=timeframe,
        since=market_now - back if back is not None and market_now is not None else None,
    )


def funnel_shown(query: FunnelQuery) -> FunnelShown:
    """The counts of the funnel with their shares."""
    return _shown(funnel_get(query))


def funnel_page(query: FunnelQuery, stage: str, before: int | None) -> Page[SignalRow]:
    """The decisions behind one count, newest first."""
    return page_of(funnel_signals(query, stage).defer("verdicts", "sizing"), before, _signal_row)


def symbol_choices(account: ExchangeAccount) -> list[tuple[str, str]]:
    """Symbols that the account's bots trade."""
    lists = Bot.objects.filter(account=account).values_list("symbols", flat=True)
    symbols = sorted({symbol for one in lists for symbol in one})
    return [(symbol, symbol.removesuffix("USDT")) for symbol in symbols]


def timeframe_choices(account: ExchangeAccount) -> list[tuple[str, str]]:
    """Timeframes that the account's bots have."""
    names = Bot.objects.filter(account=account).values_list("timeframe", flat=True)
    return [(name, name) for name in sorted(set(names))]


def _shown(found: Funnel) -> FunnelShown:
    rows = [
        FunnelRow(
            key=stage.key,
            label=stage.label,
            count=stage.count,
            width=f"{100 * stage.count / found.total:.1f}",
            share=f"{100 * stage.count / found.total:.1f} %",
            good=stage.passed,
        )
        for stage in found.stages
    ]
    miss = found.nearest
    nearest = NearestMiss(miss_words(miss), miss.cycle_id, miss.symbol) if miss else None
    return FunnelShown(found.headline, found.total, rows, nearest)


def _signal_row(signal: Signal) -> SignalRow:
    return SignalRow(
        id=signal.pk,
        cycle_id=signal.cycle_id,
        bot=signal.bot.name,
        time=signal.decided_at,
        symbol=signal.symbol,
        direction=signal.direction,
        confidence=fmt.percent(signal.confidence, 0),
        rr_net=fmt.number(signal.rr_net),
        ended=stage_label(signal.rule) if signal.rule else signal.get_state_display().lower(),
        reason=fmt.one_stop(signal.state_reason),
    )
