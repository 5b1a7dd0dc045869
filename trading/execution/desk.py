"""What the trader of one account works with."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from exchange.models import ExchangeAccount
from exchange.ports import Clock, ExchangeClient, MarketData
from trading.execution.lease import AccountLease


class PlugPulled(BaseException):
    """The trader dies here, as a killed process would: nothing is caught, nothing tidied up."""


@dataclass(slots=True)
class Plug:
    """Lets an operator kill the trader in mid-order on a simulated venue.

    While armed the next order dies after the venue took it and before we heard of it; without
    an order until ``deadline`` (monotonic seconds) the trader dies between two.
    """

    armed: bool = False
    deadline: float = 0.0
    command_id: int = 0
    in_flight: str = ""

    def after_post(self, what: str) -> None:
        """The venue has the request; nobody has recorded its answer."""
        if self.armed:
            self.in_flight = what
            raise PlugPulled

    def between(self, monotonic: float) -> None:
        if self.armed and monotonic >= self.deadline:
            raise PlugPulled


@dataclass(slots=True)
class Desk:
    """One account's venue, market, wall clock and lease. ``doubts`` are reasons for which
    entries are off; ``stop`` asks the trader to end cleanly, ``lease_over`` tells its helpers that
    it has ended."""

    account: ExchangeAccount
    client: ExchangeClient
    market: MarketData
    clock: Clock
    lease: AccountLease
    stop: threading.Event = field(default_factory=threading.Event)
    lease_over: threading.Event = field(default_factory=threading.Event)
    plug: Plug = field(default_factory=Plug)
    reconciled: bool = False
    doubts: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
