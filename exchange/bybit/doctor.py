"""The examination of one account on Bybit: can it be reached, trusted and traded?

Nothing is changed and no order is sent. Every line says what to do; no line tells a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from exchange.bybit.checkup_account import account_findings
from exchange.bybit.checkup_key import OpenOther, key_findings
from exchange.bybit.checkup_symbols import Bounds, symbol_findings
from exchange.bybit.endpoints import Endpoint
from exchange.bybit.findings import Finding, Level, asked, fine, problem
from exchange.bybit.hosts import choice_of_hosts, hosts_for
from exchange.bybit.parse import AccountFacts, KeyFacts
from exchange.bybit.rest import BybitRest
from exchange.choices import BYBIT_MODES, Mode, Region
from exchange.errors import ExchangeError, ExchangeHalted

MAX_OFFSET_MS = 500
REACH_DEADLINE_S = 4.0


@dataclass(frozen=True, slots=True)
class Examination:
    """Findings in the order they were made. ``key`` and ``account`` are None where the venue did
    not tell; ``wallet`` is the USDT wallet; ``time`` the venue's clock at the end."""

    findings: tuple[Finding, ...]
    time: datetime
    clock_offset_ms: int | None = None
    key: KeyFacts | None = None
    account: AccountFacts | None = None
    wallet: Decimal | None = None

    @property
    def problems(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level is Level.PROBLEM]

    def as_json(self) -> dict[str, Any]:
        """For ``ExchangeAccount.key_facts``."""
        told: dict[str, Any] = {
            "examined_at": self.time.isoformat(),
            "clock_offset_ms": self.clock_offset_ms,
            "wallet": None if self.wallet is None else format(self.wallet, "f"),
            "findings": [finding.as_json() for finding in self.findings],
        }
        if self.key is not None:
            told["key"] = {
                "user_id": self.key.user_id,
                "read_only": self.key.read_only,
                "may_trade": self.key.may_trade,
                "may_withdraw": self.key.may_withdraw,
                "may_transfer": self.key.may_transfer,
                "addresses": list(self.key.addresses),
                "expires_at": self.key.expires_at and self.key.expires_at.isoformat(),
            }
        if self.account is not None:
            told["account"] = {
                "margin_mode": str(self.account.margin_mode),
                "unified": self.account.unified,
            }
        return told


def examine(
    rest: BybitRest,
    mode: Mode,
    symbols: Sequence[str],
    *,
    bounds: Bounds,
    region: Region = Region.GLOBAL,
    equity: Decimal | None = None,
    owned: Collection[str] = (),
    open_other: OpenOther | None = None,
) -> Examination:
    """Look at everything that must hold before ``mode`` may trade ``symbols`` over ``rest``.

    ``equity`` is the paper account's; a connected one is asked for its wallet. ``owned`` are
    symbols with a trade of ours, whose position is no surprise. ``open_other`` opens the same key
    on another environment's host, to tell where a refused key belongs.
    """
    findings = _reach(rest, mode, region)
    if findings[-1].level is Level.PROBLEM:
        return Examination(tuple(findings), rest.server_time.now())
    findings += _clock(rest)
    key, account, wallet = None, None, equity
    if mode in BYBIT_MODES:
        key, said = key_findings(rest, mode, open_other)
        findings += said
        if key is not None:
            look = account_findings(rest, symbols, bounds.max_leverage, owned)
            account, wallet = look.facts, look.wallet
            findings += look.findings
    findings += asked("symbols", lambda: symbol_findings(rest, symbols, bounds, wallet))
    return Examination(
        findings=tuple(findings),
        time=rest.server_time.now(),
        clock_offset_ms=rest.server_time.offset_ms,
        key=key,
        account=account,
        wallet=wallet,
    )


def _reach(rest: BybitRest, mode: Mode, region: Region) -> list[Finding]:
    host = hosts_for(mode, region).rest
    try:
        reply = rest.read(Endpoint.SERVER_TIME, deadline_s=REACH_DEADLINE_S)
    except ExchangeHalted as error:
        return [
            problem(
                "reachable",
                f"{host} refuses this address or country: {error}",
                f"Choose the site your account was opened on ({choice_of_hosts()}), or run this "
                "where Bybit serves. Bybit does not serve the United States and mainland China.",
            )
        ]
    except ExchangeError as error:
        return [
            problem(
                "reachable",
                f"{host} does not answer: {error}",
                "Check the network and DNS of this machine; where a country blocks the site, "
                f"choose another one ({choice_of_hosts()}).",
            )
        ]
    return [fine("reachable", f"{host} answers in {reply.elapsed_s * 1000:.0f} ms.")]


def _clock(rest: BybitRest) -> list[Finding]:
    with suppress(ExchangeError):
        rest.measure_clock()
    offset = rest.server_time.offset_ms
    if offset is None:
        return [problem("clock", "The clock could not be compared.", "Examine again in a minute.")]
    if abs(offset) <= MAX_OFFSET_MS:
        return [fine("clock", f"The clock is right to {abs(offset)} ms.")]
    which = "behind" if offset > 0 else "ahead of"
    return [
        problem(
            "clock",
            f"This machine's clock is {abs(offset) / 1000:.1f} s {which} Bybit's.",
            "Switch time synchronisation on (`timedatectl set-ntp true`). Requests are signed with "
            "Bybit's time meanwhile, but entries stay off above 0.5 s.",
        )
    ]
