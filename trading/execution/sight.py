"""Whether venue and prices can be relied on, told when it changes."""

from __future__ import annotations

from dataclasses import replace

from trading.choices import EventLevel, TradeState
from trading.domain.protocol import EntryFacts, entry_gate
from trading.events import record
from trading.execution.desk import Desk
from trading.models import Trade


class Sight:
    """Remembers for one desk what was told last; orders and differences have events of their
    own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._blind = False
        self._halted = False

    def note(self, facts: EntryFacts) -> None:
        """One event when doubts begin, one when a person is needed, one when they end."""
        reasons = entry_gate(replace(facts, reconciled=True, unresolved=()))
        blind, halted = bool(reasons), bool(facts.halted)
        if (blind, halted) == (self._blind, self._halted):
            return
        if blind:
            text = f"No entries: {'; '.join(reason.rstrip('.') for reason in reasons)}."
            text += self._out_of_reach() if halted else ""
            kind, level = "engine_blind", EventLevel.CRITICAL if halted else EventLevel.WARNING
        else:
            text = "Exchange and prices can be relied on again."
            kind, level = "engine_sees", EventLevel.NOTICE
        self._blind, self._halted = blind, halted
        record(
            kind,
            text,
            account=self._desk.account,
            level=level,
            data={"reasons": list(reasons)},
            market_time=self._desk.market.now(),
        )

    def _out_of_reach(self) -> str:
        """What can't be done now for the positions that are open."""
        trades = Trade.objects.filter(account=self._desk.account, state=TradeState.OPEN)
        symbols = sorted(trades.values_list("symbol", flat=True))
        if not symbols:
            return ""
        return (
            f" Open: {', '.join(symbols)}. The stops on the exchange hold; until this is mended "
            "they can't be moved from here and the positions can't be closed from here."
        )
