"""The numbers a decision depends on, frozen for the time of that decision.

Shares and fractions are 0..1 of the named base; prices and money in USDT.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from analysis.calibration import CalibrationCurve
from analysis.confidence import Weights
from trading.choices import Autonomy, RiskProfile
from trading.domain.entry_settings import EntrySettings
from trading.domain.exits import ExitSettings
from trading.domain.filters import MarketFilters
from trading.domain.protections import Protection

# Hard caps above whatever an operator enters.
NOTIONAL_CAP = Decimal(3)
LEVERAGE_CAP = Decimal(10)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of an account; ``version`` names the row they were read from."""

    version: int
    min_confidence: Decimal
    min_rr_net: Decimal
    risk_per_trade: Decimal
    max_slots: int
    max_same_direction: int
    max_entries_per_day: int
    max_open_risk: Decimal
    max_same_direction_risk: Decimal
    max_daily_loss: Decimal
    max_weekly_loss: Decimal
    max_drawdown: Decimal
    half_size_losses: int
    pause_losses: int
    max_per_group: int
    weekend_half_size: bool
    max_position_notional: Decimal
    max_gross_exposure: Decimal
    max_leverage: Decimal


@dataclass(frozen=True, slots=True)
class SignalRules:
    """Distances and waiting times of signal validation and of the entry order."""

    min_stop_atr: Decimal = Decimal("1.0")
    min_stop_costs: Decimal = Decimal(5)
    min_stop_spreads: Decimal = Decimal(4)
    max_stop_share: Decimal = Decimal("0.06")
    max_stop_atr: Decimal = Decimal(4)
    max_entry_distance_atr: Decimal = Decimal("0.5")
    near_entry_atr: Decimal = Decimal("0.1")
    slippage_allowance: Decimal = Decimal("0.0005")
    max_slip_share: Decimal = Decimal("0.0005")
    max_slip_of_stop: Decimal = Decimal("0.05")
    similar_bars: int = 6
    similar_entry_atr: Decimal = Decimal("0.5")
    cooldown_bars: int = 4
    cooldown_time: timedelta = timedelta(hours=2)
    same_side_cooldown_bars: int = 8
    same_side_stop_outs: int = 2
    gap_window: int = 50
    entry_life_bars: int = 2
    entry_life_time: timedelta = timedelta(hours=4)
    max_drift_r: Decimal = Decimal("0.25")
    max_quote_age_s: Decimal = Decimal(3)
    risk_overrun: Decimal = Decimal("1.2")
    stop_loss_tolerance: Decimal = Decimal("1.01")

    def entry_life(self, timeframe: timedelta) -> timedelta:
        """How long an unfilled entry may work: 2 bars, at most 4 hours."""
        return min(self.entry_life_bars * timeframe, self.entry_life_time)

    def cooldown(self, timeframe: timedelta) -> timedelta:
        """Pause of a symbol after a stop-out: 4 bars, at least 2 hours."""
        return max(self.cooldown_bars * timeframe, self.cooldown_time)


@dataclass(frozen=True, slots=True)
class OwnLimits:
    """How much of the account's room one bot may take; None is as much as there is."""

    max_slots: int | None = None
    max_same_direction: int | None = None
    max_entries_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class BotSettings:
    """All settings of one bot's decision. ``median_hold`` is how long half of its closed trades
    lasted, None while they are too few. ``profile`` is the one that its limits came from; with
    ``real_money`` a new bot starts small."""

    timeframe: timedelta
    autonomy: Autonomy
    capital_share: Decimal
    limits: Limits
    exits: ExitSettings
    rules: SignalRules = field(default_factory=SignalRules)
    filters: MarketFilters = field(default_factory=MarketFilters)
    entries: EntrySettings = field(default_factory=EntrySettings)
    protections: tuple[Protection, ...] = ()
    calibration: CalibrationCurve | None = None
    median_hold: timedelta | None = None
    weights: Weights = field(default_factory=Weights)
    profile: RiskProfile = RiskProfile.CONSERVATIVE
    real_money: bool = False
    own: OwnLimits = field(default_factory=OwnLimits)


PROFILE_LIMITS: dict[RiskProfile, Limits] = {
    RiskProfile.CONSERVATIVE: Limits(
        version=0,
        min_confidence=Decimal("0.65"),
        min_rr_net=Decimal("1.5"),
        risk_per_trade=Decimal("0.005"),
        max_slots=3,
        max_same_direction=2,
        max_entries_per_day=6,
        max_open_risk=Decimal("0.02"),
        max_same_direction_risk=Decimal("0.0125"),
        max_daily_loss=Decimal("0.02"),
        max_weekly_loss=Decimal("0.04"),
        max_drawdown=Decimal("0.10"),
        half_size_losses=4,
        pause_losses=6,
        max_per_group=1,
        weekend_half_size=True,
        max_position_notional=Decimal("0.75"),
        max_gross_exposure=Decimal("1.5"),
        max_leverage=Decimal(3),
    ),
    RiskProfile.CLASSIC: Limits(
        version=0,
        min_confidence=Decimal("0.55"),
        min_rr_net=Decimal("1.0"),
        risk_per_trade=Decimal("0.01"),
        max_slots=5,
        max_same_direction=3,
        max_entries_per_day=20,
        max_open_risk=Decimal("0.06"),
        max_same_direction_risk=Decimal("0.04"),
        max_daily_loss=Decimal("0.06"),
        max_weekly_loss=Decimal("0.10"),
        max_drawdown=Decimal("0.15"),
        half_size_losses=4,
        pause_losses=6,
        max_per_group=1,
        weekend_half_size=True,
        max_position_notional=Decimal(2),
        max_gross_exposure=Decimal(3),
        max_leverage=Decimal(5),
    ),
}
PROFILE_EQUITY: dict[RiskProfile, Decimal] = {
    RiskProfile.CONSERVATIVE: Decimal(1000),
    RiskProfile.CLASSIC: Decimal(10000),
}
