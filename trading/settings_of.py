"""Limits of an account and settings of a bot: rows into the values that the rules take."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from exchange.choices import REAL_MONEY_MODES
from exchange.domain import TIMEFRAMES
from exchange.models import ExchangeAccount
from trading.calibration import calibration_of
from trading.choices import Autonomy, RiskProfile
from trading.domain.caps import capped
from trading.domain.entry_settings import EntrySettings
from trading.domain.exits import ExitSettings, default_exits
from trading.domain.filters import MarketFilters
from trading.domain.protection_json import protections_of
from trading.domain.settings import BotSettings, Limits
from trading.domain.tighter import tightened, tighter_of
from trading.holding import median_hold
from trading.models import Bot, RiskLimits
from trading.selectors import RULES


def limits_current(account: ExchangeAccount) -> RiskLimits:
    """The newest limits of the account."""
    return RiskLimits.objects.filter(account=account).latest("version")


def limits_value(row: RiskLimits) -> Limits:
    """The row as the value the rules take, within the hard caps whatever is stored."""
    return capped(
        Limits(
            version=row.version,
            min_confidence=row.min_confidence,
            min_rr_net=row.min_rr_net,
            risk_per_trade=row.risk_per_trade,
            max_slots=row.max_slots,
            max_same_direction=row.max_same_direction,
            max_entries_per_day=row.max_entries_per_day,
            max_open_risk=row.max_open_risk,
            max_same_direction_risk=row.max_same_direction_risk,
            max_daily_loss=row.max_daily_loss,
            max_weekly_loss=row.max_weekly_loss,
            max_drawdown=row.max_drawdown,
            half_size_losses=row.half_size_losses,
            pause_losses=row.pause_losses,
            max_per_group=row.max_per_group,
            weekend_half_size=row.weekend_half_size,
            max_position_notional=row.max_position_notional,
            max_gross_exposure=row.max_gross_exposure,
            max_leverage=row.max_leverage,
        )
    )


def account_settings(limits: RiskLimits) -> BotSettings:
    """The limits of an account as no bot narrows them, for what is told of the account itself.
    Raises ``SettingsInvalid``."""
    timeframe = TIMEFRAMES["1h"]
    return BotSettings(
        timeframe=timeframe,
        autonomy=Autonomy.OBSERVE,
        capital_share=Decimal(1),
        limits=limits_value(limits),
        exits=default_exits(RiskProfile(limits.profile), timeframe),
        rules=RULES,
        protections=protections_of(limits.protections, timeframe),
    )


def exits_for(bot: Bot, limits: RiskLimits, timeframe: str) -> ExitSettings:
    """The bot's own exit settings, or where it has none those of the limits' profile. Raises
    ``ExitSettingsInvalid``."""
    if bot.exit_settings:
        return ExitSettings.from_json(bot.exit_settings)
    return default_exits(RiskProfile(limits.profile), TIMEFRAMES[timeframe])


def settings_to_admit(bot: Bot, limits: RiskLimits, now: datetime) -> BotSettings:
    """The same for a signal that is decided already: its size is weighed by the calibration where
    the bot wants that, and nothing else depends on past trades. Raises as ``bot_settings``."""
    weighed = EntrySettings.from_json(bot.entry_settings).calibrated
    return bot_settings(bot, limits, now if weighed else None)


def bot_settings(bot: Bot, limits: RiskLimits, now: datetime | None = None) -> BotSettings:
    """Settings of a bot's next decision. What its trades have shown, calibration and how long they
    last, counts up to ``now`` (market time), and not at all without it. Raises ``SettingsInvalid``,
    ``ExitSettingsInvalid`` and ``EntrySettingsInvalid``."""
    effective, own = tightened(limits_value(limits), tighter_of(bot.tighter_limits))
    return BotSettings(
        timeframe=TIMEFRAMES[bot.timeframe],
        autonomy=Autonomy(bot.autonomy),
        capital_share=bot.capital_share,
        limits=effective,
        own=own,
        protections=protections_of(limits.protections, TIMEFRAMES[bot.timeframe]),
        exits=exits_for(bot, limits, bot.timeframe),
        rules=RULES,
        filters=MarketFilters.from_json(limits.filters),
        median_hold=median_hold(bot, now) if now is not None else None,
        calibration=calibration_of(bot, now) if now is not None else None,
        entries=EntrySettings.from_json(bot.entry_settings),
        profile=RiskProfile(limits.profile),
        real_money=bot.account.mode in REAL_MONEY_MODES,
    )
