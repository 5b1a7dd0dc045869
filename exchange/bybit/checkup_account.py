"""Whether the account is as this system trades it: type, modes, leverage, money, strangers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from exchange.bybit.endpoints import Endpoint
from exchange.bybit.findings import Finding, asked, fine, problem, warn
from exchange.bybit.parse import (
    AccountFacts,
    MarginMode,
    account_facts,
    balance,
    is_hedged,
    order_report,
    plain,
    position_report,
)
from exchange.bybit.rest import BybitRest, ReadRefused
from exchange.domain import PositionReport

# Every order of ours carries an id that begins with this.
OWN_LINK_PREFIX = "at1-"
ISOLATED_BUTTON = "Press “Set isolated margin” while nothing is open, or set it in Bybit's app."
ONE_WAY_BUTTON = "Press “Set one-way mode” while nothing is open, or set it in Bybit's app."


@dataclass
class AccountLook:
    """What was found; ``facts`` and ``wallet`` are None where the venue did not tell."""

    facts: AccountFacts | None = None
    wallet: Decimal | None = None
    findings: list[Finding] = field(default_factory=list)


def account_findings(
    rest: BybitRest, symbols: Sequence[str], max_leverage: Decimal, owned: Collection[str]
) -> AccountLook:
    """Look at the account behind the key of ``rest``."""
    look = AccountLook()
    look.findings += asked("account type", lambda: _kind(rest, look))
    look.findings += asked("position mode", lambda: _per_symbol(rest, symbols, max_leverage))
    look.findings += asked("wallet", lambda: _wallet(rest, look))
    look.findings += asked("positions", lambda: _positions(rest, owned))
    look.findings += asked("orders", lambda: _orders(rest, owned))
    return look


def _kind(rest: BybitRest, look: AccountLook) -> Iterator[Finding]:
    look.facts = facts = account_facts(rest.read(Endpoint.ACCOUNT_INFO).result)
    if facts.unified:
        yield fine("account type", "Unified trading account 2.0.")
    else:
        yield problem(
            "account type",
            "The account is not a unified trading account 2.0.",
            "Upgrade it in Bybit's app; the upgrade is free and can't be undone.",
        )
    if facts.margin_mode is MarginMode.ISOLATED:
        yield fine("margin mode", "Isolated margin.")
    else:
        words = {MarginMode.CROSS: "cross", MarginMode.PORTFOLIO: "portfolio"}
        name = words.get(facts.margin_mode, "an unknown kind of")
        yield problem("margin mode", f"The account uses {name} margin.", ISOLATED_BUTTON)
    if facts.dcp_on:
        yield warn(
            "disconnect protection",
            "Bybit cancels this account's orders when its connection is lost (DCP).",
            "Switch DCP off: entries would vanish with every reconnect.",
        )


def _per_symbol(
    rest: BybitRest, symbols: Sequence[str], max_leverage: Decimal
) -> Iterator[Finding]:
    hedged, above, held = [], [], []
    for symbol in symbols:
        try:
            reply = rest.read(Endpoint.POSITIONS, category="linear", symbol=symbol)
        except ReadRefused:
            # A symbol that Bybit does not have is told among the symbols.
            continue
        rows = reply.result.get("list") or []
        if any(is_hedged(row) for row in rows):
            hedged.append(symbol)
        reports = [position_report(row) for row in rows]
        highest = max((one.leverage for one in reports), default=Decimal(0))
        if highest > max_leverage:
            above.append(f"{symbol} {plain(highest)}x")
            held += [symbol for one in reports if one.qty]
    if hedged:
        text = f"Hedge mode is on: {', '.join(hedged)}."
        yield problem("position mode", text, ONE_WAY_BUTTON)
    else:
        yield fine("position mode", "One-way mode on every symbol.")
    yield _leverage(above, held, max_leverage)


def _leverage(above: list[str], held: list[str], max_leverage: Decimal) -> Finding:
    """New accounts stand at 10x: only a position at that leverage is worth a warning."""
    limit = plain(max_leverage)
    if held:
        return warn(
            "leverage",
            f"Positions are held above the limit of {limit}x: {', '.join(held)}.",
            "Lower the leverage in Bybit's app, or close them; it is not changed while open.",
        )
    if above:
        text = f"Set to at most {limit}x before each entry; Bybit has {', '.join(above)} now."
        return fine("leverage", text)
    return fine("leverage", f"At most {limit}x on every symbol.")


def _wallet(rest: BybitRest, look: AccountLook) -> Iterator[Finding]:
    reply = rest.read(Endpoint.WALLET_BALANCE, accountType="UNIFIED", coin="USDT")
    isolated = look.facts is not None and look.facts.margin_mode is MarginMode.ISOLATED
    money = balance(reply.result, time=reply.time, isolated=isolated)
    look.wallet = money.wallet
    if money.wallet > 0:
        yield fine("wallet", f"{money.wallet:,.2f} USDT, {money.available:,.2f} of it free.")
    else:
        yield warn(
            "wallet",
            "There is no USDT in the unified account.",
            "Transfer USDT into it on Bybit (demo: apply for demo funds). Other coins don't count.",
        )


def _positions(rest: BybitRest, owned: Collection[str]) -> Iterator[Finding]:
    reports = (
        position_report(row)
        for row in rest.pages(Endpoint.POSITIONS, category="linear", settleCoin="USDT")
    )
    foreign = [one for one in reports if one.qty and one.symbol not in owned]
    if not foreign:
        yield fine("positions", "No position that is not ours.")
        return
    yield warn(
        "positions",
        f"Positions that are not ours: {', '.join(_position(one) for one in foreign)}.",
        "They are never touched, count in the exposure, and close their symbols to entries: close "
        "them on Bybit to trade these symbols here.",
    )


def _position(report: PositionReport) -> str:
    side = "long" if report.side == "buy" else "short"
    return f"{report.symbol} {side} {plain(report.qty)}"


def _orders(rest: BybitRest, owned: Collection[str]) -> Iterator[Finding]:
    reports = (
        order_report(row)
        for row in rest.pages(Endpoint.OPEN_ORDERS, category="linear", settleCoin="USDT")
    )
    foreign = [
        one
        for one in reports
        if not one.order_link_id.startswith(OWN_LINK_PREFIX)
        and not (one.reduce_only and one.symbol in owned)
    ]
    if not foreign:
        yield fine("orders", "No order that is not ours.")
        return
    counted = {one.symbol: 0 for one in foreign}
    for one in foreign:
        counted[one.symbol] += 1
    words = ", ".join(f"{count} on {symbol}" for symbol, count in sorted(counted.items()))
    yield warn(
        "orders",
        f"Orders that are not ours: {words}.",
        "They are left alone. Cancel them on Bybit if you don't want them to fill.",
    )
