"""What the trader of one account works with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exchange.models import ExchangeAccount
from exchange.ports import Clock, ExchangeClient, MarketData
from trading.execution.lease import AccountLease
from trading.execution.readings import Positions
from trading.models import Order


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
    entries are off; ``deaf`` while the exchange does not answer; ``blind_spots`` are doubts
    of our own making; ``suspected`` differences of the last comparison with when each was first
    seen, ``checked_trades`` those whose results agreed; ``unpriced`` exits whose last price is
    still to be noted; ``pulse`` is told in each round why positions may not be safe (nothing: they
    are). On a ``live`` market prices go on while nobody
    trades; after a crash there, signals of bars up to ``entries_after`` are not sent. Candles are
    kept as those of ``price_source`` where the market can't be asked for ever (empty: it can).
    ``stop`` asks the trader to end cleanly, ``lease_over`` tells its helpers that it has ended,
    ``wallet_asked`` that a person wants the wallet compared now."""

    account: ExchangeAccount
    client: ExchangeClient
    market: MarketData
    clock: Clock
    lease: AccountLease
    stop: threading.Event = field(default_factory=threading.Event)
    lease_over: threading.Event = field(default_factory=threading.Event)
    wallet_asked: threading.Event = field(default_factory=threading.Event)
    plug: Plug = field(default_factory=Plug)
    live: bool = False
    price_source: str = ""
    entries_after: datetime | None = None
    reconciled: bool = False
    doubts: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    deaf: bool = False
    blind_spots: tuple[str, ...] = ()
    pulse: Callable[[Sequence[str]], None] | None = None
    suspected: dict[str, float] = field(default_factory=dict)
    checked_trades: set[int] = field(default_factory=set)
    unpriced: list[Order] = field(default_factory=list)
    positions: Positions = field(init=False)
    _opened_s: float = field(init=False)
    _sent_s: dict[int, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.positions = Positions(self.client, self.clock)
        self._opened_s = self.clock.monotonic()

    def note_sent(self, order_id: int) -> None:
        """The order leaves now."""
        self._sent_s[order_id] = self.clock.monotonic()

    def sent_s(self, order_id: int) -> float:
        """Monotonic seconds at which the order left; one that another trader sent left before this
        desk opened."""
        return self._sent_s.get(order_id, self._opened_s)

    def seconds_since_sent(self, order_id: int, sent_at: datetime | None) -> float:
        """Age of an order's POST: by the monotonic clock where we sent it, else by wall time."""
        if order_id in self._sent_s:
            return self.clock.monotonic() - self._sent_s[order_id]
        if sent_at is None:
            return 0.0
        return max(0.0, (self.clock.now() - sent_at).total_seconds())
