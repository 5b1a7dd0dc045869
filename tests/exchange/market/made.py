"""Made clocks and sessions for the tests of markets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exchange.models import ExchangeAccount, MarketSession

WALL_START = datetime(2024, 5, 1, tzinfo=UTC)
MARKET_START = datetime(2023, 3, 1, tzinfo=UTC)


class HandClock:
    """Wall time that a test turns by hand."""

    def __init__(self) -> None:
        self._elapsed_s = 0.0
        self._shift = timedelta(0)

    def now(self) -> datetime:
        return WALL_START + timedelta(seconds=self._elapsed_s) + self._shift

    def monotonic(self) -> float:
        return self._elapsed_s

    def pass_seconds(self, seconds: float) -> None:
        self._elapsed_s += seconds

    def set_back(self, by: timedelta) -> None:
        """What an operator or NTP does to a clock; the monotonic clock does not notice."""
        self._shift -= by


def market_session(*, speed: int = 60, end: datetime | None = None) -> MarketSession:
    """A session that has three wall seconds of time to run."""
    account = ExchangeAccount.objects.create(name="sim", mode="SIM")
    return MarketSession.objects.create(
        account=account,
        seed=7,
        symbols=["BTCUSDT"],
        speed=speed,
        start=MARKET_START,
        end=end,
        anchor_market=MARKET_START,
        anchor_wall=WALL_START,
        reserved_until=MARKET_START + timedelta(seconds=3 * speed),
    )
