"""What is known about an account's connection: from rows, never from the venue itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard import format as fmt
from exchange.bybit.findings import Finding, Level
from exchange.bybit.hosts import HostRefused, hosts_for
from exchange.choices import BYBIT_MODES, LinkState, Mode, Region
from exchange.models import ExchangeAccount, VenueLink
from trading.accounts import LIVE_PRICE_MODES
from trading.connection import MAY_WAIT, PAPER_MAY_WAIT, ModeFix

OUTCOMES = {Level.OK: "passed", Level.WARNING: "warning", Level.PROBLEM: "failed"}
FIXES = {
    "margin mode": (ModeFix.ISOLATED, "Set isolated margin"),
    "position mode": (ModeFix.ONE_WAY, "Set one-way mode"),
}
LINK_TONES = {
    LinkState.OK: "good",
    LinkState.DEGRADED: "warn",
    LinkState.OPEN: "bad",
    LinkState.HALTED: "bad",
}
LINK_WORDS = {"account": "Orders and positions", "watchdog": "Watchdog", "market": "Prices"}
MARGIN_WORDS = {
    "ISOLATED_MARGIN": "isolated",
    "REGULAR_MARGIN": "cross",
    "PORTFOLIO_MARGIN": "portfolio",
}
NEAR_DAYS = 14


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding with the button that mends it, where there is one."""

    check: str
    outcome: str
    text: str
    what_to_do: str
    fix: str = ""
    fix_words: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One connection; ``streams`` are pairs of a stream's name and its state in words."""

    name: str
    host: str
    state: str
    tone: str
    reason: str
    offset: str
    heard: str
    streams: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Connection:
    """``on_bybit`` is False for simulated and stored markets, which have no connection."""

    on_bybit: bool
    has_key: bool
    facts: tuple[Fact, ...]
    links: tuple[LinkRow, ...]
    findings: tuple[FindingRow, ...]
    examined: datetime | None

    @property
    def summed(self) -> str:
        return finding_sum(self.findings)


def finding_rows(looked: dict[str, Any]) -> tuple[FindingRow, ...]:
    """The findings of a stored examination."""
    return tuple(_row(Finding.of(one)) for one in looked.get("findings", ()))


def has_problem(looked: dict[str, Any], *, paper: bool) -> bool:
    """Whether an account can't be made from this: paper accounts may wait for Bybit to answer."""
    problems = (Finding.of(one) for one in looked["findings"] if one["level"] == Level.PROBLEM)
    may_wait = PAPER_MAY_WAIT if paper else MAY_WAIT
    return any(one.check not in may_wait for one in problems)


def finding_sum(findings: Sequence[FindingRow]) -> str:
    """How many lines are not good, in words."""
    counts = {"failed": 0, "warning": 0}
    for row in findings:
        if row.outcome in counts:
            counts[row.outcome] += 1
    words = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for word, count in (("problem", counts["failed"]), ("warning", counts["warning"]))
        if count
    ]
    return ", ".join(words) or "all good"


def _row(finding: Finding) -> FindingRow:
    fix, words = "", ""
    if finding.level is Level.PROBLEM and finding.check in FIXES:
        fix, words = FIXES[finding.check]
    return FindingRow(
        check=finding.check,
        outcome=OUTCOMES[finding.level],
        text=finding.text,
        what_to_do=finding.what_to_do,
        fix=fix,
        fix_words=words,
    )


def connection_read(account: ExchangeAccount, now: datetime) -> Connection:
    """Everything the connection page shows at wall time ``now``."""
    mode = Mode(account.mode)
    if mode not in LIVE_PRICE_MODES:
        return Connection(False, False, (), (), (), None)
    told = account.key_facts
    return Connection(
        on_bybit=True,
        has_key=mode in BYBIT_MODES,
        facts=(*_place(account, mode), *_key(account, mode, told, now), *_account(told)),
        links=tuple(_link(row, now) for row in VenueLink.objects.filter(account=account)),
        findings=finding_rows(told),
        examined=_moment(told.get("examined_at")),
    )


def _place(account: ExchangeAccount, mode: Mode) -> tuple[Fact, ...]:
    region = Region(account.region)
    try:
        host = hosts_for(mode, region).rest.split("//", 1)[-1]
    except HostRefused as error:
        host = str(error)
    return (
        Fact("Environment", mode.label),
        Fact("Site", region),
        Fact("Host", host),
    )


def _key(
    account: ExchangeAccount, mode: Mode, told: dict[str, Any], now: datetime
) -> tuple[Fact, ...]:
    if mode not in BYBIT_MODES:
        return (Fact("Key", "none needed"),)
    key = told.get("key", {})
    return (
        Fact(
            "Key", f"ends in {account.api_key[-4:]}" if account.api_key else "none", _mono(account)
        ),
        Fact("It may", _scope(key), "text-bad" if key.get("may_withdraw") else ""),
        Fact("Bound to", *_binding(key)),
        Fact("Expires", *_expiry(key, now)),
        Fact("Connected", fmt.day_and_time(account.connected_at)),
    )


def _mono(account: ExchangeAccount) -> str:
    return "" if account.api_key else "text-bad"


def _scope(key: dict[str, Any]) -> str:
    if not key:
        return fmt.UNKNOWN
    words = ["read"]
    for name, word in (
        ("may_trade", "trade"),
        ("may_transfer", "transfer"),
        ("may_withdraw", "withdraw"),
    ):
        if key.get(name):
            words.append(word)
    return ", ".join(words)


def _binding(key: dict[str, Any]) -> tuple[str, str]:
    if not key:
        return fmt.UNKNOWN, ""
    addresses = ", ".join(key["addresses"])
    return (addresses, "") if addresses else ("any address", "text-warn")


def _expiry(key: dict[str, Any], now: datetime) -> tuple[str, str]:
    if not key:
        return fmt.UNKNOWN, ""
    expires = _moment(key.get("expires_at"))
    if expires is None:
        return "never", ""
    left_s = (expires - now).total_seconds()
    if left_s <= 0:
        return f"expired {expires:%Y-%m-%d}", "text-bad"
    tone = "text-warn" if left_s < NEAR_DAYS * 86400 else ""
    return f"in {fmt.age(left_s)}", tone


def _account(told: dict[str, Any]) -> tuple[Fact, ...]:
    facts = []
    if account := told.get("account"):
        margin = MARGIN_WORDS.get(account["margin_mode"], "unknown")
        facts.append(Fact("Margin", margin, "" if margin == "isolated" else "text-bad"))
    offset = told.get("clock_offset_ms")
    if offset is not None:
        facts.append(
            Fact("Clock", f"off by {abs(offset)} ms", "" if abs(offset) <= 500 else "text-bad")
        )
    return tuple(facts)


def _link(row: VenueLink, now: datetime) -> LinkRow:
    state = LinkState(row.state)
    words = state.label
    if state is LinkState.OPEN and row.open_until is not None:
        words = f"{words} until {fmt.clock_time(row.open_until)}"
    return LinkRow(
        name=LINK_WORDS.get(row.name.split("-", 1)[0], row.name),
        host=row.host.split("//", 1)[-1],
        state=words,
        tone=LINK_TONES[state],
        reason=row.reason,
        offset=_milliseconds(row.clock_offset_ms),
        heard=f"{fmt.age((now - row.updated_at).total_seconds())} ago",
        streams=tuple(sorted((str(name), str(words)) for name, words in row.streams.items())),
    )


def _milliseconds(offset: int | None) -> str:
    return fmt.UNKNOWN if offset is None else f"{fmt.number(offset, 0, signed=True)} ms"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
