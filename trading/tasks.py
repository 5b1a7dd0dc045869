"""Celery tasks: three lines over a service. They may run late, twice or never."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.utils import timezone

from trading.cycle.run import cycle_run as run_cycle
from trading.cycle.schedule import cycles_create_due, cycles_requeue
from trading.models import Cycle
from trading.wiring import claimant_alive, cycle_ports, market_for

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


@shared_task(name="trading.tasks.beat_alive", ignore_result=True)
def beat_alive() -> str:
    """Proof that beat sends and a worker takes."""
    return timezone.now().isoformat()


def enqueue_cycle(cycle_id: int) -> None:
    """A hint to the workers; the row is what counts."""
    cycle_run.delay(cycle_id)
