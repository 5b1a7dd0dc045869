"""How a bot's entries are sized and placed, beyond its limits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class SizingMethod(StrEnum):
    """RISK: a share of capital is lost at the stop. NOTIONAL: the position is a share of capital,
    if the stop loses no more than RISK would. KELLY: RISK, reduced by what past trades allow."""

    RISK = "risk"
    NOTIONAL = "notional"
    KELLY = "kelly"


class MinOrderPolicy(StrEnum):
    """What happens to a quantity below the venue's minimum."""

    REJECT = "reject"
    ROUND_UP = "round_up"


@dataclass(frozen=True, slots=True)
class EntrySettings:
    """Settings of a bot's entries; shares are 0..1. ``min_improvement`` is the confidence by which
    a new signal must beat a working entry to take its place."""

    breakout_entries: bool = False
    replacement: bool = False
    min_improvement: Decimal = Decimal("0.10")
    method: SizingMethod = SizingMethod.RISK
    notional_share: Decimal = Decimal("0.10")
    min_order_policy: MinOrderPolicy = MinOrderPolicy.REJECT
    calibrated: bool = False
