"""The newest ticker of each symbol, merged from the stream's snapshots and changes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exchange.candles import from_ms


@dataclass(frozen=True, slots=True)
class TickerState:
    """All that is known of a ticker and when it was true. ``sure`` is False where the stream may
    have missed a change."""

    fields: Mapping[str, Any]
    time: datetime
    sure: bool

    def fresh(self, now: datetime, within: timedelta) -> bool:
        return self.sure and now - self.time <= within


class TickerBook:
    """Merged tickers by symbol. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, TickerState] = {}
        self._streamed: dict[str, datetime] = {}

    def streamed_at(self, symbol: str) -> datetime | None:
        """The time of the newest frame of the stream, whatever REST told since."""
        with self._lock:
            return self._streamed.get(symbol)

    def get(self, symbol: str) -> TickerState | None:
        with self._lock:
            return self._states.get(symbol)

    def stream(self, symbol: str, frame: Mapping[str, Any]) -> None:
        """A frame of the tickers topic. A change without a beginning, or older than what is
        known, is ignored. Raises ``KeyError``, ``TypeError``, ``ValueError``
        and ``OverflowError``."""
        time, data = from_ms(int(frame["ts"])), dict(frame["data"])
        with self._lock:
            self._streamed[symbol] = max(time, self._streamed.get(symbol, time))
            known = self._states.get(symbol)
            if known is not None and time < known.time:
                return
            if frame.get("type") != "delta":
                self._states[symbol] = TickerState(data, time, True)
            elif known is not None:
                self._states[symbol] = TickerState({**known.fields, **data}, time, known.sure)

    def replace(self, symbol: str, fields: Mapping[str, Any], time: datetime) -> TickerState:
        """The whole ticker as REST told it; the state that counts now."""
        with self._lock:
            known = self._states.get(symbol)
            if known is None or known.time <= time or not known.sure:
                self._states[symbol] = TickerState(fields, time, True)
            return self._states[symbol]

    def distrust(self) -> None:
        """The stream may have missed something."""
        with self._lock:
            self._states = {
                symbol: TickerState(state.fields, state.time, False)
                for symbol, state in self._states.items()
            }
