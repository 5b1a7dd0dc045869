"""The calibration of a bot: which closed trades its confidence is measured on.

Trades count when the same bot took them on an answer of the same analyst, version and prompt:
another reader of the chart means other confidences. A bot has one account and so one mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
from django.db.models import QuerySet

from analysis.calibration import CalibrationCurve, fit
from trading.ai import prompt_of
from trading.choices import TradeState
from trading.domain.verdict import percent
from trading.models import Bot, Trade

# Bots of one installation, each with the curve of now and a few of before.
KEPT = 256
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Which trades: those of one bot and analyst. ``count`` and ``newest`` change with every
    trade that is added, so together they name one state of the table."""

    bot_id: int
    bot_since: datetime
    profile_id: int
    profile_version: int
    prompt_id: int | None
    count: int
    newest: datetime | None


def calibration_of(bot: Bot, now: datetime) -> CalibrationCurve:
    """The bot's curve from trades that closed before ``now`` (market time); without points while
    they are too few. It is fitted again only when another trade has closed."""
    rows = labelled_trades(bot, now)
    newest = rows.order_by("-closed_market").values_list("closed_market", flat=True).first()
    profile, prompt = bot.analyst_profile, prompt_of(bot)
    sample = _Sample(
        bot_id=bot.pk,
        bot_since=bot.created_at,
        profile_id=profile.pk,
        profile_version=profile.version,
        prompt_id=prompt.pk if prompt else None,
        count=rows.count(),
        newest=newest,
    )
    return _fitted(sample)


def labelled_trades(bot: Bot, now: datetime) -> QuerySet[Trade]:
    """Trades of the bot with its present analyst that closed before ``now`` and whose result can
    be trusted."""
    profile, prompt = bot.analyst_profile, prompt_of(bot)
    return _rows(bot.pk, profile.pk, profile.version, prompt.pk if prompt else None).filter(
        closed_market__lt=now
    )


def _rows(
    bot_id: int, profile_id: int, profile_version: int, prompt_id: int | None
) -> QuerySet[Trade]:
    return Trade.objects.filter(
        bot_id=bot_id,
        state=TradeState.CLOSED,
        unverifiable=False,
        net_pnl__isnull=False,
        signal__confidence__isnull=False,
        signal__analysis__profile_id=profile_id,
        signal__analysis__profile_version=profile_version,
        signal__analysis__prompt_version_id=prompt_id,
    )


@lru_cache(maxsize=KEPT)
def _fitted(sample: _Sample) -> CalibrationCurve:
    until = sample.newest or NEVER
    rows = _rows(sample.bot_id, sample.profile_id, sample.profile_version, sample.prompt_id).filter(
        closed_market__lte=until
    )
    found = rows.values_list("signal__confidence", "net_pnl")
    labels = [(float(raw), net > 0) for raw, net in found if raw is not None and net is not None]
    confidence = np.array([raw for raw, _ in labels], dtype=np.float64)
    won = np.array([won for _, won in labels], dtype=np.bool_)
    return fit(confidence, won, until)


def calibration_json(curve: CalibrationCurve | None, raw: Decimal) -> dict[str, Any]:
    """What the curve makes of a raw confidence, to be kept with the signal; empty without one."""
    if curve is None:
        return {}
    found = curve.chance(raw)
    if found is None:
        return {"n": curve.count}
    return {
        "p": str(found.chance),
        "se": str(found.error),
        "n": found.count,
        "method": found.method,
    }


def calibration_words(stored: dict[str, Any]) -> str:
    """What is kept with a signal, as "calibrated 61 % ± 5, n = 140"; empty where nothing is."""
    if "p" in stored:
        chance, error = Decimal(stored["p"]), Decimal(stored["se"])
        return f"calibrated {percent(chance, 0)} ± {error * 100:.0f}, n = {stored['n']}"
    return f"uncalibrated (n = {stored['n']})" if "n" in stored else ""
