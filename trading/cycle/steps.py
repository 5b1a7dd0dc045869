"""Record what each step of a cycle did, how long it took and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from exchange.ports import Clock
from trading.choices import StepStatus
from trading.models import Cycle, CycleStep

STEP_NAMES = (
    "can we trade",
    "fresh data",
    "chart and analysis",
    "validate and rank",
    "size",
    "approve",
    "execute",
)


@dataclass(slots=True)
class StepNote:
    """What a step wants to say about itself."""

    status: StepStatus = StepStatus.DONE
    summary: str = ""


class StepRecorder:
    """Stores each step as it ends, and tells ``on_step`` about it."""

    def __init__(
        self, cycle: Cycle, clock: Clock, on_step: Callable[[CycleStep], None] | None = None
    ) -> None:
        self._cycle = cycle
        self._clock = clock
        self._on_step = on_step

    @contextmanager
    def step(self, number: int) -> Iterator[StepNote]:
        """Time the block; an exception makes the step failed and goes on."""
        note, started, begin = StepNote(), self._clock.now(), self._clock.monotonic()
        error = ""
        try:
            yield note
        except Exception as exc:
            note.status, error = StepStatus.FAILED, f"{type(exc).__name__}: {exc}"
            raise
        finally:
            row = CycleStep(
                cycle=self._cycle,
                number=number,
                name=STEP_NAMES[number],
                status=note.status,
                started_at=started,
                duration_ms=int((self._clock.monotonic() - begin) * 1000),
                summary=note.summary[:300],
                error=error,
            )
            # A cycle that is run again after a crash writes its steps anew.
            CycleStep.objects.update_or_create(
                cycle=row.cycle,
                number=row.number,
                defaults={
                    "name": row.name,
                    "status": row.status,
                    "started_at": row.started_at,
                    "duration_ms": row.duration_ms,
                    "summary": row.summary,
                    "error": row.error,
                },
            )
            if self._on_step is not None:
                self._on_step(row)
