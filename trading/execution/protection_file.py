"""What must be protected, in a file: for the watchdog, which needs neither lease nor database.

The trader rewrites ``protection-<account>.json`` in the data folder whenever it changes. A file
that can't be read for certain is an error in words, never an empty list.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from exchange.domain import ZERO, Side
from exchange.models import ExchangeAccount
from exchange.ports import Clock
from trading.models import Trade

logger = structlog.get_logger(__name__)

VERSION = 1


class ProtectionUnreadable(Exception):
    """The file does not say for certain what must be protected; the message says why."""


class ProtectionMissing(ProtectionUnreadable):
    """There is no file: no trader of this account has written one here."""


@dataclass(frozen=True, slots=True)
class ProtectedTrade:
    """An open trade. ``qty`` is the most of the position that can be ours: what is open and what
    its entry may still fill. ``side`` is that of the position."""

    trade: int
    symbol: str
    side: Side
    qty: Decimal
    stop_loss: Decimal
    take_profit: Decimal


@dataclass(frozen=True, slots=True)
class Protection:
    """A file as it was read. ``pid`` is the trader that wrote it, ``written_at`` wall time;
    ``mode`` and ``region`` say on which venue the account is."""

    account_id: int
    mode: str
    region: str
    pid: int
    written_at: datetime
    trades: tuple[ProtectedTrade, ...]


def protection_path(account_id: int) -> Path:
    """Where the file of an account lies."""
    return Path(settings.DATA_DIR) / f"protection-{account_id}.json"


def protection_of(trades: Iterable[Trade]) -> tuple[ProtectedTrade, ...]:
    """Open trades as the watchdog needs to know them."""
    return tuple(
        ProtectedTrade(
            trade=trade.pk,
            symbol=trade.symbol,
            side=Side(trade.side),
            qty=max(trade.planned_qty, trade.entry_qty) - trade.exit_qty - trade.released_qty,
            stop_loss=trade.stop_loss,
            take_profit=trade.take_profit,
        )
        for trade in sorted(trades, key=lambda trade: trade.pk)
    )


class ProtectionFile:
    """One account's file. Written by one trader, read by one watchdog."""

    def __init__(self, path: Path, account_id: int) -> None:
        self.path = path
        self.account_id = account_id
        self._written: tuple[ProtectedTrade, ...] | None = None

    def write(
        self, trades: Sequence[ProtectedTrade], *, mode: str, region: str, now: datetime
    ) -> bool:
        """Replace the file if ``trades`` differ from what this object wrote last.

        The new file is whole on the disk before it takes the old one's place. True when it was
        written; raises ``OSError``.
        """
        wanted = tuple(trades)
        if wanted == self._written:
            return False
        text = json.dumps(
            {
                "version": VERSION,
                "account": self.account_id,
                "mode": mode,
                "region": region,
                "pid": os.getpid(),
                "written_at": now.isoformat(),
                "trades": [_as_json(trade) for trade in wanted],
            },
            indent=1,
        )
        _replace(self.path, text)
        self._written = wanted
        return True

    def read(self) -> Protection:
        """Raises ``ProtectionMissing`` and ``ProtectionUnreadable``."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError as exc:
            raise ProtectionMissing(f"there is no {self.path.name}") from exc
        except (OSError, UnicodeDecodeError) as exc:
            raise ProtectionUnreadable(
                f"{self.path.name} can't be read: {type(exc).__name__}"
            ) from exc
        found = self._parsed(text)
        if found.account_id != self.account_id:
            raise ProtectionUnreadable(
                f"{self.path.name} is about account {found.account_id}, not {self.account_id}"
            )
        return found

    def _parsed(self, text: str) -> Protection:
        try:
            content = json.loads(text)
            if content["version"] != VERSION:
                raise ProtectionUnreadable(
                    f"{self.path.name} has version {content['version']}, this watchdog reads "
                    f"{VERSION}: run trader and watchdog of the same release"
                )
            return _from_json(content)
        except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as exc:
            raise ProtectionUnreadable(
                f"{self.path.name} is torn or not ours: {type(exc).__name__}"
            ) from exc


def _as_json(trade: ProtectedTrade) -> dict[str, Any]:
    return {
        "trade": trade.trade,
        "symbol": trade.symbol,
        "side": trade.side.value,
        "qty": f"{trade.qty:f}",
        "stop_loss": f"{trade.stop_loss:f}",
        "take_profit": f"{trade.take_profit:f}",
    }


def _from_json(content: dict[str, Any]) -> Protection:
    written_at = datetime.fromisoformat(content["written_at"])
    if written_at.tzinfo is None:
        raise ValueError("written_at has no zone")
    if not isinstance(content["trades"], list):
        raise TypeError("trades is no list")
    return Protection(
        account_id=int(content["account"]),
        mode=str(content["mode"]),
        region=str(content["region"]),
        pid=int(content["pid"]),
        written_at=written_at,
        trades=tuple(_trade(item) for item in content["trades"]),
    )


def _trade(item: dict[str, Any]) -> ProtectedTrade:
    return ProtectedTrade(
        trade=int(item["trade"]),
        symbol=str(item["symbol"]),
        side=Side(item["side"]),
        qty=_amount(item["qty"]),
        stop_loss=_amount(item["stop_loss"]),
        take_profit=_amount(item["take_profit"]),
    )


def _amount(text: str) -> Decimal:
    """A level or a quantity; anything that an order could not carry means a broken file."""
    if not isinstance(text, str):
        raise TypeError("amounts are written as text")
    value = Decimal(text)
    if not value.is_finite() or value <= ZERO:
        raise ValueError("an amount is not above 0")
    return value


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    # The rename itself is only safe once the folder is on the disk too.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class DeskProtection:
    """Keeps the file of one account up to date; the trader calls ``update`` in each round."""

    def __init__(self, account: ExchangeAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._file = ProtectionFile(protection_path(account.pk), account.pk)
        self._failed = False

    def update(self, trades: Iterable[Trade]) -> str:
        """Write the open trades if they changed.

        Returns "" or why the watchdog can't be told: a reason to send no entries. Accounts on
        our own ledger have no watchdog and no file.
        """
        if self._account.uses_paper_ledger:
            return ""
        try:
            self._file.write(
                protection_of(trades),
                mode=self._account.mode,
                region=self._account.region,
                now=self._clock.now(),
            )
        except OSError as exc:
            if not self._failed:
                logger.error("protection file could not be written", error=str(exc))
            self._failed = True
            return f"the watchdog can't be told what to protect: {exc.strerror or exc}"
        self._failed = False
        return ""
