"""What a comparison with the exchange found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from exchange.domain import ZERO


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which we and the exchange do not agree.

    ``kind`` is position, average, result, order, stop or wallet. ``text`` is a sentence; ``mend``
    says what a repair does about it, empty where only a person can. ``proved`` once it was read
    twice, far enough apart. ``trade`` and ``order_link_id`` name what it is about.
    """

    kind: str
    symbol: str
    text: str
    mend: str = ""
    proved: bool = False
    trade: int = 0
    order_link_id: str = ""
    qty: Decimal = ZERO

    def __str__(self) -> str:
        return self.text

    def as_json(self) -> dict[str, str]:
        """As events carry it: what a person or a command needs to know of it."""
        return {
            "kind": self.kind,
            "symbol": self.symbol,
            "text": self.text,
            "mend": self.mend,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, str]) -> Difference:
        """The other way round. What events tell of is proved."""
        return cls(
            content["kind"], content["symbol"], content["text"], content["mend"], proved=True
        )


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """``external`` are symbols with a position, or a part of one, that no trade of ours
    explains; ``mended`` says what a repair did."""

    differences: tuple[Difference, ...]
    external: tuple[str, ...]
    booked_executions: int
    mended: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Ledger and exchange agree. A missing stop is the protector's business, within seconds."""
        return all(difference.kind == "stop" for difference in self.differences)

    @property
    def proved(self) -> tuple[Difference, ...]:
        """The differences that may be acted upon and told."""
        return tuple(one for one in self.differences if one.proved and one.kind != "stop")
