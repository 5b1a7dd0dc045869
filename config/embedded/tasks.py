"""Celery worker and beat as threads of this process, over the in-memory broker."""

from __future__ import annotations

import threading
import time
import warnings
from typing import Any

from celery.beat import EmbeddedService
from celery.signals import worker_ready
from celery.worker import state

from config.celery import app

DRAIN_TIMEOUT_S = 0.2
READY_TIMEOUT_S = 10.0
CONCURRENCY = 2


class TaskThreads:
    """One worker with two task threads, and beat. ``start`` once, then ``stop`` once.

    Tasks that run longer than the deadline of ``stop`` are cut by the end of the process, as a
    crash would cut them: they all pick up from rows.
    """

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._worker: threading.Thread | None = None
        self._beat: Any = None

    def start(self) -> None:
        """Return when tasks are taken. Raises ``RuntimeError`` when the worker does not start."""
        # Celery warns about root, where only unpickling untrusted messages would be a danger.
        warnings.filterwarnings("ignore", module="celery.platforms")
        warnings.filterwarnings("ignore", message=".*superuser privileges.*")
        state.should_stop = None
        worker_ready.connect(self._on_ready, weak=False)
        worker = app.Worker(
            pool="threads",
            concurrency=CONCURRENCY,
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        self._worker = threading.Thread(target=worker.start, name="worker", daemon=True)
        self._worker.start()
        if not self._ready.wait(READY_TIMEOUT_S):
            raise RuntimeError("the task worker did not start; see the log above")
        # The setting counts for the beat command only.
        self._beat = EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler)
        self._beat.start()

    def stop(self, timeout: float) -> bool:
        """Ask both to end; return whether they did within ``timeout`` seconds."""
        state.should_stop = 0
        threads = [thread for thread in (self._worker,) if thread is not None]
        if self._beat is not None:
            # Beat's own stop waits without a deadline.
            threads.append(threading.Thread(target=self._beat.stop, daemon=True))
            threads[-1].start()
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        worker_ready.disconnect(self._on_ready)
        return not any(thread.is_alive() for thread in threads)

    def _on_ready(self, sender: Any, **kwargs: Any) -> None:
        # The loop of the in-memory broker blocks for 2 s at a time, twice at its end.
        connection = sender.connection
        drain = connection.drain_events

        def drain_briefly(timeout: float | None = None, **options: Any) -> Any:
            return drain(timeout=min(timeout or DRAIN_TIMEOUT_S, DRAIN_TIMEOUT_S), **options)

        connection.drain_events = drain_briefly
        self._ready.set()
