"""Ask the golden set of every model that trades, once a day, and tell what has shifted."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from analysis.budget import Purse
from analysis.choices import Grade
from analysis.errors import AnalystUnavailable
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, CanaryRun, PromptVersion
from analysis.selectors import grade_of
from exchange.ports import Clock
from trading.ai import REAL_TIME, prompt_of
from trading.choices import BotState, EventLevel
from trading.events import record
from trading.models import Bot

# The golden set has a purse of its own: it must not eat what bots may spend on trading.
DAILY_CAP = Decimal(2)
# A little less than a day, so that a daily task that comes early is not put off to the next.
EVERY = timedelta(hours=20)


def canaries_run(clock: Clock) -> int:
    """Run the canary of each model that a running bot asks and that is due; how many ran."""
    return sum(
        _run(profile, prompt, clock)
        for profile, prompt in _models_in_use()
        if _is_due(profile, prompt, clock.now())
    )


def _models_in_use() -> list[tuple[AnalystProfile, PromptVersion]]:
    """Every active profile with each prompt that it trades with. On markets that run faster than
    real time nobody is asked."""
    bots = Bot.objects.filter(
        state=BotState.RUNNING,
        account__is_active=True,
        account__market_session__speed=REAL_TIME,
        analyst_profile__is_active=True,
    ).select_related("analyst_profile", "prompt_version__prompt")
    found: dict[tuple[int, int], tuple[AnalystProfile, PromptVersion]] = {}
    for bot in bots:
        prompt = prompt_of(bot)
        if prompt is not None:
            found[bot.analyst_profile_id, prompt.pk] = (bot.analyst_profile, prompt)
    return list(found.values())


def _is_due(profile: AnalystProfile, prompt: PromptVersion, now: datetime) -> bool:
    return not CanaryRun.objects.filter(
        profile=profile, identity=reading_identity(profile, prompt), ran_at__gt=now - EVERY
    ).exists()


def _run(profile: AnalystProfile, prompt: PromptVersion, clock: Clock) -> bool:
    """Whether the whole set was asked. One model's failure leaves the others alone."""
    # Imported here: it pulls in the model's client, which other processes do not need.
    from analysis.canary import canary_run

    before = grade_of(profile, prompt)
    purse = Purse(f"canary:{profile.pk}", DAILY_CAP)
    try:
        run = canary_run(profile=profile, prompt_version=prompt, purses=(purse,), clock=clock)
    except AnalystUnavailable as error:
        record(
            "canary_incomplete",
            f"{profile.name}: the golden set was not asked whole. {error}",
            level=EventLevel.NOTICE,
            data={"profile": profile.pk},
        )
        return False
    if run.alarm:
        alarm_tell(run, before)
    return True


def alarm_tell(run: CanaryRun, before: Grade) -> None:
    """Raise the alarm of ``run``, and say whether the grade that was ``before`` fell with it."""
    after = grade_of(run.profile, run.prompt_version)
    fell = f" Its grade fell to {after.label.lower()}." if after is not before else ""
    record(
        "canary_alarm",
        f"{run.profile.name} reads differently: {run.alarm}{fell}",
        level=EventLevel.WARNING,
        data={"profile": run.profile_id, "run": run.pk, "grade": after.value},
    )
