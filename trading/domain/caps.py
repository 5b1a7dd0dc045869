"""Hard caps: what no operator can go beyond, whatever is entered or stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from trading.domain.settings import LEVERAGE_CAP, NOTIONAL_CAP, Limits
from trading.domain.verdict import percent, plain, times


@dataclass(frozen=True, slots=True)
class Cap:
    """The range a limit may take, and how it is written: ``share`` of 1, ``times`` equity,
    ``score`` from 0 to 1, or a plain ``number``."""

    low: Decimal
    high: Decimal
    unit: str = "number"

    def words(self, value: Decimal) -> str:
        """The value as people read it."""
        if self.unit == "share":
            return percent(value)
        return times(value) if self.unit == "times" else plain(value)


def _share(low: str, high: str) -> Cap:
    return Cap(Decimal(low), Decimal(high), "share")


def _count(low: int, high: int) -> Cap:
    return Cap(Decimal(low), Decimal(high))


CAPS: Mapping[str, Cap] = {
    "min_confidence": _share("0", "1"),
    "min_rr_net": Cap(Decimal(0), Decimal(20)),
    "risk_per_trade": _share("0", "0.05"),
    "max_slots": _count(0, 100),
    "max_same_direction": _count(0, 100),
    "max_entries_per_day": _count(0, 1000),
    "max_open_risk": _share("0", "0.25"),
    "max_same_direction_risk": _share("0", "0.25"),
    "max_daily_loss": _share("0", "0.25"),
    "max_weekly_loss": _share("0", "0.40"),
    "max_drawdown": _share("0", "0.50"),
    "half_size_losses": _count(0, 50),
    "pause_losses": _count(0, 50),
    "max_per_group": _count(0, 100),
    "max_position_notional": Cap(Decimal(0), NOTIONAL_CAP, "times"),
    "max_gross_exposure": Cap(Decimal(0), NOTIONAL_CAP, "times"),
    "max_leverage": Cap(Decimal(1), LEVERAGE_CAP, "times"),
}


def capped(limits: Limits) -> Limits:
    """The limits as the rules may use them: a stored value beyond its cap counts as the cap."""
    changes: dict[str, Decimal | int] = {}
    for name, cap in CAPS.items():
        value = getattr(limits, name)
        inside = min(max(Decimal(value), cap.low), cap.high)
        if inside != value:
            changes[name] = int(inside) if isinstance(value, int) else inside
    return replace(limits, **changes) if changes else limits  # type: ignore[arg-type]


def cap_refusal(name: str, value: Decimal | int) -> str:
    """Why the value may not be entered, as a sentence, or ""."""
    cap, amount = CAPS[name], Decimal(value)
    if not amount.is_finite():
        return "This is no number."
    if amount > cap.high:
        return f"At most {cap.words(cap.high)}: a hard cap that no setting can lift."
    if amount < cap.low:
        return f"At least {cap.words(cap.low)}."
    return ""
