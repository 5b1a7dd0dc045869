"""What every part of the venue shares: clock, prices, accounts, ids, ledger and push."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.simulators.bybit.accounts import Account
from tests.simulators.bybit.ledger import Ledger
from tests.simulators.bybit.prices import SymbolRules
from tests.simulators.bybit.rules import FUNDING_RATE, PROFILES, Prices, Refused

Push = Callable[[str, str, list[dict[str, Any]], str], None]
READS = ("realtime", "history", "executions", "positions", "closed_pnl", "transaction_log")


def nobody_listens(uid: str, topic: str, rows: list[dict[str, Any]], message_id: str) -> None:
    """Take a push while no stream is open."""


class Venue:
    """State without rules. `now_ms` is the time being worked on, not always the clock's."""

    def __init__(
        self,
        clock: Callable[[], int],
        prices: Prices,
        *,
        profile: str = "demo2026",
        usdt: Decimal | int = 10_000,
        duplicate_ids: str = "reject",
    ) -> None:
        if duplicate_ids not in ("reject", "accept_if_closed"):
            raise ValueError(f"duplicate_ids: {duplicate_ids}")
        self.clock = clock
        self.prices = prices
        self.profile = PROFILES[profile]
        self.usdt = Decimal(usdt)
        self.duplicate_ids = duplicate_ids
        self.now_ms = clock()
        self.rules = {rules.symbol: rules for rules in prices.symbols()}
        self.accounts: dict[str, Account] = {}
        self.ledger = Ledger()
        self.on_push: Push = nobody_listens
        # How many ms each kind of read lags behind what was done.
        self.lag_ms: dict[str, int] = dict.fromkeys(READS, 0)
        # While true, stops and targets attached to orders are dropped without a word.
        self.sl_ignored = False
        # While true, a limit order fills just before its cancel arrives.
        self.cancel_race = False
        self.funding_rates: dict[str, Decimal] = {}
        # When a symbol is (or was) taken off the exchange.
        self.delisting_ms: dict[str, int] = {}
        # Rows of announcements/index by type, and of system/status.
        self.announcements: dict[str, list[dict[str, Any]]] = {}
        self.system_status: list[dict[str, Any]] = []
        self._random = random.Random(f"{self.now_ms}")
        self._first_seq = self.now_ms // 10
        self._seqs: dict[str, int] = defaultdict(int)
        self._last_n = 0

    def account(self, uid: str) -> Account:
        """Give the account, opened with the usual balance when first asked for."""
        if uid not in self.accounts:
            self.accounts[uid] = Account(uid, self.usdt, self.now_ms)
        return self.accounts[uid]

    def rules_of(self, symbol: str) -> SymbolRules:
        rules = self.rules.get(symbol)
        if rules is None:
            raise Refused(10001, "params error: symbol invalid " + symbol)
        return rules

    def is_delisted(self, symbol: str) -> bool:
        return self.delisting_ms.get(symbol, self.now_ms + 1) <= self.now_ms

    def last(self, symbol: str) -> Decimal:
        return self.prices.last(symbol, self.now_ms)

    def mark(self, symbol: str) -> Decimal:
        return self.prices.mark(symbol, self.now_ms)

    def price_by(self, symbol: str, trigger_by: str) -> Decimal:
        """Give the price a trigger looks at."""
        if trigger_by == "MarkPrice":
            return self.mark(symbol)
        if trigger_by == "IndexPrice":
            return self.prices.index(symbol, self.now_ms)
        return self.last(symbol)

    def funding_rate(self, symbol: str) -> Decimal:
        return self.funding_rates.get(symbol, FUNDING_RATE)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def next_n(self) -> int:
        self._last_n += 1
        return self._last_n

    def next_seq(self, symbol: str) -> int:
        """Give the next cross sequence of a symbol, growing over restarts too."""
        self._seqs[symbol] += 1
        return self._first_seq + self._seqs[symbol]
