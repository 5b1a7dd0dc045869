"""Whether each account can be trusted now: from rows and their ages, never from the venue itself.

A row that nobody refreshes any more says what was, so nothing is called good after its writer has
gone silent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Max, Q

from dashboard import format as fmt
from dashboard.selectors.accounts import account_list
from dashboard.selectors.connection import LINK_WORDS
from dashboard.selectors.engine import LATE_S
from dashboard.selectors.protection import SILENT_S
from dashboard.selectors.safety_books import (
    drill_line,
    newest_drills,
    newest_wallet_checks,
    wallet_check_line,
)
from dashboard.selectors.safety_check import BAD, GOOD, WARNING, Check
from dashboard.selectors.safety_cover import CoverRow, OrphanRow, cover_rows, orphan_rows
from exchange.choices import BYBIT_MODES, LinkState, Mode
from exchange.models import ExchangeAccount, VenueLink
from trading.choices import OrderState, TradeState, TradingStateName
from trading.kill_file import kill_file_lies
from trading.models import KillRun, Lease, Order, Trade, TradingState, WalletCheck
from trading.selectors import STRICTNESS

# A watchdog's row is written every 30 s at least, so this is two of them missed.
WATCHDOG_SILENT_S: Final = 75
MAX_NAKED_S: Final = 5
MAX_OFFSET_MS: Final = 500
WATCHDOG = "watchdog"


@dataclass(frozen=True, slots=True)
class AccountNow:
    """One account with everything that speaks for or against it, its open positions with what
    covers them, and the orders on the exchange that nobody explains."""

    id: int
    name: str
    mode: str
    checks: tuple[Check, ...]
    positions: tuple[CoverRow, ...] = ()
    orphans: tuple[OrphanRow, ...] = ()

    @property
    def bad(self) -> int:
        return sum(check.outcome == BAD for check in self.checks)

    @property
    def doubtful(self) -> int:
        return sum(check.outcome == WARNING for check in self.checks)

    @property
    def tone(self) -> str:
        return "bad" if self.bad else "warn" if self.doubtful else "good"

    @property
    def verdict(self) -> str:
        """The answer in a few words."""
        if not self.bad and not self.doubtful:
            return "nothing speaks against it"
        words = [(self.bad, "problem"), (self.doubtful, "doubt")]
        return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in words if n)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of one account. ``longest`` is the longest time without a stop ever, in ms,
    and over how many trades."""

    account: ExchangeAccount
    states: Sequence[TradingState]
    links: Sequence[VenueLink]
    open_trades: Sequence[Trade]
    unresolved: Sequence[Order]
    longest: tuple[int, int]
    wallet: Sequence[WalletCheck]
    drill: KillRun | None
    killed: bool
    now: datetime

    @property
    def lease(self) -> Lease | None:
        """Where somebody holds it."""
        lease = getattr(self.account, "lease", None)
        return lease if lease is not None and lease.holder else None

    @property
    def silent_s(self) -> float | None:
        """Seconds since the trader gave a sign of life; None without a trader."""
        return self.age_s(self.lease.heartbeat_at) if self.lease else None

    @property
    def hears(self) -> bool:
        return self.silent_s is not None and self.silent_s <= SILENT_S

    def age_s(self, moment: datetime) -> float:
        return (self.now - moment).total_seconds()


def safety_now(now: datetime) -> list[AccountNow]:
    """Every active account at wall time ``now``."""
    accounts = list(account_list())
    states = list(TradingState.objects.all())
    links: dict[int, list[VenueLink]] = defaultdict(list)
    for link in VenueLink.objects.exclude(account=None):
        links[link.account_id or 0].append(link)
    trades: dict[int, list[Trade]] = defaultdict(list)
    for trade in Trade.objects.filter(state=TradeState.OPEN).order_by("id"):
        trades[trade.account_id].append(trade)
    orders: dict[int, list[Order]] = defaultdict(list)
    for order in _unresolved():
        orders[order.account_id].append(order)
    longest = _longest()
    wallet, drills = newest_wallet_checks(), newest_drills()
    killed = kill_file_lies()
    return [
        _account(
            _Known(
                account=account,
                states=[row for row in states if row.account_id in (None, account.pk)],
                links=links[account.pk],
                open_trades=trades[account.pk],
                unresolved=orders[account.pk],
                longest=longest.get(account.pk, (0, 0)),
                wallet=wallet.get(account.pk, ()),
                drill=drills.get(account.pk),
                killed=killed,
                now=now,
            )
        )
        for account in accounts
    ]


def _unresolved() -> Sequence[Order]:
    """Orders whose fate on the venue is not known: unanswered, or taken and not found any more."""
    taken = (OrderState.ACKNOWLEDGED, OrderState.PARTIALLY_FILLED)
    lost = Q(state=OrderState.UNKNOWN) | Q(state__in=taken, not_found_count__gt=0)
    return list(Order.objects.filter(lost).order_by("id"))


def _longest() -> dict[int, tuple[int, int]]:
    rows = (
        Trade.objects.exclude(opened_market=None)
        .values("account_id")
        .annotate(worst=Max("longest_naked_ms"), n=Count("id"))
        .order_by()
    )
    return {row["account_id"]: (row["worst"], row["n"]) for row in rows}


def _account(known: _Known) -> AccountNow:
    checks = (
        _holder(known),
        _heartbeat(known),
        _reconciled(known),
        _doubts(known),
        _trading_state(known),
        _kill_file(known),
        _unknown_orders(known),
        _stops(known),
        _external(known),
        _orphans(known),
        wallet_check_line(known.wallet, known.now),
        drill_line(known.drill, known.now),
        *_links(known),
    )
    orphans = known.lease.orphan_orders if known.lease else []
    return AccountNow(
        known.account.pk,
        known.account.name,
        known.account.mode,
        checks,
        cover_rows(known.open_trades, known.now, heard=known.hears),
        orphan_rows(orphans),
    )


def _holder(known: _Known) -> Check:
    lease = known.lease
    if lease is None:
        return Check("Trader", BAD, "Nobody holds the lease: nothing is traded or managed.")
    text = (
        f"Process {lease.pid} on {lease.host or 'this machine'} has held the lease for "
        f"{fmt.age(known.age_s(lease.acquired_at))}, since {fmt.day_and_time(lease.acquired_at)}"
        f" UTC (token {lease.token})."
    )
    left_s = -known.age_s(lease.expires_at)
    if left_s <= 0:
        ended = f"It ran out {fmt.age(-left_s)} ago and nobody has taken it over."
        return Check("Trader", BAD, text, (ended,))
    return Check("Trader", GOOD, text)


def _heartbeat(known: _Known) -> Check:
    if known.silent_s is None:
        return Check("Heartbeat", BAD, "There is no trader to give a sign of life.")
    age = fmt.age(known.silent_s)
    if not known.hears:
        return Check(
            "Heartbeat", BAD, f"Not heard of for {age}. What it said before is no news any more."
        )
    outcome = WARNING if known.silent_s > LATE_S else GOOD
    return Check("Heartbeat", outcome, f"Heard {age} ago.")


def _said(known: _Known, check: Check) -> Check:
    """``check`` rests on what the trader says: nothing of it is good once the trader is silent."""
    if known.hears:
        return check
    if known.lease is None or known.silent_s is None:
        return Check(check.name, BAD, "Not known: no trader is running.")
    age = fmt.age(known.silent_s)
    outcome = BAD if check.outcome == BAD else WARNING
    return Check(check.name, outcome, f"Not known; {age} ago: {check.text}", check.details)


def _reconciled(known: _Known) -> Check:
    lease = known.lease
    agreed = lease.agreed_until if lease else None
    until = (f"Agreed up to {fmt.day_and_time(agreed)} UTC of market time.",) if agreed else ()
    if lease is not None and lease.reconciled:
        text = "Our tables and the exchange agree."
        return _said(known, Check("Reconciled", GOOD, text, until))
    text = "Our tables have not been found to agree with the exchange: no entries."
    return _said(known, Check("Reconciled", BAD, text, until))


def _doubts(known: _Known) -> Check:
    doubts = tuple(str(doubt) for doubt in known.lease.doubts) if known.lease else ()
    if not doubts:
        return _said(known, Check("Doubts", GOOD, "The trader sees no reason to hold entries."))
    return _said(known, Check("Doubts", WARNING, "Entries are held:", doubts))


def _trading_state(known: _Known) -> Check:
    worst = max(
        known.states,
        key=lambda row: STRICTNESS.index(TradingStateName(row.state)),
        default=None,
    )
    if worst is None or worst.state == TradingStateName.ACTIVE:
        return Check("Trading state", GOOD, "Active: entries are allowed.")
    everywhere = " for the whole installation" if worst.account_id is None else ""
    text = f"{TradingStateName(worst.state).label}{everywhere}."
    outcome = BAD if worst.state == TradingStateName.HALTED else WARNING
    since = f"Since {fmt.day_and_time(worst.changed_at)} UTC."
    reason = (fmt.one_stop(f"Reason: {worst.reason}."),) if worst.reason else ()
    return Check("Trading state", outcome, text, (*reason, since))


def _kill_file(known: _Known) -> Check:
    if known.killed:
        return Check("KILL file", BAD, "The KILL file lies in the data folder: no entries at all.")
    return Check("KILL file", GOOD, "There is none.")


def _unknown_orders(known: _Known) -> Check:
    name = "Unknown orders"
    if not known.unresolved:
        return Check(name, GOOD, "None: the fate of every order is known.")
    details = tuple(
        f"{order.symbol} {order.get_role_display().lower()}: looked up for "
        f"{fmt.age(known.age_s(order.unknown_since or order.created_at))}"
        for order in known.unresolved
    )
    n = len(details)
    text = f"{n} order{'' if n == 1 else 's'} without a certain fate; never sent again."
    return Check(name, WARNING, text, details)


def _stops(known: _Known) -> Check:
    worst_ms, n = known.longest
    ever = (
        (f"Longest ever without one: {fmt.duration_ms(worst_ms)}, over {n:,} trades.",) if n else ()
    )
    naked = tuple(_naked(known, trade) for trade in known.open_trades if _is_naked(trade))
    if naked:
        overdue = any(_naked_s(known, trade) > MAX_NAKED_S for trade in known.open_trades)
        text = f"{len(naked)} of {len(known.open_trades)} open trades without a confirmed stop:"
        return Check("Stops", BAD if overdue else WARNING, text, (*naked, *ever))
    if not known.open_trades:
        return Check("Stops", GOOD, "No open trade.", ever)
    n_open = len(known.open_trades)
    words = "The open trade has its" if n_open == 1 else f"All {n_open} open trades have their"
    text = f"{words} stop confirmed on the exchange."
    return _said(known, Check("Stops", GOOD, text, ever))


def _is_naked(trade: Trade) -> bool:
    return trade.naked_since is not None or trade.protected_at is None


def _naked_s(known: _Known, trade: Trade) -> float:
    return known.age_s(trade.naked_since) if trade.naked_since else 0.0


def _naked(known: _Known, trade: Trade) -> str:
    if trade.naked_since is None:
        return f"{trade.symbol}: not confirmed yet"
    return f"{trade.symbol}: no stop for {fmt.age(_naked_s(known, trade))}"


def _external(known: _Known) -> Check:
    symbols = known.lease.external_symbols if known.lease else []
    if not symbols:
        return _said(known, Check("Others' positions", GOOD, "None on this account."))
    text = f"Not ours and not touched: {', '.join(str(symbol) for symbol in symbols)}."
    return _said(known, Check("Others' positions", WARNING, text))


def _orphans(known: _Known) -> Check:
    name = "Orphan orders"
    n = len(known.lease.orphan_orders) if known.lease else 0
    if not n:
        return _said(known, Check(name, GOOD, "Every order on the exchange is explained."))
    text = f"{n} on the exchange that nothing here explains; left alone, listed below."
    return _said(known, Check(name, WARNING, text))


def _links(known: _Known) -> Iterator[Check]:
    yield from (_link(known, row) for row in known.links)
    mode = Mode(known.account.mode)
    kinds = {_kind(row) for row in known.links}
    if mode in BYBIT_MODES and "account" not in kinds:
        yield Check("Orders and positions", BAD, "No trader has opened a connection yet.")
    if mode in BYBIT_MODES and WATCHDOG not in kinds:
        yield Check("Watchdog", BAD, "Never heard of: nobody guards the stops beside the trader.")


def _kind(row: VenueLink) -> str:
    return row.name.split("-", 1)[0]


def _link(known: _Known, row: VenueLink) -> Check:
    name = LINK_WORDS.get(_kind(row), row.name)
    age_s = known.age_s(row.updated_at)
    state = LinkState(row.state).label
    details = _link_details(row)
    if _kind(row) == WATCHDOG:
        if age_s > WATCHDOG_SILENT_S:
            return Check(name, BAD, f"Not heard of for {fmt.age(age_s)}; last: {state}.", details)
        return Check(name, _outcome(row), f"{state}; heard {fmt.age(age_s)} ago.", details)
    # The trader writes these on change only, so its own heartbeat vouches for an old one.
    if not known.hears:
        text = f"Not known: its trader is silent. {fmt.age(age_s)} ago: {state}."
        return Check(name, BAD if _outcome(row) == BAD else WARNING, text, details)
    return Check(name, _outcome(row), f"{state}, unchanged for {fmt.age(age_s)}.", details)


def _outcome(row: VenueLink) -> str:
    if row.state in (LinkState.OPEN, LinkState.HALTED):
        return BAD
    off = row.clock_offset_ms is not None and abs(row.clock_offset_ms) > MAX_OFFSET_MS
    return WARNING if row.state == LinkState.DEGRADED or off else GOOD


def _link_details(row: VenueLink) -> tuple[str, ...]:
    details = [row.reason] if row.reason else []
    if row.state == LinkState.OPEN and row.open_until is not None:
        details.append(f"Tried again at {fmt.clock_time(row.open_until)} UTC.")
    details += [f"{name} stream: {words}" for name, words in sorted(row.streams.items())]
    if row.clock_offset_ms is not None:
        offset = fmt.number(row.clock_offset_ms, 0, signed=True)
        details.append(f"clock: {offset} ms, the exchange's minus ours")
    return tuple(details)
