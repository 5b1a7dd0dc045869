"""What ticks on the console: figures by the key of their place, and versions of its parts.

Keys end in the id of the account, trade or approval they belong to (``equity:1``, ``r:17``).
Pages are rendered with the same values that are pushed later, so both always agree.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Subquery
from django.utils import timezone

from dashboard import format as fmt
from dashboard.selectors.accounts import account_list
from dashboard.selectors.approvals import ApprovalRow, approvals_waiting, left
from dashboard.selectors.commands import CommandNote, commands_shown
from dashboard.selectors.cycles import CYCLES_SHOWN
from dashboard.selectors.engine import Engine, engine_read
from dashboard.selectors.events import events_of
from dashboard.selectors.market import MarketReading, market_read
from dashboard.selectors.money import Money, money_read, money_values
from dashboard.selectors.positions import Valued, places_of, trades_live, value_all
from dashboard.selectors.protection import protection_values
from exchange.candles import floor_time
from exchange.choices import Mode
from exchange.models import ExchangeAccount
from trading.choices import EventLevel
from trading.models import Cycle, Signal, Trade

EQUITY_STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class LiveSnapshot:
    """``values``: text by the key of its place. ``versions``: one text per part of the page that
    changes when the part must be fetched again."""

    values: dict[str, str]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """One account at one instant, read once for the page or for the push."""

    account: ExchangeAccount
    now: datetime
    market: MarketReading
    engine: Engine
    valued: list[Valued]
    money: Money
    approvals: list[ApprovalRow]
    commands: list[CommandNote]


def reading_of(account: ExchangeAccount) -> Reading:
    """Read everything about ``account`` that ticks."""
    now = timezone.now()
    trades = trades_live(account)
    market = market_read(account, (trade.symbol for trade in trades))
    valued = value_all(trades, market.last)
    return Reading(
        account=account,
        now=now,
        market=market,
        engine=engine_read(account, market, now),
        valued=valued,
        money=money_read(account, valued, market),
        approvals=approvals_waiting(account),
        commands=commands_shown(account),
    )


def snapshot() -> LiveSnapshot:
    """Values and versions of all active accounts, for the push and for polling."""
    values: dict[str, str] = {}
    versions: dict[str, str] = {}
    for account in account_list():
        reading = reading_of(account)
        values |= values_of(reading)
        versions |= versions_of(reading)
    return LiveSnapshot(values, versions)


def shell_values(account: ExchangeAccount, market: MarketReading, engine: Engine) -> dict[str, str]:
    """The header's figures."""
    covered = protection_values(engine.protection)
    return {f"{name}:{account.pk}": text for name, text in covered.items()} | {
        f"engine:{account.pk}": engine.state,
        f"heartbeat:{account.pk}": engine.heartbeat,
        f"next:{account.pk}": engine.next_cycle,
        f"market_time:{account.pk}": fmt.clock_time(market.now),
        f"market_day:{account.pk}": fmt.day_and_time(market.now)[:10],
    }


def values_of(reading: Reading) -> dict[str, str]:
    """Every figure of the account that may change between two looks."""
    account = reading.account.pk
    values = shell_values(reading.account, reading.market, reading.engine)
    values |= {f"{name}:{account}": text for name, text in money_values(reading.money).items()}
    for item in reading.valued:
        values |= trade_values(item, reading.market.now)
    for row in reading.approvals:
        values[f"left:{row.id}"] = left(row, reading.now)
    return values


def trade_values(item: Valued, market_now: datetime | None) -> dict[str, str]:
    """What ticks of one live trade."""
    trade = item.trade
    places = places_of(trade)
    opened = trade.opened_market or trade.created_market
    age_s = (market_now - opened).total_seconds() if market_now else None
    return {
        f"last:{trade.pk}": fmt.number(item.last, places),
        f"pnl:{trade.pk}": fmt.number(item.pnl, signed=True),
        f"r:{trade.pk}": fmt.r_multiple(item.r),
        f"age:{trade.pk}": fmt.age(age_s),
        f"along:{trade.pk}": item.along_bar(item.last),
    }


def versions_of(reading: Reading) -> dict[str, str]:
    """Versions of the parts of the page that belong to the account."""
    account = reading.account.pk
    cycles = _newest_cycles(account)
    loud = (EventLevel.WARNING, EventLevel.CRITICAL)
    alert = (
        events_of(reading.account)
        .filter(level__in=loud)
        .order_by("-id")
        .values_list("id", flat=True)
        .first()
    )
    parts = {
        "decision": _newest_signals(account),
        "approvals": [row.id for row in reading.approvals],
        "alerts": alert,
        "cycles": cycles,
        "funnel": [(pk, state) for pk, state, _ in cycles],
        "equity": _equity_step(reading),
    }
    versions = {f"{name}:{account}": _digest(part) for name, part in parts.items()}
    versions |= header_version(reading.account, reading.engine)
    return versions | positions_version(reading.account, reading.valued, reading.commands)


def _newest_signals(account: int) -> list[tuple[int, str]]:
    """States of the cycle that decided last: an answer or an order changes one of them."""
    charted = Signal.objects.filter(account=account, analysis__isnull=False)
    newest = charted.order_by("-decided_at", "rank", "id")
    same_cycle = Signal.objects.filter(cycle=newest[:1].values("cycle"))
    return list(same_cycle.order_by("id").values_list("id", "state"))


def _newest_cycles(account: int) -> list[tuple[int, str, int | None]]:
    """State of each cycle that the overview lists, with the newest trade of the account."""
    trade = Trade.objects.filter(account=account).order_by("-id").values("pk")[:1]
    return list(
        Cycle.objects.filter(bot__account=account)
        .order_by("-id")
        .values_list("id", "state", Subquery(trade))[:CYCLES_SHOWN]
    )


def header_version(account: ExchangeAccount, engine: Engine) -> dict[str, str]:
    """Changes when the header must say something else than its ticking figures."""
    words = (engine.state, engine.tone, engine.heartbeat_tone, engine.detail, engine.trading_state)
    covered = engine.protection
    cover = (covered.tone, covered.agreement, bool(covered.orphans))
    part = (*words, bool(engine.next_cycle), *cover)
    return {f"header:{account.pk}": _digest(part)}


def positions_version(
    account: ExchangeAccount, valued: list[Valued], commands: list[CommandNote]
) -> dict[str, str]:
    """Changes with every live trade of the account and with the commands about them."""
    trades = [(i.trade.pk, i.trade.version, i.trade.state, i.protected) for i in valued]
    part = (trades, [(note.id, note.state) for note in commands])
    return {f"positions:{account.pk}": _digest(part)}


def _equity_step(reading: Reading) -> object:
    """Changes once per quarter of an hour of market time: the curve shows no finer detail."""
    return reading.market.now and floor_time(reading.market.now, EQUITY_STEP)


def _digest(part: object) -> str:
    return hashlib.sha256(repr(part).encode()).hexdigest()[:12]


def mode_words(account: ExchangeAccount, market: MarketReading) -> str:
    """The mode with what tells a simulated market apart: "SIM 120x"."""
    if Mode(account.mode) in (Mode.SIM, Mode.REPLAY):
        speed = f"{market.speed:g}x" if market.speed > 0 else "stepped"
        return f"{account.mode} {speed}"
    return account.mode
