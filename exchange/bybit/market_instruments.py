"""Trading rules of the symbols of a market, asked for once an hour."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from exchange.bybit.parse import UnreadablePayload, instrument, is_usdt_perpetual, listed_at
from exchange.bybit.rest import BybitRest, Endpoint, ReadRefused
from exchange.domain import Instrument
from exchange.errors import CandlesUnavailable, ExchangeError, UnknownSymbol

logger = logging.getLogger(__name__)

REFRESH_EVERY = timedelta(hours=1)
RETRY_AFTER = timedelta(minutes=1)
DEADLINE_S = 4.0


@dataclass(frozen=True, slots=True)
class _Known:
    rules: Instrument
    listed_at: datetime | None
    refresh_at: datetime


class InstrumentBook:
    """Rules by symbol. Thread-safe; old rules serve where new ones can't be had."""

    def __init__(self, rest: BybitRest, now: Callable[[], datetime]) -> None:
        self._rest = rest
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def rules(self, symbol: str) -> Instrument:
        """Raises ``UnknownSymbol`` and ``CandlesUnavailable``."""
        return self._get(symbol).rules

    def listed_at(self, symbol: str) -> datetime | None:
        """When trading in ``symbol`` began."""
        return self._get(symbol).listed_at

    def refresh(self, symbol: str) -> Instrument:
        """Ask for the rules now. Raises ``UnknownSymbol`` and ``CandlesUnavailable``."""
        try:
            known = self._ask(symbol)
        except ReadRefused as error:
            if error.code == "unknown_symbol":
                raise UnknownSymbol(f"Bybit has no linear contract {symbol}") from error
            raise CandlesUnavailable(f"{symbol}: no trading rules from Bybit: {error}") from error
        except ExchangeError as error:
            raise CandlesUnavailable(f"{symbol}: no trading rules from Bybit: {error}") from error
        with self._lock:
            self._known[symbol] = known
        return known.rules

    def _get(self, symbol: str) -> _Known:
        now = self._now()
        with self._lock:
            known = self._known.get(symbol)
        if known is None:
            self.refresh(symbol)
        elif now >= known.refresh_at:
            try:
                self.refresh(symbol)
            except (CandlesUnavailable, UnknownSymbol) as error:
                logger.warning("the rules of an hour ago go on: %s", error)
                with self._lock:
                    self._known[symbol] = _Known(known.rules, known.listed_at, now + RETRY_AFTER)
        with self._lock:
            return self._known[symbol]

    def _ask(self, symbol: str) -> _Known:
        reply = self._rest.read(
            Endpoint.INSTRUMENTS, deadline_s=DEADLINE_S, category="linear", symbol=symbol
        )
        rows = reply.result.get("list")
        if not isinstance(rows, list):
            raise UnreadablePayload("instruments-info", "list", rows)
        if not rows:
            return self._vanished(symbol)
        if not is_usdt_perpetual(rows[0]):
            raise UnknownSymbol(f"{symbol} is no perpetual of a coin that is settled in USDT")
        return _Known(instrument(rows[0]), listed_at(rows[0]), self._now() + REFRESH_EVERY)

    def _vanished(self, symbol: str) -> _Known:
        """Bybit tells of contracts that trade: one it told of before takes no new positions."""
        with self._lock:
            known = self._known.get(symbol)
        if known is None:
            raise UnknownSymbol(f"Bybit has no linear contract {symbol}")
        rules = replace(known.rules, tradable=False)
        return _Known(rules, known.listed_at, self._now() + REFRESH_EVERY)
