"""What makes a machine slow: processes that never rest, and a queue of analyses."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from exchange.candles import floor_time

if TYPE_CHECKING:
    from exchange.models import ExchangeAccount

BUSY_PER_CORE = 2
BACKLOG = 200
TIMEFRAME = "15m"
NAME = "load"
# It ends with whoever started it, however that ends.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
WAITING = ("due", "running")


@contextmanager
def busy_processors() -> Iterator[None]:
    """``BUSY_PER_CORE`` endless loops per processor, at ordinary priority."""
    count = BUSY_PER_CORE * (os.cpu_count() or 1)
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class Backlog:
    """Cycles that wait for a task worker. Each has a profile of its own, because the same question
    to the same analyst is not asked twice, and only observes."""

    def __init__(self, account: ExchangeAccount, symbols: tuple[str, ...]) -> None:
        self._account, self._symbols = account, symbols

    def fill(self) -> None:
        """Bring what waits back to ``BACKLOG``."""
        from trading.models import Cycle

        for _ in range(BACKLOG - Cycle.objects.filter(state="due").count()):
            self._add()

    def done(self) -> int:
        """How many were carried out. Raises ``RuntimeError`` where one did not read its charts."""
        from trading.models import Cycle, Signal

        ended = Cycle.objects.filter(bot__name__startswith=NAME).exclude(state__in=WAITING)
        failed = ended.exclude(state="completed").first()
        if failed is not None:
            raise RuntimeError(f"{failed} is {failed.state}: {failed.reason}")
        unread = Signal.objects.filter(cycle__in=ended, analysis=None).first()
        if unread is not None:
            raise RuntimeError(f"{unread} was not read: {unread.state_reason}")
        return ended.count()

    def _add(self) -> None:
        from analysis.choices import AnalystKind
        from analysis.models import AnalystProfile
        from trading.choices import Autonomy, BotState
        from trading.models import Cycle
        from trading.services import bot_create
        from trading.tasks import enqueue_cycle

        name = f"{NAME} {uuid.uuid4().hex[:12]}"
        bot = bot_create(
            account=self._account,
            name=name,
            timeframe=TIMEFRAME,
            symbols=self._symbols,
            analyst_profile=AnalystProfile.objects.create(name=name, kind=AnalystKind.TECHNICAL),
            autonomy=Autonomy.OBSERVE,
            state=BotState.PAUSED,
        )
        boundary = floor_time(datetime.now(UTC), timedelta(minutes=15))
        cycle = Cycle.objects.create(bot=bot, timeframe=TIMEFRAME, boundary=boundary, attempt=1)
        enqueue_cycle(cycle.pk)
