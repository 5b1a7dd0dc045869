"""The simulated market: endless prices out of a seed, for learning, tests and demonstrations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from exchange.candles import CandleWindow, from_ms, to_ms
from exchange.domain import TIMEFRAMES, FundingEvent, Instrument, PriceStep, Quote, Ticker
from exchange.errors import CandlesUnavailable, UnknownSymbol
from exchange.market.clock import MarketClock
from exchange.market.instruments import KNOWN_INSTRUMENTS
from exchange.market.moments import closed_boundary_ms, refuse_future, span_ms
from exchange.market.simulated_day import MARKET_VOLATILITY, PROFILES
from exchange.market.simulated_path import EPOCH, EPOCH_MS, Factor
from exchange.market.simulated_symbol import FUNDING_MS, SimulatedSymbol
from exchange.ports import MarketFacts


class SimulatedMarket:
    """Correlated USDT perpetuals with regimes, fat tails, volume, spread and funding.

    Prices are a pure function of (seed, symbol, market time): every process that knows the seed
    sees the same market, any moment of it at once, and nothing is stored. ``symbols`` narrows
    the market; ``UnknownSymbol`` if it names one that does not exist. Asked about a moment that
    has not come yet it raises ``CandlesUnavailable``.
    """

    facts = MarketFacts(spread=True, turnover=True, funding=True, listing=True, mark=True)

    def __init__(
        self, seed: int, clock: MarketClock, speed: float, symbols: Sequence[str] | None = None
    ) -> None:
        self._clock = clock
        self._speed = speed
        market = Factor(seed, "market", MARKET_VOLATILITY)
        self._symbols = {
            symbol: SimulatedSymbol(seed, _instrument(symbol), market)
            for symbol in symbols or PROFILES
        }

    def now(self) -> datetime:
        return self._clock.now()

    @property
    def speed(self) -> float:
        return self._speed

    def symbols(self) -> Sequence[str]:
        return tuple(self._symbols)

    def instrument(self, symbol: str) -> Instrument:
        return self._symbol(symbol).instrument

    def candles(
        self, symbol: str, interval: timedelta, *, end: datetime, limit: int
    ) -> CandleWindow:
        if interval not in TIMEFRAMES.values():
            raise CandlesUnavailable(f"there are no candles of {interval}: {list(TIMEFRAMES)}")
        last_ms = closed_boundary_ms(end, interval, self.now())
        first_ms = max(last_ms - limit * span_ms(interval), EPOCH_MS)
        return self._symbol(symbol).window(interval, first_ms, max(first_ms, last_ms))

    def quote(self, symbol: str) -> Quote:
        now = self.now()
        source = self._symbol(symbol)
        last, spread = source.price(to_ms(now)), source.spread(to_ms(now))
        bid = max(last - spread // 2, 1)
        return Quote(
            symbol=symbol,
            time=now,
            bid=source.prices.decimal(bid),
            ask=source.prices.decimal(bid + spread),
            last=source.prices.decimal(last),
        )

    def ticker(self, symbol: str) -> Ticker:
        now = self.now()
        source = self._symbol(symbol)
        last = source.prices.decimal(source.price(to_ms(now)))
        next_funding_ms = (to_ms(now) // FUNDING_MS + 1) * FUNDING_MS
        return Ticker(
            symbol=symbol,
            time=now,
            last=last,
            mark=last,
            turnover_24h=source.turnover_24h(to_ms(now)),
            funding_rate=source.funding_rate(next_funding_ms),
            next_funding=from_ms(next_funding_ms),
            listed_at=EPOCH,
        )

    def monitor_interval(self, symbol: str) -> timedelta:
        self._symbol(symbol)
        return TIMEFRAMES["1m"]

    def steps(self, symbol: str, start: datetime, end: datetime) -> Iterator[PriceStep]:
        refuse_future(end, self.now())
        return self._symbol(symbol).steps(start, end)

    def funding(self, symbol: str, start: datetime, end: datetime) -> Sequence[FundingEvent]:
        refuse_future(end, self.now())
        source = self._symbol(symbol)
        first_ms = (max(to_ms(start), EPOCH_MS) // FUNDING_MS + 1) * FUNDING_MS
        return [
            FundingEvent(
                symbol=symbol,
                time=from_ms(moment_ms),
                rate=source.funding_rate(moment_ms),
                mark=source.prices.decimal(source.price(moment_ms)),
            )
            for moment_ms in range(first_ms, to_ms(end) + 1, FUNDING_MS)
        ]

    def doubts(self) -> tuple[str, ...]:
        """Prices that are computed are never in doubt."""
        return ()

    def _symbol(self, symbol: str) -> SimulatedSymbol:
        try:
            return self._symbols[symbol]
        except KeyError:
            raise UnknownSymbol(
                f"{symbol} is not on this market; it has {', '.join(self._symbols)}"
            ) from None


def _instrument(symbol: str) -> Instrument:
    if symbol not in PROFILES:
        raise UnknownSymbol(
            f"{symbol} is not on the simulated market; it has {', '.join(PROFILES)}"
        )
    return KNOWN_INSTRUMENTS[symbol]
