"""How much: from the risk of one trade to a quantity that is valid and affordable."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from exchange.domain import ZERO, Instrument
from trading.domain.portfolio import Exposure, Portfolio
from trading.domain.settings import LEVERAGE_CAP, NOTIONAL_CAP, BotSettings
from trading.domain.signal import Proposal
from trading.domain.verdict import Verdict, number, percent, plain

# Part of the free margin that stays free, for fees and price moves until the fill.
MARGIN_RESERVE = Decimal("0.02")
# Bybit's lowest maintenance margin tier for liquid perpetuals.
MAINTENANCE_RATE = Decimal("0.005")
MIN_LIQUIDATION_STOPS = Decimal("2.5")
CENT = Decimal("0.00000001")


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
            exit_cost_rate=taker_fee + settings.rules.slippage_allowance,
            margin=self.margin,
            working=True,
        )


def size(
    proposal: Proposal, portfolio: Portfolio, settings: BotSettings, instrument: Instrument
) -> Sizing:
    """risk_amount / (|entry - stop| + costs) at the worst fill, rounded down to the step, then
    capped by notional, gross exposure, margin and the venue's maximum, then checked again."""
    limits = settings.limits
    base = portfolio.wallet * settings.capital_share
    target_risk = base * limits.risk_per_trade
    wanted = target_risk / proposal.unit_loss
    leverage = _leverage(wanted * proposal.worst_price, base, settings)
    caps = _caps(proposal, portfolio, settings, leverage, instrument)
    cap_name, cap = min(caps.items(), key=lambda item: item[1])
    qty = instrument.floor_qty(max(min(wanted, cap), ZERO))
    notional = qty * proposal.worst_price
    risk = (qty * proposal.unit_loss).quantize(CENT)
    words = [
        f"{number(base)} USDT x {percent(limits.risk_per_trade)} = {number(target_risk)} USDT",
        f"stop {plain(proposal.stop_distance)} + costs {number(proposal.unit_costs, 4)} per unit",
        f"{number(target_risk)} / {number(proposal.unit_loss, 4)} = {number(wanted, 4)} units",
    ]
    if cap < wanted:
        words.append(f"capped by {cap_name} at {number(cap, 4)} units")
    words.append(
        f"{plain(qty)} after rounding to {plain(instrument.qty_step)}: {number(notional)} USDT at "
        f"{plain(leverage)}x, {number(risk)} USDT lost at the stop"
    )
    return Sizing(
        qty=qty,
        risk_amount=risk,
        notional=notional,
        leverage=leverage,
        margin=(notional / leverage).quantize(CENT),
        words=tuple(words),
        verdicts=_verdicts(proposal, qty, target_risk, leverage, settings, instrument),
    )


def _leverage(notional: Decimal, base: Decimal, settings: BotSettings) -> Decimal:
    """The lowest whole leverage at which the position fits its slot's share of the base, so that
    the first trade leaves margin for the others."""
    slot = base / settings.limits.max_slots
    highest = min(settings.limits.max_leverage, LEVERAGE_CAP)
    if slot <= 0:
        return highest
    needed = (notional / slot).to_integral_value(rounding=ROUND_CEILING)
    return min(max(needed, Decimal(1)), highest)


def _caps(
    proposal: Proposal,
    portfolio: Portfolio,
    settings: BotSettings,
    leverage: Decimal,
    instrument: Instrument,
) -> dict[str, Decimal]:
    limits, price = settings.limits, proposal.worst_price
    equity = portfolio.equity
    gross_room = min(limits.max_gross_exposure, NOTIONAL_CAP) * equity - portfolio.gross_notional
    free = portfolio.free_margin * (1 - MARGIN_RESERVE)
    return {
        "position notional": min(limits.max_position_notional, NOTIONAL_CAP) * equity / price,
        "gross exposure": gross_room / price,
        "free margin": free * leverage / price,
        "the exchange's maximum": instrument.max_qty,
    }


def _verdicts(
    proposal: Proposal,
    qty: Decimal,
    target_risk: Decimal,
    leverage: Decimal,
    settings: BotSettings,
    instrument: Instrument,
) -> tuple[Verdict, ...]:
    price = proposal.worst_price
    minimum = max(instrument.min_qty, instrument.min_notional / price)
    needed = minimum * proposal.unit_loss / settings.limits.risk_per_trade
    large_enough = qty >= instrument.min_qty and qty * price >= instrument.min_notional
    loss = qty * proposal.unit_loss
    allowed = target_risk * settings.rules.stop_loss_tolerance
    to_liquidation = price * (1 / leverage - MAINTENANCE_RATE)
    stops = to_liquidation / proposal.stop_distance
    return (
        Verdict(
            "size_minimum",
            large_enough,
            plain(qty),
            plain(instrument.min_qty),
            f"{plain(qty)} is a valid quantity."
            if large_enough
            else f"Too small: needs at least {number(needed)} USDT of capital at this stop.",
        ),
        Verdict(
            "loss_at_stop",
            loss <= allowed,
            number(loss),
            number(allowed),
            f"The stop takes {number(loss)} USDT; {number(allowed)} is allowed.",
        ),
        Verdict(
            "liquidation_distance",
            stops >= MIN_LIQUIDATION_STOPS,
            f"{number(stops, 1)} stops",
            f"{number(MIN_LIQUIDATION_STOPS, 1)} stops",
            f"Liquidation is {number(stops, 1)} stop distances away at {plain(leverage)}x.",
        ),
    )
