"""What would prove a trade's idea wrong, as its analysis said, frozen when the entry is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from analysis.answer.value import InvalidationCondition
from exchange.domain import Candle, Side


@dataclass(frozen=True, slots=True)
class Invalidation:
    """``CLOSE_BEYOND``: a bar of the bot's timeframe closes beyond ``price`` by ``until``.
    ``TOUCH``: price trades there by then. ``TIME``: no profit once ``until`` has come. Without
    ``until`` the first two hold as long as the trade. ``price`` is None for ``TIME`` only."""

    condition: InvalidationCondition
    price: Decimal | None
    until: datetime | None

    def as_json(self) -> dict[str, str | None]:
        """Plain values for a JSON column."""
        return {
            "condition": self.condition.value,
            "price": None if self.price is None else format(self.price, "f"),
            "until": None if self.until is None else self.until.isoformat(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Invalidation | None:
        """Read what ``as_json`` wrote; nothing stored is no invalidation."""
        if not stored:
            return None
        price, until = stored["price"], stored["until"]
        return cls(
            condition=InvalidationCondition(stored["condition"]),
            price=None if price is None else Decimal(price),
            until=None if until is None else datetime.fromisoformat(until),
        )

    def broken(
        self, side: Side, worthless: Decimal, opened_at: datetime, candle: Candle, bar: timedelta
    ) -> bool:
        """Whether ``candle`` proves the idea wrong. ``worthless`` is the price up to which the
        trade has earned nothing, ``bar`` the timeframe of its bot."""
        now, sign = candle.close_time, side.sign
        if self.condition is InvalidationCondition.TIME:
            late = self.until is not None and now >= self.until
            return late and (candle.close - worthless) * sign <= 0
        if self.price is None or (self.until is not None and now > self.until):
            return False
        if self.condition is InvalidationCondition.TOUCH:
            # What price did before the entry, in the same minute, says nothing.
            extreme = candle.low if side is Side.BUY else candle.high
            return candle.open_time >= opened_at and (extreme - self.price) * sign <= 0
        ends_bar = now.timestamp() % bar.total_seconds() == 0
        return ends_bar and (candle.close - self.price) * sign < 0


def invalidation_of(
    answer: Mapping[str, Any], candle_time: datetime, timeframe: timedelta
) -> Invalidation | None:
    """The invalidation in a stored answer; None where it names none. Bars are counted from the
    candle that the analysis speaks about."""
    named, bars = answer.get("invalidation_condition"), answer.get("invalidation_bars")
    condition = next((one for one in InvalidationCondition if one == named), None)
    if condition is None:
        return None
    # A level is named by its id; where it lies stands beside it.
    price = _price(answer.get("invalidation_at") or answer.get("invalidation_price"))
    until = candle_time + bars * timeframe if isinstance(bars, int) else None
    needed = until if condition is InvalidationCondition.TIME else price
    return None if needed is None else Invalidation(condition, price, until)


def _price(value: object) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
