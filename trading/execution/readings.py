"""Positions as the venue answered lately: the newest answer and the sizes before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from math import inf

from exchange.domain import ZERO, PositionReport, Side
from exchange.ports import Clock, ExchangeClient
from trading.domain.protocol import Reading

KEPT = 60


class Positions:
    """The venue's positions of one account. A question without an answer leaves no reading: an
    error is not an empty position."""

    def __init__(self, client: ExchangeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._answers: deque[tuple[float, dict[str, PositionReport]]] = deque(maxlen=KEPT)

    def read(self, max_age_s: float = 0.0) -> Mapping[str, PositionReport]:
        """Open positions by symbol, asked for unless an answer is younger than ``max_age_s``.

        Raises ``ExchangeError``.
        """
        now = self._clock.monotonic()
        if self._answers and now - self._answers[-1][0] < max_age_s:
            return self._answers[-1][1]
        reports = {one.symbol: one for one in self._client.positions() if one.qty > ZERO}
        # Counted from the question: what happened after it may not be in the answer.
        self._answers.append((now, reports))
        return reports

    def sizes(self, symbol: str, side: Side, since_s: float = -inf) -> tuple[Reading, ...]:
        """Sizes on ``side`` (0 where the position is flat or on the other one) by questions that
        were asked after ``since_s``, oldest first."""
        found = []
        for at_s, reports in self._answers:
            report = reports.get(symbol)
            qty = report.qty if report is not None and report.side is side else ZERO
            if at_s > since_s:
                found.append(Reading(qty, at_s))
        return tuple(found)
