"""Celery tasks: three lines over a service. They may run late, twice or never."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.utils import timezone

from analysis.models import AnalystProfile, ChartUpload
from exchange.errors import ExchangeError
from exchange.models import ExchangeAccount
from trading.canaries import canaries_run
from trading.counterfactual import counterfactuals_run
from trading.cycle.run import cycle_run as run_cycle
from trading.cycle.schedule import cycles_create_due, cycles_requeue
from trading.models import Cycle
from trading.notices import notices_keep
from trading.retention import evidence_expire
from trading.uploads import upload_charge
from trading.wiring import WALL, announced, claimant_alive, cycle_ports, market_for

logger = structlog.get_logger(__name__)


@shared_task(name="trading.tasks.cycles_due", ignore_result=True)
def cycles_due() -> int:
    """Create the cycles whose candle has closed, and give back those whose worker died."""
    cycles_requeue(market_for, enqueue_cycle, claimant_alive)
    return cycles_create_due(market_for, enqueue_cycle)


@shared_task(name="trading.tasks.cycle_run", ignore_result=True)
def cycle_run(cycle_id: int) -> str:
    """Run one cycle, if nobody else does."""
    bot = Cycle.objects.select_related("bot__account", "bot__analyst_profile").get(pk=cycle_id).bot
    return str(run_cycle(cycle_id, cycle_ports(bot)).state)


@shared_task(name="trading.tasks.upload_read", ignore_result=True)
def upload_read(upload_id: int, profile_id: int, account_id: int) -> str:
    """Have a brought picture read, unless that has happened."""
    upload = ChartUpload.objects.select_related("image").get(pk=upload_id)
    if upload.reading or upload.problem:
        return "read before"
    profile = AnalystProfile.objects.get(pk=profile_id)
    account = ExchangeAccount.objects.get(pk=account_id)
    upload_charge(upload=upload, profile=profile, account=account, clock=WALL)
    return upload.problem or "read"


@shared_task(name="trading.tasks.canaries", ignore_result=True)
def canaries() -> int:
    """Ask the golden set of each model that trades."""
    return canaries_run(WALL)


@shared_task(name="trading.tasks.counterfactuals", ignore_result=True)
def counterfactuals() -> str:
    """Follow signals that never traded to the outcome they would have had."""
    return str(counterfactuals_run(market_for))


@shared_task(name="trading.tasks.old_evidence", ignore_result=True)
def old_evidence() -> str:
    """Let go of pictures and texts that are older than they have to be."""
    dropped = evidence_expire(timezone.now())
    return f"{dropped.pictures} pictures, {dropped.calls} calls"


@shared_task(name="trading.tasks.notices", ignore_result=True)
def notices() -> int:
    """Keep what exchanges announce as blackouts. One account's site that fails stops no other."""
    found, now = 0, timezone.now()
    for account in ExchangeAccount.objects.select_related("market_session"):
        try:
            found += notices_keep(account, announced(account), now)
        except ExchangeError as error:
            logger.warning("notices can't be read", account=account.pk, error=str(error))
    return found


@shared_task(name="trading.tasks.beat_alive", ignore_result=True)
def beat_alive() -> str:
    """Proof that beat sends and a worker takes."""
    return timezone.now().isoformat()


def enqueue_cycle(cycle_id: int) -> None:
    """A hint to the workers; the row is what counts."""
    cycle_run.delay(cycle_id)
