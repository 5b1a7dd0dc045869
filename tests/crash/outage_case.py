"""One outage: what happens at the venue meanwhile, what the trader notices, what is left of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.crash.installation import NeverCame
from tests.crash.lane import POLL_S, READY_S, SYMBOLS, Lane, _until
from tests.crash.outage_line import PRIVATE, PUBLIC, TOGETHER, Kind, Line
from tests.crash.outage_watch import SelfReport
from tests.crash.stage import Part, Stage, Venue

if TYPE_CHECKING:
    from exchange.models import ExchangeAccount

NOTICED_S = RECOVERED_S = MAX_GAP_S = 5.0
# Twice the period of a ticker, the slowest topic.
TOPIC_S = 10.0
# Private topics have no period: what they keep back is found by the comparison of every minute.
COMPARED_S = 65.0
# What was lost on its way to the venue needs 30 s of proof, the rest is one comparison.
PROOF_S = 45.0
CALM_S = 1.0
GIVE_UP_S = 30.0
READ_LAG_MS = 300
LONG_AGO = timedelta(days=7)
STOPPED, RESTING, BY_HAND, *FREE = SYMBOLS


@dataclass(slots=True)
class Result:
    """What one outage showed; seconds. ``noticed_s`` counts from its beginning (None: it passed
    without notice), ``recovered_s`` from its end, or from the notice where that came later, to a
    trader without doubts; ``settled_s`` from its end to books that agree."""

    name: str
    noticed_s: float | None = None
    recovered_s: float = 0.0
    settled_s: float = 0.0
    gap_s: float = 0.0
    lost: int = 0
    blind_entries: int = 0
    entries: int = 0
    failures: list[str] = field(default_factory=list)


class QuietVenue(Venue):
    """The simulator without its exchange: no fault of an endpoint concerns what is asked here."""

    @cached_property
    def _rules(self) -> dict[str, dict[str, Any]]:
        return {symbol: super(QuietVenue, self).rules(symbol) for symbol in SYMBOLS}

    def rules(self, symbol: str) -> dict[str, Any]:
        return self._rules[symbol]

    def last(self, symbol: str) -> str:
        return str(self._get("/__sim/state")["prices"][symbol])

    def jump(self, symbol: str, price: Decimal) -> None:
        """Trade at this price, now."""
        self._post("/__sim/price", {"symbol": symbol, "price": str(price)})

    def close_by_hand(self, uid: str, symbol: str) -> None:
        """The account's owner closes a position in the exchange's app."""
        self._post("/__sim/user/close", {"symbol": symbol, "uid": uid})


class Blackout(Lane):
    """Outages one after the other on one account with one trader."""

    def __init__(self, stage: Stage, account: ExchangeAccount, line: Line, seed: int) -> None:
        self._venue = stage.venue = QuietVenue(stage.venue.url)
        # Asked for while there is no fault yet.
        self._venue.rules(SYMBOLS[0])
        super().__init__(stage, account, "1001", seed)
        self._line = line
        self._trader = Part(stage.warm, "trader", account.pk)
        self._began = datetime.now(UTC)

    def outage(self, target: str, kind: Kind, seconds: float) -> Result:
        """Break ``target`` down for so long, while fills happen and signals are approved."""
        result = Result(f"{target} {kind.name} {seconds:g} s")
        began_ms = int(time.time() * 1000)
        watch = SelfReport(self._account)
        try:
            self._keep_running(self._trader)
            watch.start()
            if self._free_symbols() != sorted(SYMBOLS):
                self._flatten()
            self._calm(watch)
            self._prepare_positions()
            self._calm(watch)
            self._play(result, watch, target, kind, seconds)
            self._flatten()
            self._age_stops()
            result.gap_s = self._oracle.worst_gap_s(began_ms)
        except NeverCame as exc:
            result.failures.append(str(exc))
        finally:
            self._line.mend()
            watch.stop()
        if result.gap_s > MAX_GAP_S:
            result.failures.append(f"a position stood without a stop for {result.gap_s:.1f} s")
        result.failures = [f"{result.name}: {text}" for text in result.failures]
        return result

    def _play(
        self, result: Result, watch: SelfReport, target: str, kind: Kind, seconds: float
    ) -> None:
        start_ms = int(time.time() * 1000)
        self._line.break_down(target, kind)
        self._meanwhile(time.monotonic(), seconds)
        self._line.mend()
        end_ms = int(time.time() * 1000)
        limit_s = _notice_limit_s(target, kind)
        self._wait_for_calm(watch, start_ms + int(limit_s * 1000))
        noticed_ms = watch.noticed_ms(start_ms)
        if noticed_ms is not None:
            result.noticed_s = (noticed_ms - start_ms) / 1000
            result.recovered_s = max(0, watch.now.ms - max(end_ms, noticed_ms)) / 1000
        result.failures += _judged(result, watch, kind, limit_s, seconds)
        self._settle(result, target, kind, end_ms)
        kept_back_s = TOPIC_S if kind.name == "mute" else RECOVERED_S
        if result.noticed_s is None and result.settled_s > max(limit_s, kept_back_s):
            result.failures.append("unnoticed, and the books lacked something for too long")
        self._count_entries(result, watch, kind, start_ms, noticed_ms, end_ms)

    def _prepare_positions(self) -> None:
        """Two open trades and an entry that waits for a lower price."""
        self._opened_in(STOPPED)
        self._opened_in(BY_HAND)
        number = self._signal(symbol=RESTING, resting=True)
        self._until_resting(number)

    def _age_stops(self) -> None:
        """A symbol pauses for hours after a stop, which no outage has the time to wait for."""
        from trading.models import Trade

        rows = Trade.objects.filter(account=self._account, state="closed", symbol=STOPPED)
        rows.filter(exit_reason="stop_loss").update(closed_market=self._began - LONG_AGO)

    def _opened_in(self, symbol: str) -> None:
        from trading.models import Signal, Trade

        self._until_sure()
        number = self._signal(symbol=symbol)
        rows = Trade.objects.filter(signal_id=number, state="open").exclude(protected_at=None)
        dropped = Signal.objects.filter(pk=number, state="dropped")
        if not _until(lambda: rows.exists() or dropped.exists(), READY_S) or dropped.exists():
            raise NeverCame(f"no trade came of it; {self._fate(number)}")

    def _until_resting(self, number: int) -> None:
        from trading.models import Order

        rows = Order.objects.filter(signal_id=number, state="acknowledged")
        if not _until(rows.exists, READY_S):
            raise NeverCame(f"the entry does not rest; {self._fate(number)}")

    def _calm(self, watch: SelfReport) -> None:
        if not _until(lambda: not watch.now.reasons, READY_S):
            raise NeverCame(f"the trader has doubts before it begins: {watch.now.reasons}")
        self._oracle.look()

    def _meanwhile(self, began: float, seconds: float) -> None:
        """A stop is hit, an entry fills, a person closes a position; signals are approved."""
        every_s = max(0.5, seconds / 12)
        signals = 0
        happened = False
        while (passed := time.monotonic() - began) < seconds:
            if not happened and passed >= min(0.1 + seconds / 10, 2):
                happened = True
                self._happen()
            if passed >= 0.05 + signals * every_s:
                self._signal_if_free(FREE[signals % len(FREE)])
                signals += 1
            time.sleep(min(POLL_S / 2, max(0.0, began + seconds - time.monotonic())))

    def _happen(self) -> None:
        venue = self._venue
        venue.jump(STOPPED, Decimal(venue.last(STOPPED)) * Decimal("0.96"))
        venue.jump(RESTING, Decimal(venue.last(RESTING)) * Decimal("0.985"))
        venue.close_by_hand("1001", BY_HAND)

    def _signal_if_free(self, symbol: str) -> None:
        if symbol in self._free_symbols():
            self._signal(symbol=symbol)

    def _wait_for_calm(self, watch: SelfReport, notice_due_ms: int) -> None:
        """Until the trader had time to notice, and has been without doubts for a second."""
        deadline = time.monotonic() + max(0.0, notice_due_ms / 1000 - time.time()) + GIVE_UP_S
        while time.monotonic() < deadline:
            now_ms = time.time() * 1000
            calm = not watch.now.reasons and now_ms - watch.now.ms > CALM_S * 1000
            if calm and now_ms > notice_due_ms:
                return
            time.sleep(POLL_S)

    def _settle(self, result: Result, target: str, kind: Kind, end_ms: int) -> None:
        limit_s = COMPARED_S if _keeps_back(target, kind) else PROOF_S
        differences = self._until_settled(time.monotonic() + limit_s)
        result.settled_s = max(0.0, time.time() - end_ms / 1000)
        result.lost = sum("execution" in text for text in differences)
        result.failures += differences

    def _count_entries(
        self,
        result: Result,
        watch: SelfReport,
        kind: Kind,
        start_ms: int,
        noticed_ms: int | None,
        end_ms: int,
    ) -> None:
        """Entries that the venue took while the trader had doubts, or during an outage that lets
        nothing through once it had noticed."""
        accepted = [
            int(row["ms"])
            for row in self._oracle.rows
            if row["kind"] == "order"
            and row["event"] == "accepted"
            and row["orderLinkId"]
            and not row["reduceOnly"]
            and int(row["ms"]) >= start_ms
        ]
        blind = {ms for ms in accepted if watch.doubtful(ms, READ_LAG_MS)}
        if noticed_ms is not None and not kind.passing:
            blind |= {ms for ms in accepted if noticed_ms <= ms <= end_ms}
        result.entries, result.blind_entries = len(accepted), len(blind)
        result.failures += [
            f"an entry was taken {(ms - start_ms) / 1000:.2f} s after the beginning"
            for ms in sorted(blind)
        ]


def _keeps_back(target: str, kind: Kind) -> bool:
    return kind.name == "mute" and target in (PRIVATE, TOGETHER)


def _notice_limit_s(target: str, kind: Kind) -> float:
    if kind.name == "mute":
        return TOPIC_S if target == PUBLIC else COMPARED_S
    return NOTICED_S


def _judged(
    result: Result, watch: SelfReport, kind: Kind, limit_s: float, seconds: float
) -> list[str]:
    """An outage that is over before it must be noticed may pass, if the books are soon complete."""
    found = []
    if result.noticed_s is None and seconds >= limit_s and not kind.beside:
        found.append("nobody noticed")
    if result.noticed_s is not None and result.noticed_s > limit_s:
        found.append(f"noticed after {result.noticed_s:.1f} s")
    if watch.now.reasons:
        found.append(f"still in doubt: {'; '.join(watch.now.reasons)}")
    elif result.recovered_s > RECOVERED_S:
        last = [one for one in watch.seen if one.reasons][-1].reasons
        found.append(f"recovered after {result.recovered_s:.1f} s: {'; '.join(last)}")
    return found
