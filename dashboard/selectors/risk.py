"""The risk page: guards, groups, the peak, limits with their history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog

from dashboard import format as fmt
from dashboard.selectors.market import MarketReading
from exchange.errors import MarketDataError
from exchange.models import ExchangeAccount
from trading.choices import RiskProfile
from trading.domain.groups import groups_of
from trading.domain.invalid import SettingsInvalid
from trading.guards import GuardRow, GuardsNow, guards_now
from trading.limits import LABELS, value_words
from trading.models import PeakBase, RiskLimits, SymbolGroup
from trading.peak import standing_now

log = structlog.get_logger(__name__)
VERSIONS_SHOWN = 20
NEARLY = Decimal("0.7")


@dataclass(frozen=True, slots=True)
class GuardLine:
    """A guard as a row of the page. ``bar`` is 0..100, empty without one; ``mark`` names the icon
    and ``outcome`` the word for it."""

    name: str
    value: str
    limit: str
    lifts: str
    tripped: bool
    bar: str
    tone: str


@dataclass(frozen=True, slots=True)
class PeakWords:
    """The account against its peak."""

    value: str
    peak: str
    drawdown: str
    since: str
    reason: str


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One group with the symbols of the account's market that are in it."""

    name: str
    symbols: str
    held: str


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version of the limits and what it changed."""

    version: int
    when: datetime
    who: str
    note: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RiskPage:
    """What the page shows; parts that can't be known are empty, and ``problem`` says why."""

    guards: tuple[GuardLine, ...]
    tripped: int
    problem: str
    gap: str
    gap_share: str
    gross: str
    gross_share: str
    equity: Decimal | None
    groups: tuple[GroupLine, ...]
    peak: PeakWords | None
    versions: tuple[VersionLine, ...]


def risk_read(account: ExchangeAccount, market: MarketReading) -> RiskPage:
    """Read everything the page shows of ``account``."""
    now, problem = _guards(account, market)
    rows = now.rows if now else ()
    equity = now.portfolio.equity if now else None
    gross = now.portfolio.gross_notional if now else None
    return RiskPage(
        guards=tuple(_line(row) for row in rows),
        tripped=sum(row.tripped for row in rows),
        problem=problem,
        gap=fmt.number(-now.gap_loss if now else None),
        gap_share=fmt.percent(-now.gap_share if now and now.gap_share is not None else None),
        gross=fmt.number(gross),
        gross_share=fmt.multiple(gross / equity if gross is not None and equity else None),
        equity=equity,
        groups=_groups(account, now),
        peak=_peak(account, market),
        versions=_versions(account),
    )


def _guards(account: ExchangeAccount, market: MarketReading) -> tuple[GuardsNow | None, str]:
    if market.market is None:
        return None, "The market can't be read, so no guard can be measured. No entry leaves then."
    try:
        return guards_now(account, market.market), ""
    except MarketDataError as error:
        return None, f"No prices, so no guard can be measured: {error}"
    except SettingsInvalid as error:
        return None, f"The stored protections can't be read, so no entry leaves: {error}."


def _line(row: GuardRow) -> GuardLine:
    share = row.share
    tone = "bad" if row.tripped else "warn" if share is not None and share >= NEARLY else "good"
    bar = "" if share is None else fmt.number(min(share, Decimal(1)) * 100, 1)
    return GuardLine(row.name, row.value, row.limit, row.lifts, row.tripped, bar, tone)


def _groups(account: ExchangeAccount, now: GuardsNow | None) -> tuple[GroupLine, ...]:
    overrides = {row.name: row.symbols for row in SymbolGroup.objects.all()}
    found: dict[str, list[str]] = {}
    for symbol, name in groups_of(account.market_session.symbols, overrides).items():
        found.setdefault(name, []).append(symbol)
    held = {item.symbol for item in now.portfolio.committed} if now else set()
    return tuple(
        GroupLine(name, ", ".join(symbols), ", ".join(s for s in symbols if s in held) or "–")
        for name, symbols in sorted(found.items())
    )


def _peak(account: ExchangeAccount, market: MarketReading) -> PeakWords | None:
    if market.market is None:
        return None
    try:
        now = standing_now(account, market.market)
    except MarketDataError:
        log.debug("standing_unreadable", account=account.pk, exc_info=True)
        return None
    base = PeakBase.objects.filter(account=account).order_by("-id").first()
    return PeakWords(
        value=fmt.number(now.value, 4),
        peak=fmt.number(now.peak, 4),
        drawdown=fmt.percent(now.drawdown, 2),
        since=fmt.day_and_time(base.time) + " UTC" if base else "the beginning",
        reason=base.reason if base else "",
    )


def _versions(account: ExchangeAccount) -> tuple[VersionLine, ...]:
    rows = list(
        RiskLimits.objects.filter(account=account)
        .select_related("actor")
        .order_by("-version")[: VERSIONS_SHOWN + 1]
    )
    before: Sequence[RiskLimits | None] = [*rows[1:], None]
    pairs = zip(rows, before, strict=True)
    return tuple(_version(row, old) for row, old in pairs)[:VERSIONS_SHOWN]


def _version(row: RiskLimits, old: RiskLimits | None) -> VersionLine:
    who = str(row.actor) if row.actor else "system"
    return VersionLine(row.version, row.created_at, who, row.note, _differences(row, old))


def _differences(row: RiskLimits, old: RiskLimits | None) -> tuple[str, ...]:
    if old is None:
        return (f"{RiskProfile(row.profile).label} profile",)
    values = [
        (name, label, getattr(old, name), getattr(row, name)) for name, label in LABELS.items()
    ]
    found = [
        f"{label}: {value_words(name, before)} to {value_words(name, after)}"
        for name, label, before, after in values
        if before != after
    ]
    if row.profile != old.profile:
        found.append(f"profile: {old.profile} to {row.profile}")
    for name, what in (("protections", "protections"), ("filters", "market filters")):
        if getattr(row, name) != getattr(old, name):
            found.append(f"{what} changed")
    return tuple(found) or ("nothing that is listed here",)


def protections_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Stored protections as an editor shows them, one to a line."""
    if not rows:
        return "[]"
    return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]"
