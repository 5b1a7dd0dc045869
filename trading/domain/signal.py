"""From a recommendation to a proposal: prices on ticks, the order that fits, reward after costs,
confidence, and every rule on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from analysis.confidence import Confidence, confidence
from analysis.domain import Direction, Recommendation
from exchange.domain import ZERO, Instrument, Quote
from trading.domain.edge import edge_rules
from trading.domain.entry import EntryOrder, entry_order
from trading.domain.filters import MarketView, funding_cost
from trading.domain.portfolio import Portfolio
from trading.domain.settings import BotSettings, SignalRules
from trading.domain.verdict import Verdict, first_failure, number, percent, plain


@dataclass(frozen=True, slots=True)
class Reading:
    """A recommendation with the market it will be traded on. ``looked`` says that its analyst
    was shown a picture, so that it has to prove what it saw."""

    recommendation: Recommendation
    instrument: Instrument
    quote: Quote
    gap_free: bool
    view: MarketView
    looked: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recommendation with prices on ticks and everything computed from them.

    ``unit_costs`` are both taker fees and the slippage allowance, in USDT per unit of base coin,
    at the worst price. ``order`` is None for an entry beyond the market.
    """

    symbol: str
    direction: Direction
    entry_price: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    order: EntryOrder | None
    worst_price: Decimal
    unit_costs: Decimal
    rr_net: Decimal
    confidence: Confidence
    atr: Decimal
    last: Decimal
    spread: Decimal
    candle_time: datetime

    @property
    def stop_distance(self) -> Decimal:
        return abs(self.worst_price - self.stop_loss)

    @property
    def unit_loss(self) -> Decimal:
        """USDT lost per unit of base coin if the worst fill is stopped."""
        return self.stop_distance + self.unit_costs


def prices_ordered(
    direction: Direction, stop: Decimal | None, entry: Decimal | None, target: Decimal | None
) -> Verdict:
    """Long: stop < entry < target; short the reverse."""
    if stop is None or entry is None or target is None:
        return Verdict("prices_ordered", False, "missing", "three prices", "A price is missing.")
    sign = direction.sign
    ordered = min(stop, entry, target) > 0 and (entry - stop) * sign > 0 < (target - entry) * sign
    return Verdict(
        "prices_ordered",
        ordered,
        f"{plain(stop)} / {plain(entry)} / {plain(target)}",
        "stop < entry < target" if sign > 0 else "target < entry < stop",
        "Stop, entry and target are in order." if ordered else "The prices are out of order.",
    )


def still_ordered(proposal: Proposal) -> Verdict:
    """The same on ticks, for the entry and for the worst price that its order may fill at: a
    coarse tick or a wide spread can put either on the wrong side of stop or target."""
    verdicts = [
        prices_ordered(proposal.direction, proposal.stop_loss, price, proposal.take_profit)
        for price in (proposal.entry_price, proposal.worst_price)
    ]
    return first_failure(verdicts) or verdicts[0]


def propose(reading: Reading, settings: BotSettings) -> Proposal:
    """Round to ticks (stop away from entry, target toward it), then compute everything anew.

    The three prices must be in order (``prices_ordered``); whether they still are afterwards is
    for ``still_ordered`` to say.
    """
    rec, instrument = reading.recommendation, reading.instrument
    entry, stop, target = rec.entry_price, rec.stop_loss, rec.take_profit
    if entry is None or stop is None or target is None:
        raise ValueError("a proposal needs three prices")
    long = rec.direction is Direction.LONG
    entry = instrument.floor_price(entry) if long else instrument.ceil_price(entry)
    stop = instrument.floor_price(stop) if long else instrument.ceil_price(stop)
    target = instrument.floor_price(target) if long else instrument.ceil_price(target)
    order = entry_order(rec.direction, entry, stop, rec.atr, reading.quote, instrument, settings)
    worst = order.worst_price if order else entry
    costs = worst * 2 * instrument.taker_fee + stop * settings.rules.slippage_allowance
    funding = worst * funding_cost(rec.direction, reading.view, settings.median_hold)
    rr_net = net_reward_to_risk(worst, stop, target, costs + funding)
    return Proposal(
        symbol=rec.symbol,
        direction=rec.direction,
        entry_price=entry,
        stop_loss=stop,
        take_profit=target,
        order=order,
        worst_price=worst,
        unit_costs=costs,
        rr_net=rr_net,
        confidence=confidence(rec.scores, rr_net, settings.weights),
        atr=rec.atr,
        last=reading.quote.last,
        spread=reading.quote.ask - reading.quote.bid,
        candle_time=rec.candle_time,
    )


def net_reward_to_risk(
    price: Decimal, stop: Decimal, target: Decimal, unit_costs: Decimal
) -> Decimal:
    """(|target - price| - costs) / (|price - stop| + costs), rounded down to 4 places; 0 where
    there is nothing to lose, which prices in order never give."""
    loss = abs(price - stop) + unit_costs
    if loss == 0:
        return ZERO
    ratio = (abs(target - price) - unit_costs) / loss
    return ratio.quantize(Decimal("0.0001"), rounding="ROUND_FLOOR")


def validate(
    proposal: Proposal,
    reading: Reading,
    portfolio: Portfolio,
    settings: BotSettings,
    now: datetime,
) -> tuple[Verdict, ...]:
    """The rules on the proposal itself, in the order in which they are shown."""
    return (
        _confidence(proposal, settings),
        *edge_rules(proposal, settings),
        _rr_net(proposal, settings),
        _stop_distance(proposal, reading.instrument, settings.rules),
        _entry_distance(proposal, settings.rules),
        _breakout(proposal),
        _similar(proposal, portfolio, settings),
        _age(proposal, settings, now),
        _gap(reading, settings.rules),
    )


def _confidence(proposal: Proposal, settings: BotSettings) -> Verdict:
    value, limit = proposal.confidence.value, settings.limits.min_confidence
    return Verdict(
        "confidence",
        value >= limit,
        percent(value, 1),
        percent(limit, 1),
        f"Confidence is {percent(value, 1)}; at least {percent(limit, 1)} is asked.",
    )


def _rr_net(proposal: Proposal, settings: BotSettings) -> Verdict:
    value, limit = proposal.rr_net, settings.limits.min_rr_net
    return Verdict(
        "rr_net",
        value >= limit,
        number(value),
        number(limit),
        f"Reward to risk after costs is {number(value)}; at least {number(limit)} is asked.",
    )


def _stop_distance(proposal: Proposal, instrument: Instrument, rules: SignalRules) -> Verdict:
    round_trip = proposal.worst_price * 2 * instrument.taker_fee
    nearest = max(
        rules.min_stop_atr * proposal.atr,
        rules.min_stop_costs * round_trip,
        rules.min_stop_spreads * proposal.spread,
    )
    farthest = min(rules.max_stop_share * proposal.worst_price, rules.max_stop_atr * proposal.atr)
    distance = proposal.stop_distance
    band = f"{_in_atr(nearest, proposal.atr)} to {_in_atr(farthest, proposal.atr)}"
    value = _in_atr(distance, proposal.atr)
    if nearest > farthest:
        text = "The timeframe is too short for its costs: no stop distance would do."
        return Verdict("stop_band", False, value, band, text)
    return Verdict(
        "stop_distance",
        nearest <= distance <= farthest,
        value,
        band,
        f"The stop is {value} from the entry; {band} is asked.",
    )


def _entry_distance(proposal: Proposal, rules: SignalRules) -> Verdict:
    distance = abs(proposal.entry_price - proposal.last)
    limit = rules.max_entry_distance_atr
    value = _in_atr(distance, proposal.atr)
    return Verdict(
        "entry_distance",
        distance <= limit * proposal.atr,
        value,
        f"{number(limit)} ATR",
        f"The entry is {value} from the last price.",
    )


def _in_atr(distance: Decimal, atr: Decimal) -> str:
    """A market that does not move has no ATR to measure with."""
    return f"{number(distance / atr)} ATR" if atr > 0 else "– ATR"


def _breakout(proposal: Proposal) -> Verdict:
    return Verdict(
        "breakout_entry",
        proposal.order is not None,
        "beyond the market" if proposal.order is None else "at or behind the market",
        "at or behind the market",
        _breakout_words(proposal.order),
    )


def _breakout_words(order: EntryOrder | None) -> str:
    if order is None:
        return "A breakout entry: price would have to move on first."
    if order.trigger_price is not None:
        return f"A breakout entry: sent when the last price reaches {plain(order.trigger_price)}."
    return "The entry can be placed now."


def _similar(proposal: Proposal, portfolio: Portfolio, settings: BotSettings) -> Verdict:
    rules = settings.rules
    since = portfolio.time - rules.similar_bars * settings.timeframe
    reach = rules.similar_entry_atr * proposal.atr
    found = next(
        (
            past
            for past in portfolio.past_signals
            if (past.symbol, past.direction) == (proposal.symbol, proposal.direction)
            and past.time > since
            and abs(past.entry_price - proposal.entry_price) <= reach
        ),
        None,
    )
    return Verdict(
        "similar_signal",
        found is None,
        found.what if found else "none",
        f"none in {rules.similar_bars} bars",
        f"A similar signal was {found.what} at {found.time:%H:%M}."
        if found
        else "No similar signal lately.",
    )


def _age(proposal: Proposal, settings: BotSettings, now: datetime) -> Verdict:
    age = now - proposal.candle_time
    return Verdict(
        "analysis_age",
        age <= settings.timeframe,
        str(age),
        str(settings.timeframe),
        f"The analysis is {age} old.",
    )


def _gap(reading: Reading, rules: SignalRules) -> Verdict:
    return Verdict(
        "data_gap",
        reading.gap_free,
        "none" if reading.gap_free else "gap",
        "none",
        f"The last {rules.gap_window} candles are complete."
        if reading.gap_free
        else f"A candle is missing among the last {rules.gap_window}.",
    )


def no_setup(recommendation: Recommendation) -> Verdict:
    """The analyst found nothing to trade."""
    found = recommendation.direction is not Direction.NONE
    text = recommendation.strongest_objection or "The analyst sees no setup."
    return Verdict(
        "none",
        found,
        recommendation.direction.value,
        "long or short",
        f"The analyst proposes {recommendation.direction}." if found else text,
    )


def grounded(reading: Reading) -> Verdict:
    """Whether the analyst saw the picture it was shown. Who was shown one and proves nothing
    counts as one who did not see it."""
    grounding = reading.recommendation.grounding
    asked = "read back as drawn"
    if grounding is None and not reading.looked:
        text = "Not applicable: this analyst works on numbers, not on a picture."
        return Verdict("ungrounded", None, "–", asked, text)
    if grounding is None:
        text = "Nothing was read back from the picture, so nothing shows that it was seen."
        return Verdict("ungrounded", False, "–", asked, text)
    worst = "–" if grounding.worst is None else percent(grounding.worst)
    if not grounding.grounded:
        return Verdict("ungrounded", False, worst, asked, grounding.reason)
    text = f"The picture was read back; the worst error is {worst} of the visible range."
    return Verdict("ungrounded", True, worst, asked, text)


def agreed(recommendation: Recommendation) -> Verdict:
    """Whether mirror and copies of the chart, and the answer itself, leave it standing."""
    veto = recommendation.veto
    return Verdict(
        "agreement",
        not veto,
        "vetoed" if veto else "no veto",
        "no veto",
        veto or "Nothing speaks against the answer itself.",
    )


def drifted(
    direction: Direction, entry: Decimal, stop: Decimal, last: Decimal, rules: SignalRules
) -> Verdict:
    """Price may have moved at most 0.25 R from the entry, either way. Entry and stop differ."""
    drift = abs(last - entry) / abs(entry - stop)
    return Verdict(
        "price_drift",
        drift <= rules.max_drift_r,
        f"{number(drift)} R",
        f"{number(rules.max_drift_r)} R",
        f"Price is {number(drift)} R from the {direction} entry.",
    )
