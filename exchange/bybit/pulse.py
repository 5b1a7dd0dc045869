"""A sign of life: whether Bybit's REST interface still answers, asked when nobody else asks."""

from __future__ import annotations

import logging
import threading

from django.db import connections

from exchange.bybit.rest import BybitRest
from exchange.errors import ExchangeError

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Pulse:
    """A thread that keeps one door from being silent unnoticed, from ``start`` to ``stop``."""

    def __init__(self, rest: BybitRest) -> None:
        self._rest = rest
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="bybit-pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for a question that is under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._stopping.is_set():
                self._ask()
                self._stopping.wait(LOOK_EVERY_S)
        finally:
            connections.close_all()

    def _ask(self) -> None:
        try:
            self._rest.feel_pulse()
        except ExchangeError as error:
            logger.info("no sign of life: %s", error)
        except Exception:
            # The door's doubts grow with the silence; this thread must see its end.
            logger.exception("the pulse failed")
