"""How much: from the risk of one trade to a quantity that is valid and affordable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from exchange.domain import ZERO, Instrument, quantise
from trading.choices import RiskProfile
from trading.domain.entry_settings import SizingMethod
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.settings import LEVERAGE_CAP, NOTIONAL_CAP, BotSettings
from trading.domain.signal import Proposal
from trading.domain.track_record import KELLY_TRADES, TrackRecord, kelly_share
from trading.domain.verdict import Factor, Verdict, digits, number, percent, plain, product

# Part of the free margin that stays free, for fees and price moves until the fill.
MARGIN_RESERVE = Decimal("0.02")
MIN_LIQUIDATION_STOPS = Decimal("2.5")
# Isolated margin without borrowing: there is nothing lower to ask the venue for.
NO_LEVERAGE = Decimal(1)
# A bot's first trades with real money: (trades closed so far below, factor).
RAMP = ((10, Decimal("0.25")), (30, Decimal("0.5")))
# The smallest order may risk this much of what was planned, and this much of equity.
ROUND_UP_RISK = Decimal("1.25")
ROUND_UP_EQUITY = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Sizing:
    """``qty`` in base coin (0 when nothing valid fits); ``risk_amount`` is what the stop takes,
    costs included, in USDT; ``words`` tell the arithmetic line by line."""

    qty: Decimal
    risk_amount: Decimal
    notional: Decimal
    leverage: Decimal
    margin: Decimal
    words: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "qty": plain(self.qty),
            "risk_amount": number(self.risk_amount),
            "notional": number(self.notional),
            "leverage": plain(self.leverage),
            "margin": number(self.margin),
            "words": list(self.words),
        }

    def exposure(self, proposal: Proposal, settings: BotSettings, taker_fee: Decimal) -> Exposure:
        """What the entry adds to the portfolio while it works."""
        return Exposure(
            symbol=proposal.symbol,
            direction=proposal.direction,
            qty=self.qty,
            price=proposal.worst_price,
            stop_loss=proposal.stop_loss,
            entry_cost_rate=taker_fee,
            exit_cost_rate=taker_fee + settings.rules.slippage_allowance,
            margin=self.margin,
            working=True,
        )


def size(
    proposal: Proposal,
    portfolio: Portfolio,
    settings: BotSettings,
    instrument: Instrument,
    factors: Sequence[Factor] = (),
) -> Sizing:
    """risk_amount / (|entry - stop| + costs) at the worst fill, rounded down to the step, then
    capped by notional, gross exposure, margin and the venue's maximum, then checked again.
    ``factors`` scale the risk first."""
    base = portfolio.wallet * settings.capital_share
    plan = _plan(proposal, base, factors, settings)
    minimum = minimum_order(instrument, proposal.worst_price)
    most = loss_allowed(plan.risk, portfolio.equity, settings, smallest=True)
    wanted = plan.qty
    rounds_up = (
        settings.entries.rounds_up
        and instrument.floor_qty(wanted) < minimum
        and minimum * proposal.unit_loss <= most
    )
    wanted = minimum if rounds_up else wanted
    caps, leverage = _caps(proposal, portfolio, settings, instrument, wanted)
    cap_name, cap = min(caps.items(), key=lambda item: item[1])
    qty = instrument.floor_qty(max(min(wanted, cap), ZERO))
    notional, loss = qty * proposal.worst_price, qty * proposal.unit_loss
    words = [*plan.words]
    if rounds_up:
        words.append(f"rounded up to {plain(minimum)}, the smallest order")
    if cap < wanted:
        words.append(f"capped by {cap_name} at {digits(max(cap, ZERO))} units")
    words.append(
        f"{plain(qty)} after rounding to {plain(instrument.qty_step)}: {number(notional)} USDT at "
        f"{plain(leverage)}x, {number(quantise(loss))} USDT lost at the stop"
    )
    capped_by = cap_name if cap < wanted else ""
    allowed = loss_allowed(plan.risk, portfolio.equity, settings, smallest=qty <= minimum)
    return Sizing(
        qty=qty,
        risk_amount=quantise(loss),
        notional=notional,
        leverage=leverage,
        margin=quantise(notional / leverage),
        words=tuple(words),
        verdicts=(
            _minimum(proposal, qty, minimum, capped_by, plan, settings),
            _within_caps(qty, cap_name, cap),
            _loss(loss, allowed),
            _liquidation(proposal, leverage, instrument),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the bot would like to trade before any cap: ``qty`` at a planned ``risk`` in USDT. One
    USDT of capital may lose ``risk_share`` and buys ``units`` of the base coin."""

    risk: Decimal
    qty: Decimal
    risk_share: Decimal
    units: Decimal
    words: tuple[str, ...]


def _plan(
    proposal: Proposal, base: Decimal, factors: Sequence[Factor], settings: BotSettings
) -> _Plan:
    scale, share = product(factors), settings.limits.risk_per_trade
    risk = base * share * scale
    by_risk = risk / proposal.unit_loss
    words = [
        _terms(base, share, factors, risk),
        f"stop {plain(proposal.stop_distance)} + costs {digits(proposal.unit_costs)} per unit",
        f"{number(risk)} / {digits(proposal.unit_loss)} = {digits(by_risk)} units",
    ]
    units = share * scale / proposal.unit_loss
    if settings.entries.method is not SizingMethod.NOTIONAL:
        return _Plan(risk, by_risk, share * scale, units, tuple(words))
    part = settings.entries.notional_share
    value = base * part * scale
    qty = min(by_risk, value / proposal.worst_price)
    words.append(f"fixed position: {_terms(base, part, factors, value)}, {digits(qty)} units")
    units = min(units, part * scale / proposal.worst_price)
    return _Plan(risk, qty, share * scale, units, tuple(words))


def _terms(base: Decimal, share: Decimal, factors: Sequence[Factor], result: Decimal) -> str:
    scaled = (f"{plain(factor.value)} ({factor.text})" for factor in factors)
    terms = " x ".join([f"{number(base)} USDT x {percent(share)}", *scaled])
    return f"{terms} = {number(result)} USDT"


def minimum_order(instrument: Instrument, price: Decimal) -> Decimal:
    """The smallest quantity that the venue takes at ``price``."""
    # Rounding the negative down rounds the quantity up to its step.
    by_value = -instrument.floor_qty(-instrument.min_notional / price)
    return max(instrument.min_qty, by_value)


def loss_allowed(
    planned: Decimal, equity: Decimal, settings: BotSettings, *, smallest: bool
) -> Decimal:
    """USDT that the stop may take of a trade that plans to risk ``planned``: 1.01 of it. The
    smallest order of the venue may take 1.25 of it, where the bot rounds up to it, as long as
    that is at most 1 % of equity."""
    allowed = planned * settings.rules.stop_loss_tolerance
    if smallest and settings.entries.rounds_up:
        return max(allowed, min(planned * ROUND_UP_RISK, equity * ROUND_UP_EQUITY))
    return allowed


def bot_factors(portfolio: Portfolio, settings: BotSettings) -> tuple[Factor, ...]:
    """What the bot's own past takes off its size: a bot that is new to real money starts small,
    and Kelly allows no more than its trades have earned."""
    factors = []
    if settings.real_money:
        for below, value in RAMP:
            if portfolio.bot_trades < below:
                text = f"ramp: {portfolio.bot_trades} trades closed with real money"
                factors.append(Factor("ramp", value, text))
                break
    if settings.entries.method is SizingMethod.KELLY:
        factors.append(_kelly(portfolio.bot_record or TrackRecord(), settings))
    return tuple(factors)


def _kelly(record: TrackRecord, settings: BotSettings) -> Factor:
    """Only ever reduces; says so where it can't be computed."""
    share, risk = kelly_share(record), settings.limits.risk_per_trade
    if settings.profile is not RiskProfile.CLASSIC:
        return Factor("kelly", Decimal(1), "Kelly is for the classic profile only")
    if share is None:
        known = f"{record.trades} of {KELLY_TRADES} closed trades"
        return Factor("kelly", Decimal(1), f"Kelly not applied: {known}")
    if share >= risk:
        return Factor("kelly", Decimal(1), f"Kelly would allow {percent(share)}")
    value = (share / risk).quantize(Decimal("0.0001"), rounding=ROUND_FLOOR)
    return Factor("kelly", value, f"Kelly allows {percent(share)}")


def _leverage(
    notional: Decimal, margin: Decimal, settings: BotSettings, instrument: Instrument
) -> Decimal:
    """The lowest whole leverage at which the position fits ``margin``: its slot's share of the
    base, so that the first trade leaves room for the others, or what is free, if that is less."""
    highest = min(settings.limits.max_leverage, LEVERAGE_CAP, instrument.max_leverage)
    if margin <= 0:
        return max(highest, NO_LEVERAGE)
    # A third of the base has endless digits: what fits exactly must not count as a hair more.
    share = quantise(min(notional / margin, highest))
    needed = share.to_integral_value(rounding=ROUND_CEILING)
    return max(min(needed, highest), NO_LEVERAGE)


def _caps(
    proposal: Proposal,
    portfolio: Portfolio,
    settings: BotSettings,
    instrument: Instrument,
    wanted: Decimal,
) -> tuple[dict[str, Decimal], Decimal]:
    """Most units by each cap, and the leverage of the quantity that they leave of ``wanted``."""
    limits, price = settings.limits, proposal.worst_price
    equity, base = portfolio.equity, portfolio.wallet * settings.capital_share
    gross_room = min(limits.max_gross_exposure, NOTIONAL_CAP) * equity - portfolio.gross_notional
    caps = {
        "position notional": min(limits.max_position_notional, NOTIONAL_CAP) * equity / price,
        "gross exposure": gross_room / price,
        "the exchange's maximum": instrument.max_qty,
    }
    free = max(portfolio.free_margin, ZERO) * (1 - MARGIN_RESERVE)
    affordable = max(min(wanted, *caps.values()), ZERO) * price
    leverage = _leverage(
        affordable, min(base / max(limits.max_slots, 1), free), settings, instrument
    )
    caps["free margin"] = free * leverage / price
    return caps, leverage


def _minimum(
    proposal: Proposal,
    qty: Decimal,
    minimum: Decimal,
    cap: str,
    plan: _Plan,
    settings: BotSettings,
) -> Verdict:
    """Whether the venue takes so little. ``cap`` names what cut the quantity, empty where the
    plan alone decides and more capital would help."""
    if qty >= minimum:
        text = f"{plain(qty)} is a valid quantity."
    elif cap or plan.units <= 0:
        text = f"Too small: {cap or 'the risk per trade'} leaves room for {plain(qty)} only."
    else:
        needed = minimum / plan.units
        if settings.entries.rounds_up:
            share = min(plan.risk_share * ROUND_UP_RISK, ROUND_UP_EQUITY)
            needed = min(needed, minimum * proposal.unit_loss / share)
        text = f"Too small: needs >= {number(needed)} USDT at this stop."
    return Verdict("size_minimum", qty >= minimum, plain(qty), plain(minimum), text)


def _within_caps(qty: Decimal, cap_name: str, cap: Decimal) -> Verdict:
    """Asked of the rounded quantity, whatever happened to it on the way."""
    room = max(cap, ZERO)
    return Verdict(
        "size_caps",
        qty <= room,
        plain(qty),
        digits(room),
        f"The narrowest cap is {cap_name}, {digits(room)} units.",
    )


def _loss(loss: Decimal, allowed: Decimal) -> Verdict:
    return Verdict(
        "loss_at_stop",
        loss <= allowed,
        number(loss),
        number(allowed),
        f"The stop takes {number(loss)} USDT; {number(allowed)} is allowed.",
    )


def _liquidation(proposal: Proposal, leverage: Decimal, instrument: Instrument) -> Verdict:
    to_liquidation = proposal.worst_price * (1 / leverage - instrument.maintenance_rate)
    stops = to_liquidation / proposal.stop_distance
    return Verdict(
        "liquidation_distance",
        stops >= MIN_LIQUIDATION_STOPS,
        f"{number(stops, 1)} stops",
        f"{number(MIN_LIQUIDATION_STOPS, 1)} stops",
        f"Liquidation is {number(stops, 1)} stop distances away at {plain(leverage)}x.",
    )
