"""How much: from the risk of one trade to a quantity that is valid and affordable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from exchange.domain import ZERO, Instrument, quantise
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.settings import LEVERAGE_CAP, NOTIONAL_CAP, BotSettings
from trading.domain.signal import Proposal
from trading.domain.verdict import Factor, Verdict, digits, number, percent, plain, product

# Part of the free margin that stays free, for fees and price moves until the fill.
MARGIN_RESERVE = Decimal("0.02")
# Bybit's lowest maintenance margin tier for liquid perpetuals.
MAINTENANCE_RATE = Decimal("0.005")
MIN_LIQUIDATION_STOPS = Decimal("2.5")
# Isolated margin without borrowing: there is nothing lower to ask the venue for.
NO_LEVERAGE = Decimal(1)


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
    limits = settings.limits
    base = portfolio.wallet * settings.capital_share
    target_risk = base * limits.risk_per_trade * product(factors)
    wanted = target_risk / proposal.unit_loss
    caps = _caps(proposal, portfolio, settings, instrument)
    free = max(portfolio.free_margin, ZERO) * (1 - MARGIN_RESERVE)
    affordable = max(min(wanted, *caps.values()), ZERO) * proposal.worst_price
    leverage = _leverage(affordable, min(base / limits.max_slots, free), settings, instrument)
    caps["free margin"] = free * leverage / proposal.worst_price
    cap_name, cap = min(caps.items(), key=lambda item: item[1])
    qty = instrument.floor_qty(max(min(wanted, cap), ZERO))
    notional = qty * proposal.worst_price
    risk = quantise(qty * proposal.unit_loss)
    words = [
        " x ".join(
            [
                f"{number(base)} USDT x {percent(limits.risk_per_trade)}",
                *(f"{plain(factor.value)} ({factor.text})" for factor in factors),
            ]
        )
        + f" = {number(target_risk)} USDT",
        f"stop {plain(proposal.stop_distance)} + costs {digits(proposal.unit_costs)} per unit",
        f"{number(target_risk)} / {digits(proposal.unit_loss)} = {digits(wanted)} units",
    ]
    if cap < wanted:
        words.append(f"capped by {cap_name} at {digits(max(cap, ZERO))} units")
    words.append(
        f"{plain(qty)} after rounding to {plain(instrument.qty_step)}: {number(notional)} USDT at "
        f"{plain(leverage)}x, {number(risk)} USDT lost at the stop"
    )
    return Sizing(
        qty=qty,
        risk_amount=risk,
        notional=notional,
        leverage=leverage,
        margin=quantise(notional / leverage),
        words=tuple(words),
        verdicts=(
            _minimum(proposal, qty, cap_name if cap < wanted else "", settings, instrument),
            _loss(qty * proposal.unit_loss, target_risk * settings.rules.stop_loss_tolerance),
            _liquidation(proposal, leverage),
        ),
    )


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
) -> dict[str, Decimal]:
    """Most units by each cap that leverage does not change."""
    limits, price = settings.limits, proposal.worst_price
    equity = portfolio.equity
    gross_room = min(limits.max_gross_exposure, NOTIONAL_CAP) * equity - portfolio.gross_notional
    return {
        "position notional": min(limits.max_position_notional, NOTIONAL_CAP) * equity / price,
        "gross exposure": gross_room / price,
        "the exchange's maximum": instrument.max_qty,
    }


def _minimum(
    proposal: Proposal, qty: Decimal, cap: str, settings: BotSettings, instrument: Instrument
) -> Verdict:
    """Whether the venue takes so little. ``cap`` names what cut the quantity, empty where the
    risk alone decides and more capital would help."""
    price, risk_share = proposal.worst_price, settings.limits.risk_per_trade
    # Rounding the negative down rounds the quantity up to its step.
    by_value = -instrument.floor_qty(-instrument.min_notional / price)
    minimum = max(instrument.min_qty, by_value)
    if qty >= minimum:
        text = f"{plain(qty)} is a valid quantity."
    elif cap or risk_share <= 0:
        text = f"Too small: {cap or 'the risk per trade'} leaves room for {plain(qty)} only."
    else:
        needed = number(minimum * proposal.unit_loss / risk_share)
        text = f"Too small: needs at least {needed} USDT of capital at this stop."
    return Verdict("size_minimum", qty >= minimum, plain(qty), plain(minimum), text)


def _loss(loss: Decimal, allowed: Decimal) -> Verdict:
    return Verdict(
        "loss_at_stop",
        loss <= allowed,
        number(loss),
        number(allowed),
        f"The stop takes {number(loss)} USDT; {number(allowed)} is allowed.",
    )


def _liquidation(proposal: Proposal, leverage: Decimal) -> Verdict:
    to_liquidation = proposal.worst_price * (1 / leverage - MAINTENANCE_RATE)
    stops = to_liquidation / proposal.stop_distance
    return Verdict(
        "liquidation_distance",
        stops >= MIN_LIQUIDATION_STOPS,
        f"{number(stops, 1)} stops",
        f"{number(MIN_LIQUIDATION_STOPS, 1)} stops",
        f"Liquidation is {number(stops, 1)} stop distances away at {plain(leverage)}x.",
    )
