"""Exits of many entries at once: the rules of ``follow`` for plain exits, on arrays.

Every entry is at market at the open of a candle. Prices on ticks are whole numbers here, so that
stops, targets and the rules' thresholds are exact; only slippage is a float, rounded to a tick.
Break-even, tightening and maximum holding are known; settings with other rules are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

import numpy as np

from exchange.candles import CandleWindow, Floats, Ints
from exchange.domain import Instrument
from exchange.market.replay import SPREAD
from exchange.paper.fills import BASE_SLIPPAGE, IMPACT, MAX_SLIPPAGE
from trading.choices import ExitReason, OppositeSignal
from trading.domain.exits import MIN_MOVE_R, ExitSettings
from trading.domain.settings import SignalRules

RULES = SignalRules()
# A price that misses a tick by less than this many ticks is on it: floats can't tell.
TICK_DIGITS = 7


class Exit(IntEnum):
    """Why an entry ended; OPEN where the candles end first, NONE where it can't begin (its stop or
    target is not on its side of the market)."""

    NONE = -2
    OPEN = -1
    STOP_LOSS = 0
    TAKE_PROFIT = 1
    BREAKEVEN = 2
    TIGHTENED_STOP = 3
    MAX_HOLDING = 4

    @property
    def reason(self) -> ExitReason | None:
        return None if self < 0 else ExitReason(self.name.lower())


class KernelUnfit(ValueError):
    """The settings have a rule that the kernel does not know."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """Entries of one series: ``place`` of the candle at whose open each is filled, ``sign`` +1 for
    longs, stop and target in price, ``qty`` in base coin."""

    place: Ints
    sign: Ints
    stop: Floats
    target: Floats
    qty: Floats


@dataclass(frozen=True, slots=True)
class BulkExits:
    """What became of each: the candle of its exit, why (``Exit``), prices, result in R after fees,
    slippage and funding (NaN where there is none)."""

    place: Ints
    reason: Ints
    entry_price: Floats
    exit_price: Floats
    r_multiple: Floats
    net_pnl: Floats


def exits_in_bulk(
    bulk: Bulk,
    window: CandleWindow,
    settings: ExitSettings,
    instrument: Instrument,
    funding_paid: Floats | None = None,
) -> BulkExits:
    """Live through ``window`` with every entry of ``bulk``, one candle of each at a time.

    ``funding_paid`` is what a long of one unit paid for funding from the start of the series to the
    close of each candle (USDT). Raises ``KernelUnfit``.
    """
    _refuse_unknown(settings)
    run = _Run(bulk, window, settings, instrument)
    for age in range(run.longest + 2):
        if not run.step(age):
            break
    return run.result(funding_paid)


def _refuse_unknown(settings: ExitSettings) -> None:
    others = (
        settings.trail_within is not None,
        settings.age_bars is not None,
        bool(settings.partials),
        settings.invalidation,
        settings.opposite is not OppositeSignal.OFF,
    )
    if any(others):
        raise KernelUnfit("the kernel knows break-even, tightening and maximum holding only")


class _Run:
    """All entries on their way through the candles. Prices are in ticks."""

    def __init__(
        self, bulk: Bulk, window: CandleWindow, settings: ExitSettings, instrument: Instrument
    ) -> None:
        self._bulk, self._settings, self._instrument = bulk, settings, instrument
        self._tick = float(instrument.tick_size)
        self._open, self._high, self._low, self._close = (
            self._ticks(column) for column in (window.open, window.high, window.low, window.close)
        )
        self._volume = _per_minute(window)
        # As a replay spreads: 0.01 % of the close, rounded up to a tick; half of it is paid.
        spread = np.ceil(np.round(self._close * float(SPREAD), TICK_DIGITS))
        self._half_spread = np.maximum(spread / 2, 1.0)
        self.longest = -(-settings.max_holding // window.interval)
        self._held_out = settings.max_holding / window.interval
        self._stop, self._target = self._ticks(bulk.stop), self._ticks(bulk.target)
        count = len(bulk.place)
        self._exit_place = bulk.place.copy()
        self._exit = np.zeros(count, dtype=np.int64)
        self._reason = np.full(count, Exit.OPEN, dtype=np.int64)
        self._stop_reason = np.full(count, Exit.STOP_LOSS, dtype=np.int64)
        self._ordered = np.full(count, Exit.OPEN, dtype=np.int64)
        self._entry = self._taken(self._open[bulk.place], bulk.sign, bulk.place, bulk.qty)
        self._unit = np.abs(self._entry - self._stop)
        self._initial = self._stop.copy()
        self._active = np.arange(count)
        self._refuse_misplaced()

    def _refuse_misplaced(self) -> None:
        """The venue takes no entry whose stop or target is on the wrong side of its price; a fill
        at or beyond the stop would have no risk to measure by."""
        sign = self._bulk.sign
        good = ((self._open[self._bulk.place] - self._stop) * sign > 0) & (self._unit > 0)
        good &= (self._target - self._open[self._bulk.place]) * sign > 0
        self._reason[~good] = Exit.NONE
        self._active = np.flatnonzero(good)

    def step(self, age: int) -> bool:
        """One candle of every open entry; False once there is none."""
        place = self._bulk.place[self._active] + age
        self._active = self._active[place < len(self._close)]
        if not len(self._active):
            return False
        self._close_ordered(age)
        self._meet_levels(age)
        self._apply_rules(age)
        return True

    def _close_ordered(self, age: int) -> None:
        """What the rules closed at the last close is filled at this open."""
        due = self._active[self._ordered[self._active] != Exit.OPEN]
        self._end(due, self._ordered[due], self._open[self._bulk.place[due] + age], age, taker=True)

    def _meet_levels(self, age: int) -> None:
        """Open, worse extreme, better extreme. In the candle of entry the target does not count."""
        who = self._active
        place, sign = self._bulk.place[who] + age, self._bulk.sign[who]
        start, stop, target = self._open[place], self._stop[who], self._target[who]
        worse = np.where(sign > 0, self._low[place], self._high[place])
        better = np.where(sign > 0, self._high[place], self._low[place])
        jumped = (start - target) * sign >= 0
        stopped = (worse - stop) * sign <= 0
        gained = (better - target) * sign >= 0
        if age == 0:
            jumped, gained = np.zeros_like(jumped), np.zeros_like(gained)
        stopped &= ~jumped
        gained &= ~stopped
        stop_base = np.where((start - stop) * sign <= 0, start, stop)
        target_base = np.where(jumped, start, target)
        hit = who[stopped]
        self._end(hit, self._stop_reason[hit], stop_base[stopped], age, taker=True)
        won = who[gained]
        reasons = np.full(len(won), Exit.TAKE_PROFIT, dtype=np.int64)
        self._end(won, reasons, target_base[gained], age, taker=False)

    def _end(self, who: Ints, reason: Ints, base: Ints, age: int, *, taker: bool) -> None:
        if not len(who):
            return
        place, sign = self._bulk.place[who] + age, self._bulk.sign[who]
        price = self._taken(base, -sign, place, self._bulk.qty[who]) if taker else base
        self._exit[who], self._exit_place[who], self._reason[who] = price, place, reason
        self._active = self._active[~np.isin(self._active, who, assume_unique=True)]

    def _apply_rules(self, age: int) -> None:
        """Maximum holding, then the best stop of break-even and tightening, at the close."""
        who = self._active
        if age + 1 >= self._held_out:
            self._ordered[who] = Exit.MAX_HOLDING
            return
        close = self._close[self._bulk.place[who] + age]
        best, rule = self._offers(who, close)
        sign, unit = self._bulk.sign[who], self._unit[who]
        gain = (best - self._stop[who]) * sign
        least = Fraction(MIN_MOVE_R)
        worth = (rule >= 0) & (gain * least.denominator >= least.numerator * unit)
        passed = worth & ((close - best) * sign <= 0)
        moved = worth & ~passed
        self._ordered[who[passed]] = rule[passed]
        self._stop[who[moved]] = best[moved]
        self._stop_reason[who[moved]] = rule[moved]

    def _offers(self, who: Ints, close: Ints) -> tuple[Ints, Ints]:
        """The best stop that any rule offers before the target, and the reason it would give; -1
        where none does."""
        sign, unit, entry = self._bulk.sign[who], self._unit[who], self._entry[who]
        best, rule = self._stop[who].copy(), np.full(len(who), -1, dtype=np.int64)
        reached = (close - entry) * sign
        offers: list[tuple[Decimal, Ints, Exit]] = []
        for at_r, stop_r in self._settings.tightening:
            offers.append((at_r, _beyond(entry, sign, unit, stop_r), Exit.TIGHTENED_STOP))
        if self._settings.breakeven_at_r is not None:
            rate = 2 * self._instrument.taker_fee + RULES.slippage_allowance
            stop = _beyond(entry, sign, entry, rate)
            offers.append((self._settings.breakeven_at_r, stop, Exit.BREAKEVEN))
        for at_r, stop, reason in offers:
            due = Fraction(at_r)
            offered = reached * due.denominator >= due.numerator * unit
            offered &= (self._target[who] - stop) * sign > 0
            # The first of two equal stops gives the reason, as ``max`` does.
            better = offered & ((rule < 0) | ((stop - best) * sign > 0))
            best, rule = np.where(better, stop, best), np.where(better, int(reason), rule)
        return best, rule

    def result(self, funding_paid: Floats | None) -> BulkExits:
        bulk, fee = self._bulk, float(self._instrument.taker_fee)
        entry = self._entry.astype(np.float64) * self._tick
        out = self._exit.astype(np.float64) * self._tick
        funding = np.zeros(len(entry))
        if funding_paid is not None:
            # Held from the open of the first to within the last: settled at the closes between.
            before = np.concatenate([[0.0], funding_paid])
            funding = bulk.sign * (before[self._exit_place] - before[bulk.place])
        gross = bulk.sign * (out - entry) - fee * (entry + out) - funding
        done = self._reason >= 0
        unit = np.where(done, np.abs(entry - self._initial * self._tick), 1.0)
        return BulkExits(
            place=self._exit_place,
            reason=self._reason,
            entry_price=entry,
            exit_price=np.where(done, out, np.nan),
            r_multiple=np.where(done, gross / unit, np.nan),
            net_pnl=np.where(done, gross * bulk.qty, np.nan),
        )

    def _ticks(self, prices: Floats) -> Ints:
        return np.round(prices / self._tick).astype(np.int64)

    def _taken(self, base: Ints, side: Ints, place: Ints, qty: Floats) -> Ints:
        """The fill model's price of who trades ``side`` (+1 buys) at market, in ticks."""
        volume = self._volume[place]
        with np.errstate(divide="ignore"):
            share = float(BASE_SLIPPAGE) + float(IMPACT) * np.sqrt(qty / volume)
        share = np.where(volume > 0, np.minimum(share, float(MAX_SLIPPAGE)), float(MAX_SLIPPAGE))
        cost = np.round(self._half_spread[place] + base * share, TICK_DIGITS)
        exact = base + side * cost
        price = np.where(side > 0, np.ceil(exact), np.maximum(np.floor(exact), 1.0))
        return price.astype(np.int64)


def _beyond(entry: Ints, sign: Ints, unit: Ints, multiple: Decimal) -> Ints:
    """Entry and ``multiple`` times ``unit`` toward profit, on the tick toward profit."""
    share = Fraction(multiple)
    return entry + sign * -(-share.numerator * unit // share.denominator)


def _per_minute(window: CandleWindow) -> Floats:
    """The volume an order is measured against: of the candle, or of a minute if it is shorter."""
    scale = max(1.0, timedelta(minutes=1) / window.interval)
    return window.volume * scale
