"""Prices of the simulated exchange: a pure function of seed, symbol and time.

One price a second. A day is made alone, from its own random stream, and bridged between two day
anchors, so neither its neighbours nor the order of the questions matter. ``override`` is the one
exception: from then on the walk goes on from the price it was given.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import numpy.typing as npt

DAY_MS = 86_400_000
DAY_S, HOUR_S = 86_400, 3_600
HISTORY_DAYS = 420
SIGMA_HOUR = 0.006
SWING = 0.7
FIRST_ANCHOR_DAY, LAST_ANCHOR_DAY = 14_000, 34_000
DAYS_KEPT = 48

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """What the exchange says of a linear USDT perpetual; times in ms, ``base_price`` in USDT."""

    symbol: str
    base_coin: str
    tick_size: Decimal
    qty_step: Decimal
    min_order_qty: Decimal
    max_order_qty: Decimal
    max_market_qty: Decimal
    max_leverage: Decimal
    base_price: Decimal
    volume_per_s: Decimal
    min_notional: Decimal = Decimal("5")
    leverage_step: Decimal = Decimal("0.01")
    funding_interval_min: int = 480
    maintenance_margin_rate: Decimal = Decimal("0.005")
    launch_ms: int = 0
    volatility: float = 1.0


@dataclass(frozen=True, slots=True)
class Kline:
    """A candle: ``start`` in ms, volume in base coin, turnover in quote coin."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal


@dataclass(frozen=True, slots=True)
class Touch:
    """The best bid and ask with their sizes."""

    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal


# Symbol, tick, step, largest limit and market order, leverage, price, base coin per second, moves.
_LISTED = """
BTCUSDT 0.10 0.001 1190.000 500.000 100.00 64000 1.2 1.0
ETHUSDT 0.01 0.01 7240.00 3620.00 100.00 3100 18 1.25
SOLUSDT 0.010 0.1 79770.0 15930.0 100.00 150 180 1.6
XRPUSDT 0.0001 0.1 6500000.0 1300000.0 75.00 2.1 9000 1.5
DOGEUSDT 0.00001 1 51000000 9600000 75.00 0.19 70000 1.8
BNBUSDT 0.10 0.01 3250.00 650.00 50.00 620 2 0.9
ADAUSDT 0.0001 1 10250000 2050000 75.00 0.65 11000 1.6
LINKUSDT 0.001 0.1 212100.0 42420.0 50.00 17 300 1.6
AVAXUSDT 0.001 0.1 147500.0 29500.0 50.00 29 160 1.7
LTCUSDT 0.01 0.1 53000.0 10600.0 50.00 92 40 1.2
DOTUSDT 0.0001 0.1 890000.0 178000.0 50.00 5.4 700 1.5
1000PEPEUSDT 0.0000001 100 1160000000 232000000 50.00 0.0125 900000 2.2
"""


def _listed(line: str) -> SymbolRules:
    symbol, *numbers, volatility = line.split()
    tick, step, max_qty, market_qty, leverage, price, volume = map(Decimal, numbers)
    return SymbolRules(
        symbol=symbol,
        base_coin=symbol.removesuffix("USDT"),
        tick_size=tick,
        qty_step=step,
        min_order_qty=step,
        max_order_qty=max_qty,
        max_market_qty=market_qty,
        max_leverage=leverage,
        base_price=price,
        volume_per_s=volume,
        volatility=float(volatility),
    )


SYMBOLS = tuple(_listed(line) for line in _LISTED.strip().splitlines())


@dataclass(frozen=True, slots=True)
class _Day:
    """A day by seconds: prices in ticks; running sums of volume and turnover from zero."""

    ticks: Ints
    volume: Ints
    turnover: Ints

    @classmethod
    def of(cls, ticks: Ints, steps: Ints) -> _Day:
        return cls(ticks, _summed(steps), _summed(ticks * steps))


@dataclass(frozen=True, slots=True)
class _Jump:
    """From ``at_ms`` on the walk is scaled by ``ratio``; ``ticks`` is the price of that moment."""

    at_ms: int
    ratio: float
    ticks: int


@dataclass(slots=True)
class _Sum:
    """A stretch of seconds on its way to a candle, in ticks and steps."""

    high: int
    low: int
    close: int
    volume: int = 0
    turnover: int = 0

    def add(self, high: int, low: int, close: int, volume: int, turnover: int) -> None:
        self.high = max(self.high, high)
        self.low = min(self.low, low)
        self.close = close
        self.volume += volume
        self.turnover += turnover


class SeededPrices:
    """The market of the simulator. Thread-safe. ``volatility`` multiplies every move.

    ``clock`` (venue time in ms) tells ``override`` when it happens; without one it is the latest
    instant anybody asked about.
    """

    def __init__(
        self,
        seed: int,
        start_ms: int,
        symbols: Sequence[SymbolRules] | None = None,
        *,
        volatility: float = 1.0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        launch_ms = (start_ms // DAY_MS - HISTORY_DAYS) * DAY_MS
        self._rules = {
            each.symbol: replace(each, launch_ms=each.launch_ms or launch_ms)
            for each in symbols or SYMBOLS
        }
        self._seed = seed
        self._volatility = volatility
        self.clock = clock
        self._latest_ms = start_ms
        self._lock = threading.RLock()
        self._anchors: dict[str, npt.NDArray[np.float64]] = {}
        self._days: OrderedDict[tuple[str, int], _Day] = OrderedDict()
        self._hours: dict[tuple[str, int], Ints] = {}
        self._jumps: dict[str, list[_Jump]] = {}
        self._liquidity: dict[str, Decimal] = {}

    def symbols(self) -> Sequence[SymbolRules]:
        """Every tradable symbol with its rules."""
        return tuple(self._rules.values())

    def last(self, symbol: str, ms: int) -> Decimal:
        """The last traded price at ``ms``."""
        return self._rules[symbol].tick_size * self._ticks_at(symbol, ms)

    def index(self, symbol: str, ms: int) -> Decimal:
        """The index: within 0.02 % of last, drifting around it every two hours."""
        return self._near(symbol, ms, 0.0002)

    def mark(self, symbol: str, ms: int) -> Decimal:
        """The mark price: between index and last."""
        return self._near(symbol, ms, 0.0002 / 3)

    def touch(self, symbol: str, ms: int) -> Touch:
        """Bid and ask: last is one of the two, a tick lies between them."""
        rules = self._rules[symbol]
        draw = zlib.crc32(f"{self._seed}{symbol}{ms // 1000}".encode())
        last = self.last(symbol, ms)
        bid = last - rules.tick_size if draw & 1 and last > rules.tick_size else last
        typical = rules.volume_per_s * 4 / rules.qty_step
        sizes = [int(typical * part // 256) + 1 for part in (draw >> 8 & 255, draw >> 16 & 255)]
        return Touch(
            bid, rules.qty_step * sizes[0], bid + rules.tick_size, rules.qty_step * sizes[1]
        )

    def path(self, symbol: str, after_ms: int, until_ms: int) -> Iterator[tuple[int, Decimal]]:
        """Every price in (after, until], oldest first, one at least per second."""
        tick = self._rules[symbol].tick_size
        jumps = [j for j in self._jumps.get(symbol, ()) if after_ms < j.at_ms <= until_ms]
        for second in range(after_ms // 1000 + 1, until_ms // 1000 + 1):
            while jumps and jumps[0].at_ms < second * 1000:
                jump = jumps.pop(0)
                yield jump.at_ms, tick * jump.ticks
            yield second * 1000, tick * self._ticks_at(symbol, second * 1000)
        for jump in jumps:
            yield jump.at_ms, tick * jump.ticks

    def liquidity(self, symbol: str, ms: int) -> Decimal:
        """Base coin an order may take at one price step."""
        if symbol in self._liquidity:
            return self._liquidity[symbol]
        rules = self._rules[symbol]
        draw = zlib.crc32(f"l{self._seed}{symbol}{ms // 1000}".encode()) % 100
        return rules.volume_per_s * (200 + draw * 8) // rules.qty_step * rules.qty_step

    def set_liquidity(self, symbol: str, qty: Decimal | None) -> None:
        """Fix what an order may take per price step, so that fills come in parts; None frees it."""
        if qty is None:
            self._liquidity.pop(symbol, None)
        else:
            self._liquidity[symbol] = qty

    def kline(self, symbol: str, interval_s: int, start_ms: int, now_ms: int) -> Kline:
        """The candle from ``start_ms`` as of ``now_ms``; it opens where the one before closed."""
        rules = self._rules[symbol]
        opened = self._ticks_at(symbol, start_ms - 1)
        total = _Sum(opened, opened, opened)
        end_ms = min(now_ms, start_ms + interval_s * 1000 - 1)
        with self._lock:
            self._add_seconds(total, symbol, -(-start_ms // 1000), end_ms // 1000 + 1)
            for jump in self._jumps.get(symbol, ()):
                if start_ms <= jump.at_ms <= end_ms:
                    total.high, total.low = max(total.high, jump.ticks), min(total.low, jump.ticks)
        total.close = self._ticks_at(symbol, end_ms)
        return Kline(
            start=start_ms,
            open=rules.tick_size * opened,
            high=rules.tick_size * total.high,
            low=rules.tick_size * total.low,
            close=rules.tick_size * total.close,
            volume=rules.qty_step * total.volume,
            turnover=rules.tick_size * rules.qty_step * total.turnover,
        )

    def override(self, symbol: str, price: Decimal | None) -> None:
        """Jump to a price now and walk on from there; None goes back to the seeded walk."""
        at_ms = self.clock() if self.clock else self._latest_ms
        with self._lock:
            seeded = int(self._seeded(symbol, at_ms // DAY_MS).ticks[_second_of_day(at_ms)])
            ticks = seeded if price is None else int(price / self._rules[symbol].tick_size)
            if ticks < 1:
                raise ValueError(f"{symbol} can't go below one tick")
            self._jumps.setdefault(symbol, []).append(_Jump(at_ms, ticks / seeded, ticks))
            for key in [*self._days, *self._hours]:
                if key[0] == symbol and key[1] >= at_ms // DAY_MS:
                    self._days.pop(key, None)
                    self._hours.pop(key, None)

    def _ticks_at(self, symbol: str, ms: int) -> int:
        self._latest_ms = max(self._latest_ms, ms)
        with self._lock:
            for jump in reversed(self._jumps.get(symbol, ())):
                if jump.at_ms <= ms:
                    if jump.at_ms // 1000 == ms // 1000:
                        return jump.ticks
                    break
            day, second = ms // DAY_MS, _second_of_day(ms)
            if second % HOUR_S == HOUR_S - 1 and (symbol, day) in self._hours:
                return int(self._hours[symbol, day][second // HOUR_S, 2])
            return int(self._day(symbol, day).ticks[second])

    def _add_seconds(self, total: _Sum, symbol: str, first: int, end: int) -> None:
        """Add the seconds [first, end), whole hours from their sums."""
        while first < end:
            day, second = divmod(first, DAY_S)
            if second % HOUR_S == 0 and end - first >= HOUR_S:
                hours = min((end - first) // HOUR_S, (DAY_S - second) // HOUR_S)
                rows = self._hours_of(symbol, day)[second // HOUR_S :][:hours]
                total.add(
                    int(rows[:, 0].max()),
                    int(rows[:, 1].min()),
                    int(rows[-1, 2]),
                    int(rows[:, 3].sum()),
                    int(rows[:, 4].sum()),
                )
                first += hours * HOUR_S
                continue
            until_hour = HOUR_S - second % HOUR_S
            last = second + min(end - first, until_hour)
            made = self._day(symbol, day)
            ticks = made.ticks[second:last]
            total.add(
                int(ticks.max()),
                int(ticks.min()),
                int(ticks[-1]),
                int(made.volume[last] - made.volume[second]),
                int(made.turnover[last] - made.turnover[second]),
            )
            first += last - second

    def _hours_of(self, symbol: str, day: int) -> Ints:
        if (symbol, day) not in self._hours:
            made = self._day(symbol, day)
            ticks = made.ticks.reshape(24, HOUR_S)
            self._hours[symbol, day] = np.stack(
                [
                    ticks.max(axis=1),
                    ticks.min(axis=1),
                    ticks[:, -1],
                    np.diff(made.volume[::HOUR_S]),
                    np.diff(made.turnover[::HOUR_S]),
                ],
                axis=1,
            )
        return self._hours[symbol, day]

    def _day(self, symbol: str, day: int) -> _Day:
        """The day as it happened, jumps included, from the cache if it is there."""
        key = symbol, day
        if key not in self._days:
            made = self._seeded(symbol, day)
            ends_ms = (day + 1) * DAY_MS
            jumps = [j for j in self._jumps.get(symbol, ()) if j.at_ms < ends_ms]
            self._days[key] = _jumped(made, jumps, day) if jumps else made
            while len(self._days) > DAYS_KEPT:
                self._days.popitem(last=False)
        self._days.move_to_end(key)
        return self._days[key]

    def _seeded(self, symbol: str, day: int) -> _Day:
        """A day of the walk, made from nothing but seed, symbol and day."""
        rules = self._rules[symbol]
        draw = np.random.default_rng([self._seed, zlib.crc32(symbol.encode()), day])
        sigma = SIGMA_HOUR / 60 * rules.volatility * self._volatility
        moods = np.exp(draw.normal(-0.06, 0.35, 24))
        steps = draw.standard_normal(DAY_S) * np.repeat(moods, HOUR_S) * sigma
        walk = np.cumsum(steps)
        walk -= steps[0]
        begin, end = self._anchors_of(symbol)[day - FIRST_ANCHOR_DAY :][:2]
        bridge = np.linspace(0.0, 1.0, DAY_S, endpoint=False)
        logs = begin + walk + bridge * (end - begin - walk[-1] - steps[0])
        scale = float(rules.base_price / rules.tick_size)
        ticks = np.maximum(np.rint(np.exp(logs) * scale), 1).astype(np.int64)
        typical = float(rules.volume_per_s / rules.qty_step)
        busy = np.repeat(moods, HOUR_S) * typical
        volume = (draw.standard_exponential(DAY_S) * busy).astype(np.int64)
        return _Day.of(ticks, volume)

    def _anchors_of(self, symbol: str) -> npt.NDArray[np.float64]:
        """Log of each day's first price over the base price: a walk folded into a wide band."""
        if symbol not in self._anchors:
            draw = np.random.default_rng([self._seed, zlib.crc32(symbol.encode())])
            sigma = SIGMA_HOUR * math.sqrt(24) * self._rules[symbol].volatility * self._volatility
            walk = np.cumsum(draw.normal(0.0, sigma, LAST_ANCHOR_DAY - FIRST_ANCHOR_DAY))
            self._anchors[symbol] = SWING * np.sin(walk / SWING)
        return self._anchors[symbol]

    def _near(self, symbol: str, ms: int, width: float) -> Decimal:
        """Last, drifting by up to ``width`` of it, on ticks."""
        phase = zlib.crc32(symbol.encode()) % 628 / 100
        drift = width * math.sin(ms / 1000 * math.tau / 7200 + phase)
        return self._rules[symbol].tick_size * round(self._ticks_at(symbol, ms) * (1 + drift))


def _second_of_day(ms: int) -> int:
    return ms // 1000 % DAY_S


def _summed(values: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])


def _jumped(made: _Day, jumps: Sequence[_Jump], day: int) -> _Day:
    """The day with each second after a jump scaled; the latest jump counts."""
    ratios = np.ones(DAY_S)
    for jump in jumps:
        first = max(-(-jump.at_ms // 1000) - day * DAY_S, 0)
        ratios[first:] = jump.ratio
    ticks = np.maximum(np.rint(made.ticks * ratios), 1).astype(np.int64)
    return _Day.of(ticks, np.diff(made.volume))
