"""Settings of the exit rules: what an operator may choose, how it is stored, what makes no sense.

R is the distance from the average entry to the initial stop, per unit.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from trading.choices import OppositeSignal, RiskProfile

TIGHTENING = (
    (Decimal("1.5"), Decimal("0.75")),
    (Decimal("2.0"), Decimal("1.2")),
    (Decimal("2.5"), Decimal("2.0")),
    (Decimal("3.0"), Decimal("2.5")),
)
# No setting in R lies beyond it: more is a slip of the pen.
MAX_R = Decimal(100)
# A trail is a share of price. More than that would never be near the target.
MAX_TRAIL = Decimal("0.1")
TRAIL_BEHIND = Decimal("0.01")
MAX_AGE_SHARE = Decimal("0.3")

Pairs = tuple[tuple[Decimal, Decimal], ...]


class ExitSettingsInvalid(ValueError):
    """Stored exit settings can't be read; the text names the field."""


@dataclass(frozen=True, slots=True)
class ExitSettings:
    """Frozen into each trade at its entry. None, an empty list and ``off`` switch a rule off.

    ``tightening`` holds pairs (reached R, stop at R), both rising; ``max_holding_bars`` and
    ``age_bars`` count bars of the bot's timeframe, ``timeframe_s`` is their length.
    ``trail_within`` is how near the target price must close, as a share of the target, and
    ``trail_behind`` how far behind the close the stop then follows, as a share of the close.
    A trade below 1 R after ``age_bars`` gets its stop nearer by ``age_share`` of the initial
    distance. ``partials`` holds pairs (reached R, share of the position to take), R rising.
    ``invalidation`` and ``opposite`` end a trade when its analysis says so, or a new one.
    """

    breakeven_at_r: Decimal | None
    tightening: Pairs
    max_holding_bars: int
    timeframe_s: int
    trail_within: Decimal | None = None
    trail_behind: Decimal = TRAIL_BEHIND
    age_bars: int | None = None
    age_share: Decimal = MAX_AGE_SHARE
    partials: Pairs = ()
    invalidation: bool = False
    opposite: OppositeSignal = OppositeSignal.OFF

    @property
    def timeframe(self) -> timedelta:
        return timedelta(seconds=self.timeframe_s)

    @property
    def max_holding(self) -> timedelta:
        return self.max_holding_bars * self.timeframe

    @property
    def aged_after(self) -> timedelta | None:
        """How long a trade may stay below 1 R; None: for ever."""
        return None if self.age_bars is None else self.age_bars * self.timeframe

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON column; decimals as text."""
        return {
            "breakeven_at_r": _text(self.breakeven_at_r),
            "tightening": _plain(self.tightening),
            "max_holding_bars": self.max_holding_bars,
            "timeframe_s": self.timeframe_s,
            "trail_within": _text(self.trail_within),
            "trail_behind": _text(self.trail_behind),
            "age_bars": self.age_bars,
            "age_share": _text(self.age_share),
            "partials": _plain(self.partials),
            "invalidation": self.invalidation,
            "opposite": self.opposite.value,
        }

    @classmethod
    def from_json(cls, stored: object) -> ExitSettings:
        """Read what ``as_json`` wrote, or an operator typed; a rule that is not named is off.

        Raises ``ExitSettingsInvalid``.
        """
        if not isinstance(stored, dict):
            raise ExitSettingsInvalid("exit settings must be names with values")
        _refuse_names(stored)
        given = {"age_bars": None, "trail_within": None, **stored}
        settings = cls(
            breakeven_at_r=_optional_number("breakeven_at_r", given["breakeven_at_r"]),
            tightening=_pairs("tightening", given["tightening"], "the R reached, the stop at R"),
            max_holding_bars=_whole("max_holding_bars", given["max_holding_bars"]),
            timeframe_s=_whole("timeframe_s", given["timeframe_s"]),
            trail_within=_optional_number("trail_within", given["trail_within"]),
            trail_behind=_number("trail_behind", given.get("trail_behind", str(TRAIL_BEHIND))),
            age_bars=None if given["age_bars"] is None else _whole("age_bars", given["age_bars"]),
            age_share=_number("age_share", given.get("age_share", str(MAX_AGE_SHARE))),
            partials=_pairs("partials", given.get("partials", []), "the R reached, the share"),
            invalidation=_yes_or_no("invalidation", given.get("invalidation", False)),
            opposite=_opposite(given.get("opposite", OppositeSignal.OFF.value)),
        )
        settings.check()
        return settings

    def check(self) -> None:
        """Raise ``ExitSettingsInvalid`` where the numbers make no sense."""
        self._check_stops()
        self._check_times()
        self._check_partials()

    def _check_stops(self) -> None:
        if self.breakeven_at_r is not None and not self.breakeven_at_r > 0:
            raise ExitSettingsInvalid("breakeven_at_r must be above 0")
        if any(not 0 <= stop < reached for reached, stop in self.tightening):
            raise ExitSettingsInvalid("tightening: each stop must lie below the R that sets it")
        if any(a >= c or b >= d for (a, b), (c, d) in pairwise(self.tightening)):
            raise ExitSettingsInvalid("tightening must rise, in what is reached and in the stop")
        for name, share in (
            ("trail_within", self.trail_within),
            ("trail_behind", self.trail_behind),
        ):
            if share is not None and not 0 < share <= MAX_TRAIL:
                raise ExitSettingsInvalid(f"{name} must be a share above 0, at most {MAX_TRAIL}")
        if not 0 < self.age_share <= MAX_AGE_SHARE:
            raise ExitSettingsInvalid(f"age_share must be above 0, at most {MAX_AGE_SHARE}")

    def _check_times(self) -> None:
        if self.max_holding_bars < 1 or self.timeframe_s < 60:
            raise ExitSettingsInvalid("max_holding_bars must be above 0, timeframe_s at least 60")
        try:
            _ = self.max_holding
        except OverflowError as exc:
            raise ExitSettingsInvalid("max_holding_bars x timeframe_s is too long") from exc
        if self.age_bars is not None and not 0 < self.age_bars < self.max_holding_bars:
            raise ExitSettingsInvalid("age_bars must be above 0 and below max_holding_bars")

    def _check_partials(self) -> None:
        if any(reached <= 0 or share <= 0 for reached, share in self.partials):
            raise ExitSettingsInvalid("partials: each R and each share must be above 0")
        if any(a >= b for (a, _), (b, _) in pairwise(self.partials)):
            raise ExitSettingsInvalid("partials must rise in the R that is reached")
        if sum(share for _, share in self.partials) >= 1:
            raise ExitSettingsInvalid("partials: the shares must leave something to the target")


def default_exits(profile: RiskProfile, timeframe: timedelta) -> ExitSettings:
    """The profile's exits: classic tightens from 2.0 R and never moves to break-even."""
    if timeframe <= timedelta(minutes=30):
        bars = 48
    elif timeframe <= timedelta(hours=1):
        bars = 36
    else:
        bars = 18
    classic = profile is RiskProfile.CLASSIC
    return ExitSettings(
        breakeven_at_r=None if classic else Decimal("1.0"),
        tightening=TIGHTENING[1:] if classic else TIGHTENING,
        max_holding_bars=bars,
        timeframe_s=int(timeframe.total_seconds()),
    )


def _refuse_names(stored: dict[Any, Any]) -> None:
    """Rules that came later may be missing; nothing may stand there that no rule reads."""
    names = {item.name: item.default is MISSING for item in fields(ExitSettings)}
    unknown = sorted(map(str, set(stored) - set(names)))
    missing = sorted(name for name, needed in names.items() if needed and name not in stored)
    if unknown:
        raise ExitSettingsInvalid(f"unknown exit settings: {', '.join(unknown)}")
    if missing:
        raise ExitSettingsInvalid(f"missing exit settings: {', '.join(missing)}")


def _number(name: str, value: object) -> Decimal:
    """A number, typed or stored as text. A bool is an int to Python, but not to us."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ExitSettingsInvalid(f"{name} must be a number, not {value!r}")
    try:
        number = Decimal(str(value))
    except InvalidOperation as exc:
        raise ExitSettingsInvalid(f"{name} must be a number, not {value!r}") from exc
    if not number.is_finite() or abs(number) > MAX_R:
        raise ExitSettingsInvalid(f"{name} must be a number up to {MAX_R}, not {value!r}")
    return number


def _optional_number(name: str, value: object) -> Decimal | None:
    return None if value is None else _number(name, value)


def _pairs(name: str, value: object, what: str) -> Pairs:
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise ExitSettingsInvalid(f"{name} must be a list of pairs")
    if any(len(row) != 2 for row in value):
        raise ExitSettingsInvalid(f"{name} must be pairs: {what}")
    return tuple((_number(name, a), _number(name, b)) for a, b in value)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ExitSettingsInvalid(f"{name} must be a whole number, not {value!r}")
    return value


def _yes_or_no(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ExitSettingsInvalid(f"{name} must be true or false, not {value!r}")
    return value


def _opposite(value: object) -> OppositeSignal:
    try:
        return OppositeSignal(str(value))
    except ValueError as exc:
        choices = ", ".join(item.value for item in OppositeSignal)
        raise ExitSettingsInvalid(f"opposite must be one of {choices}, not {value!r}") from exc


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _plain(pairs: Pairs) -> list[list[str]]:
    return [[str(first), str(second)] for first, second in pairs]
