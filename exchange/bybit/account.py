"""What is known of an account, and which of it keeps entries from being sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from exchange.bybit.endpoints import Endpoint
from exchange.bybit.parse import AccountFacts, MarginMode, account_facts
from exchange.bybit.rest import BybitRest

REFRESH_EVERY = timedelta(seconds=60)
# Facts that could not be read again for this long are no facts.
FACTS_LAST = timedelta(minutes=5)
# Callers wait for it on their way to something else.
READ_DEADLINE_S = 2.0

MARGIN_DOUBTS = {
    MarginMode.CROSS: "The account is in cross margin; isolated margin is needed.",
    MarginMode.PORTFOLIO: "The account is in portfolio margin; isolated margin is needed.",
    MarginMode.UNKNOWN: "The account's margin mode is none that is known; isolated is needed.",
}


def read_account(rest: BybitRest) -> AccountFacts:
    """Ask for margin mode and account type."""
    reply = rest.read(Endpoint.ACCOUNT_INFO, deadline_s=READ_DEADLINE_S)
    return account_facts(reply.result)


@dataclass(slots=True)
class AccountState:
    """What is known of the account between two readings of it."""

    facts: AccountFacts | None = None
    read_at: datetime | None = None
    hedged: frozenset[str] = frozenset()

    def learn(self, facts: AccountFacts, now: datetime) -> None:
        self.facts, self.read_at = facts, now

    def due(self, now: datetime) -> bool:
        """Whether it is time to read the facts again."""
        return self.read_at is None or now - self.read_at >= REFRESH_EVERY

    def see_mode(self, symbol: str, *, hedged: bool) -> None:
        """Learn from a row of positions which mode its symbol is in."""
        self.hedged = self.hedged | {symbol} if hedged else self.hedged - {symbol}

    def doubts(self, now: datetime) -> tuple[str, ...]:
        """Sentences on why this account must not get entries now."""
        if self.facts is None or self.read_at is None:
            return ("The account's margin mode has not been read yet.",)
        found = []
        if now - self.read_at > FACTS_LAST:
            minutes = int((now - self.read_at).total_seconds() // 60)
            found.append(f"The account's margin mode could not be read for {minutes} minutes.")
        if self.facts.margin_mode in MARGIN_DOUBTS:
            found.append(MARGIN_DOUBTS[self.facts.margin_mode])
        if not self.facts.unified:
            found.append("The account is not a unified trading account 2.0.")
        if self.hedged:
            symbols = ", ".join(sorted(self.hedged))
            found.append(f"Hedge mode is on for {symbols}; one-way mode is needed.")
        return tuple(found)
