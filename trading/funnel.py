"""The funnel: where the decisions of some cycles ended, and what came closest to a trade."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.db.models import Count, Q, QuerySet

from exchange.models import ExchangeAccount
from trading.choices import SignalState
from trading.models import Signal

TRADED = "traded"
# Rules whose number says how near a signal came: the larger, the nearer.
GRADED = {"rr_net": "rr_net", "confidence": "confidence"}
LABELS = {
    "": "accepted",
    "none": "no setup",
    "rr_net": "net reward/risk",
    "btc_move": "BTC move",
    "turnover": "24 h turnover",
    "turnover_share": "share of turnover",
    "spread_of_stop": "spread against stop",
    "data": "missing data",
    TRADED: "traded",
    str(SignalState.WAITING): "waiting for approval",
}


@dataclass(frozen=True, slots=True)
class FunnelQuery:
    """Which decisions are counted; an empty filter takes all. ``since`` is market time."""

    account: ExchangeAccount
    bot_id: int | None = None
    symbol: str = ""
    timeframe: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """How many decisions ended at one rule or, where no rule stopped them, in one state."""

    key: str
    count: int

    @property
    def label(self) -> str:
        return stage_label(self.key)

    @property
    def passed(self) -> bool:
        """Whether every rule let these pass."""
        return self.key == TRADED or self.key in set(SignalState)


@dataclass(frozen=True, slots=True)
class NearestMiss:
    """The rejected signal that came closest to its limit; ``share`` is how close, below 1."""

    signal_id: int
    cycle_id: int
    symbol: str
    decided_at: datetime
    rule: str
    value: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True)
class Funnel:
    """Stages, the largest first and "traded" last. ``symbols`` are those of all cycles."""

    cycles: int
    symbols: int
    total: int
    stages: tuple[Stage, ...]
    nearest: NearestMiss | None

    @property
    def headline(self) -> str:
        """ "36 cycles x 5 symbols = 180", where every cycle decided on every symbol."""
        cycles = f"{self.cycles} cycle{'' if self.cycles == 1 else 's'}"
        symbols = f"{self.symbols} symbol{'' if self.symbols == 1 else 's'}"
        if self.cycles * self.symbols == self.total:
            return f"{cycles} x {symbols} = {self.total}"
        return f"{cycles}, {symbols}, {self.total} decisions"


def stage_label(key: str) -> str:
    """A rule or a state in the words of the console: "rr_net" as "net reward/risk"."""
    return LABELS.get(key, key.replace("_", " "))


def funnel_get(query: FunnelQuery) -> Funnel:
    """Count what became of every decision that ``query`` takes."""
    rows = _rows(query)
    counts: Counter[str] = Counter()
    for rule, state, count in rows.values_list("rule", "state").annotate(Count("pk")):
        counts[_key(rule, state)] += count
    order = sorted(counts, key=lambda key: (key == TRADED, -counts[key], key))
    sums = rows.aggregate(
        cycles=Count("cycle", distinct=True), symbols=Count("symbol", distinct=True)
    )
    return Funnel(
        cycles=sums["cycles"],
        symbols=sums["symbols"],
        total=sum(counts.values()),
        stages=tuple(Stage(key, counts[key]) for key in order),
        nearest=_nearest_miss(rows),
    )


def funnel_signals(query: FunnelQuery, stage: str) -> QuerySet[Signal]:
    """The signals behind the count of one stage, newest first; all of them without a stage."""
    rows = _rows(query).select_related("bot", "cycle").order_by("-id")
    if stage == TRADED:
        return rows.filter(rule="", state=SignalState.EXECUTING)
    if stage in set(SignalState):
        return rows.filter(rule="", state=stage)
    return rows.filter(rule=stage) if stage else rows


def funnel_words(funnel: Funnel) -> str:
    """All of it in one line."""
    parts = ", ".join(f"{stage.count} {stage.label}" for stage in funnel.stages)
    line = f"{funnel.headline}: {parts or 'no decisions'}"
    nearest = funnel.nearest
    return f"{line}; nearest miss {miss_words(nearest)}" if nearest else line


def miss_words(miss: NearestMiss) -> str:
    """ "SOL 10:15, 1.42": symbol, market time, and the number that fell short."""
    symbol = miss.symbol.removesuffix("USDT")
    what = f"{miss.value:.0%}" if miss.rule == "confidence" else f"{miss.value:.2f}"
    return f"{symbol} {miss.decided_at:%H:%M}, {what} ({stage_label(miss.rule)})"


def _key(rule: str, state: str) -> str:
    return rule or (TRADED if state == SignalState.EXECUTING else state)


def _rows(query: FunnelQuery) -> QuerySet[Signal]:
    # The index that covers all that is counted begins with account and time.
    rows = Signal.objects.filter(account=query.account).order_by()
    if query.since is not None:
        rows = rows.filter(decided_at__gt=query.since)
    if query.bot_id is not None:
        rows = rows.filter(bot=query.bot_id)
    if query.symbol:
        rows = rows.filter(symbol=query.symbol)
    if query.timeframe:
        rows = rows.filter(cycle__timeframe=query.timeframe)
    return rows


def _nearest_miss(rows: QuerySet[Signal]) -> NearestMiss | None:
    """Of each graded rule the signal with the largest number; of those the nearest."""
    # Which they are is found in the index alone; the rows with their verdicts are read once.
    largest = [
        rows.filter(rule=rule)
        .exclude(**{number: None})
        .order_by(f"-{number}", "-id")
        .values("pk")[:1]
        for rule, number in GRADED.items()
    ]
    wanted = Q(pk__in=largest[0])
    for one in largest[1:]:
        wanted |= Q(pk__in=one)
    found = [miss for row in Signal.objects.filter(wanted) if (miss := _miss(row)) is not None]
    return max(found, key=lambda miss: miss.share, default=None)


def _miss(signal: Signal) -> NearestMiss | None:
    value: Decimal = getattr(signal, GRADED[signal.rule])
    limit = _limit_of(signal, signal.rule)
    if not limit:
        return None
    share = value / limit
    return NearestMiss(
        signal.pk, signal.cycle_id, signal.symbol, signal.decided_at, signal.rule, value, share
    )


def _limit_of(signal: Signal, rule: str) -> Decimal | None:
    """The limit that the verdict shows, "1.50" or "65.0 %"; None where it shows no number."""
    limits = [str(one.get("limit", "")) for one in signal.verdicts if one.get("rule") == rule]
    text = limits[0] if limits else ""
    try:
        limit = Decimal(text.removesuffix(" %"))
    except InvalidOperation:
        return None
    return limit / 100 if text.endswith("%") else limit
