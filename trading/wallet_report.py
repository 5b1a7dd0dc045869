"""The wallet check as text, for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from django.core.management.base import CommandError

from exchange.errors import ExchangeError, MarketDataError
from exchange.models import ExchangeAccount
from trading import wiring
from trading.accounting import days_between
from trading.choices import WalletCheckState
from trading.errors import TradingError
from trading.models import WalletCheck
from trading.wallet_check import books_begin, wallet_checks_run


class Output(Protocol):
    """Where lines go."""

    def write(self, line: str) -> object: ...


def compare_wallets(out: Output, accounts: Sequence[ExchangeAccount], days: int) -> None:
    """Compare the newest complete ``days`` of each account, print them with what differs, and raise
    ``CommandError`` where anything does or could not be read."""
    if days < 1:
        raise CommandError("--days must be 1 or more")
    bad = 0
    for account in accounts:
        wall = wiring.WALL.now()
        try:
            checks = _check(account, days, wall)
        except (ExchangeError, MarketDataError, TradingError) as exc:
            out.write(f"{account}: not compared, {exc}")
            bad += 1
            continue
        for check in checks:
            out.write(f"{account} {check.day}: {_words(check, wall)}")
            for found in check.findings if check.state == WalletCheckState.DIFFERS else ():
                symbol = f" ({found['symbol']})" if found["symbol"] else ""
                out.write(
                    f"  {found['what']} {found['id']}{symbol}: ours {found['ours']}, "
                    f"the exchange {found['venue']}, difference {found['difference']}"
                )
        if not checks:
            out.write(f"{account}: no whole day to compare yet")
        bad += any(_is_bad(check, wall) for check in checks)
    if bad:
        raise CommandError(f"{bad} of {len(accounts)} accounts differ or could not be compared")


def _check(account: ExchangeAccount, days: int, wall: datetime) -> list[WalletCheck]:
    now = wiring.market_for(account).now()
    newest = now.date() - timedelta(days=1)
    first = max(books_begin(account, now.date()), newest - timedelta(days=days - 1))
    return wallet_checks_run(
        account,
        wiring.ledger_reader(account),
        market_now=now,
        wall_now=wall,
        days=days_between(first, newest),
    )


def _unread(check: WalletCheck, wall: datetime) -> bool:
    """An older result stands where the exchange did not answer now."""
    return check.state == WalletCheckState.UNREAD or check.checked_at != wall


def _is_bad(check: WalletCheck, wall: datetime) -> bool:
    return check.state == WalletCheckState.DIFFERS or _unread(check, wall)


def _words(check: WalletCheck, wall: datetime) -> str:
    if _unread(check, wall):
        return "the exchange's log could not be read"
    label = WalletCheckState(check.state).label.lower()
    return f"{label}, booked {check.booked:f}, reported {check.reported:f} USDT"
