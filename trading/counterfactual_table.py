"""What each rule, and each person's no, saved or cost: counterfactuals counted up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import numpy as np

from analysis.intervals import Interval, bootstrap_mean, wilson_interval
from exchange.domain import ZERO
from exchange.models import ExchangeAccount
from trading.choices import CounterfactualState, SignalState
from trading.counterfactual import stopped_signals
from trading.models import Counterfactual

# Below this many outcomes an interval is too wide to lean on, and below the second number there is
# none: resampling two or three alike results would promise what they can't hold.
FEW, FEWEST = 30, 10
NOBODY = "nobody answered in time"


class Effect(StrEnum):
    """What a no amounts to, as far as the 95 % interval of its mean result can tell."""

    SAVED = "saved"
    COST = "cost"
    UNSURE = "can't tell"
    NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Signals that one rule or one person stopped. ``ended`` had an outcome in R; of them ``won``
    would have earned something. ``mean_r`` and ``sum_r`` are what trading them would have brought:
    stopping saved what is below 0."""

    name: str
    ended: int
    won: int
    unfilled: int
    open: int
    unknown: int
    won_interval: Interval | None
    mean_r: float | None
    mean_interval: Interval | None
    sum_r: Decimal | None

    @property
    def count(self) -> int:
        return self.ended + self.unfilled + self.open + self.unknown

    @property
    def few(self) -> bool:
        return 0 < self.ended < FEW

    @property
    def effect(self) -> Effect:
        if self.mean_interval is None:
            return Effect.UNSURE if self.ended else Effect.NOTHING
        low, high = self.mean_interval
        if high < 0:
            return Effect.SAVED
        return Effect.COST if low > 0 else Effect.UNSURE


Found = tuple[str, str, Decimal | None]


def outcomes_by_rule(account: ExchangeAccount) -> list[Outcomes]:
    """By what stopped them, most stopped first. Refused and expired requests are people's."""
    rows = Counterfactual.objects.filter(signal__account=account)
    values = rows.exclude(stopped_by__in=(SignalState.REFUSED, SignalState.EXPIRED))
    return _table(values.values_list("stopped_by", "state", "r_multiple"))


def outcomes_by_person(account: ExchangeAccount) -> list[Outcomes]:
    """Refusals by who gave them, and requests that nobody answered."""
    rows = Counterfactual.objects.filter(
        signal__account=account, stopped_by__in=(SignalState.REFUSED, SignalState.EXPIRED)
    ).values_list(
        "stopped_by",
        "state",
        "r_multiple",
        "signal__approval__actor__username",
        "signal__approval__channel",
    )
    return _table(
        (NOBODY if by == SignalState.EXPIRED else person or channel or "unknown", state, result)
        for by, state, result, person, channel in rows
    )


def unknowable(account: ExchangeAccount) -> list[tuple[str, int]]:
    """How many signals had no prices to follow, by what stopped them, most first."""
    rows = stopped_signals(account).filter(entry_price=None)
    return Counter(rows.order_by().values_list("rule", flat=True)).most_common()


def _table(found: Iterable[Found]) -> list[Outcomes]:
    states: dict[str, Counter[str]] = defaultdict(Counter)
    results: dict[str, list[Decimal]] = defaultdict(list)
    for name, state, result in found:
        states[name][state] += 1
        if state == CounterfactualState.ENDED and result is not None:
            results[name].append(result)
    rows = [_outcomes(name, counts, results[name]) for name, counts in states.items()]
    return sorted(rows, key=lambda row: (-row.count, row.name))


def _outcomes(name: str, states: Counter[str], results: list[Decimal]) -> Outcomes:
    values = np.array([float(result) for result in results])
    won = sum(result > 0 for result in results)
    return Outcomes(
        name=name,
        ended=len(results),
        won=won,
        unfilled=states[CounterfactualState.UNFILLED],
        open=states[CounterfactualState.FOLLOWED],
        unknown=states[CounterfactualState.UNKNOWN],
        won_interval=wilson_interval(won, len(results)),
        mean_r=float(values.mean()) if results else None,
        mean_interval=bootstrap_mean(values) if len(results) >= FEWEST else None,
        sum_r=sum(results, ZERO) if results else None,
    )
