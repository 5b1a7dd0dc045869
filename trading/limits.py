"""Limits of an account: what a change would do, and the change itself, kept as a new version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from exchange.models import ExchangeAccount
from trading.accounts import refusing
from trading.choices import EventLevel, RiskProfile
from trading.domain.caps import CAPS, cap_refusal
from trading.domain.invalid import SettingsInvalid
from trading.domain.protection_json import protections_of
from trading.domain.settings import PROFILE_LIMITS
from trading.domain.tighter import is_looser
from trading.domain.verdict import number, percent, plain, times
from trading.errors import ActionRefused
from trading.events import record
from trading.models import OperatorAction, RiskLimits
from trading.settings_of import limits_current

Number = Decimal | int | bool
LABELS: Mapping[str, str] = {
    "min_confidence": "Lowest confidence",
    "min_rr_net": "Lowest net reward to risk",
    "risk_per_trade": "Risk per trade",
    "max_slots": "Slots",
    "max_same_direction": "Slots of one side",
    "max_entries_per_day": "Entries a day",
    "max_open_risk": "Open risk",
    "max_same_direction_risk": "Open risk of one side",
    "max_daily_loss": "Loss a day",
    "max_weekly_loss": "Loss a week",
    "max_drawdown": "Drawdown from the peak",
    "half_size_losses": "Losses in a row until half size",
    "pause_losses": "Losses in a row until a pause",
    "max_per_group": "Positions of one group",
    "weekend_half_size": "Half size at weekends",
    "max_position_notional": "One position",
    "max_gross_exposure": "All positions together",
    "max_leverage": "Leverage",
}
# What each limit is a part or multiple of, for the effect in money.
MONEY: Mapping[str, str] = {
    "risk_per_trade": "lost at one stop",
    "max_open_risk": "lost if every stop is hit",
    "max_same_direction_risk": "lost if every stop of one side is hit",
    "max_daily_loss": "max loss a day",
    "max_weekly_loss": "max loss a week",
    "max_drawdown": "below the peak, then halted",
    "max_position_notional": "in one position",
    "max_gross_exposure": "in all positions",
}
# What a version takes over from the one before.
KEPT = ("account", "profile", *LABELS, "filters", "protections", "ai_daily_cap")
NOTE_LENGTH = 200
# Spans in candles are checked with the longest timeframe; each bot reads them with its own.
LONGEST_TIMEFRAME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LimitLine:
    """One limit as it is, as it would be, and as its profile has it, in words. ``effect`` is what
    the new value means in USDT, ``before`` what the current one does; empty where money says
    nothing."""

    name: str
    label: str
    current: str
    new: str
    default: str
    before: str
    effect: str
    changed: bool
    looser: bool
    refusal: str = ""


def value_words(name: str, value: Number) -> str:
    """A limit as people read it: "2.00 %", "0.75x", "6"."""
    if isinstance(value, bool):
        return "on" if value else "off"
    amount = Decimal(value)
    if name in ("half_size_losses", "pause_losses", "max_per_group") and not value:
        return "no limit"
    unit = CAPS[name].unit
    if unit == "share":
        return percent(amount)
    return times(amount) if unit == "times" else plain(amount)


def effect_words(name: str, value: Number, equity: Decimal | None) -> str:
    """What the limit means in money: "max loss a day = 20.00 USDT"."""
    if name not in MONEY or equity is None or equity <= 0:
        return ""
    return f"{MONEY[name]} = {number(Decimal(value) * equity)} USDT"


def limits_preview(
    account: ExchangeAccount, changes: Mapping[str, Any], equity: Decimal | None
) -> list[LimitLine]:
    """Every limit with what ``changes`` would make of it, at an equity of ``equity``."""
    row = limits_current(account)
    profile = RiskProfile(changes.get("profile", row.profile))
    default = asdict(PROFILE_LIMITS[profile])
    return [
        _line(name, getattr(row, name), changes.get(name), default[name], equity) for name in LABELS
    ]


def _line(
    name: str, current: Number, wanted: Number | None, default: Number, equity: Decimal | None
) -> LimitLine:
    new = current if wanted is None else wanted
    refusal = "" if isinstance(new, bool) else cap_refusal(name, new)
    return LimitLine(
        name=name,
        label=LABELS[name],
        current=value_words(name, current),
        new=value_words(name, new),
        default=value_words(name, default),
        before=effect_words(name, current, equity),
        effect=effect_words(name, new, equity),
        changed=new != current,
        looser=new != current and is_looser(name, new, current),
        refusal=refusal,
    )


def limits_change(
    *,
    account: ExchangeAccount,
    changes: Mapping[str, Any],
    actor: User | None,
    reason: str,
    expected_version: int | None = None,
) -> RiskLimits:
    """Store the account's limits with ``changes`` as its next version; the old ones stay as they
    were. What is open is never closed for it: entries wait until it fits again.

    ``expected_version`` is the one the person saw. Raises ``ActionRefused`` for a change beyond a
    hard cap, without a reason, of nothing, or of limits that somebody else changed meanwhile.
    """
    if not reason.strip():
        raise ActionRefused("give a reason; it is kept with the change")
    if len(reason) > NOTE_LENGTH:
        raise ActionRefused(f"the reason is longer than {NOTE_LENGTH} characters")
    old = limits_current(account)
    if expected_version is not None and old.version != expected_version:
        raise ActionRefused(
            f"the limits are version {old.version} by now, not {expected_version}; look again"
        )
    altered = {name: value for name, value in changes.items() if value != getattr(old, name)}
    if not altered:
        raise ActionRefused("nothing would change")
    row = RiskLimits(**{name: getattr(old, name) for name in KEPT} | altered)
    row.version, row.note, row.actor = old.version + 1, reason.strip(), actor
    with refusing():
        row.full_clean(validate_unique=False, validate_constraints=False)
    _store(row, old, altered, actor)
    return row


def _store(
    row: RiskLimits, old: RiskLimits, altered: Mapping[str, Any], actor: User | None
) -> None:
    words = "; ".join(
        f"{LABELS.get(name, name)}: {_words(name, getattr(old, name))} to {_words(name, value)}"
        for name, value in altered.items()
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            OperatorAction.objects.create(
                actor=actor,
                action="limits changed",
                target=row.account.name,
                reason=row.note,
                data={"version": row.version, "changes": words},
            )
            record(
                "limits_changed",
                f"{row.account.name}: limits version {row.version}: {words}."[:300],
                account=row.account,
                level=EventLevel.NOTICE,
                data={"version": row.version},
            )
    except IntegrityError as exc:
        raise ActionRefused("somebody else changed the limits just now; look again") from exc


def _words(name: str, value: Any) -> str:
    if name in LABELS:
        return value_words(name, value)
    return f"{len(value)} of them" if isinstance(value, list) else str(value)


def protections_checked(rows: object) -> list[dict[str, Any]]:
    """Protections as they will be stored. Raises ``ActionRefused`` naming entry and field."""
    try:
        protections_of(rows, LONGEST_TIMEFRAME)
    except SettingsInvalid as exc:
        raise ActionRefused(str(exc)) from exc
    assert isinstance(rows, list)
    return rows
