"""Ask many items, as many at once as the profile allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from django.db import connection

from analysis.calls.asking import Asking
from analysis.eye_test.ask import Asked, ask
from analysis.eye_test.plan import Item
from analysis.eye_test.prepare import Examiner


@dataclass(frozen=True, slots=True)
class Sitting:
    """Who is asked by whom. ``salt`` tells runs apart that ask the same again on purpose."""

    asking: Asking
    examiner: Examiner
    identity: str
    salt: str = ""

    def ask(self, item: Item) -> Asked:
        return ask(self.asking, self.examiner, item, identity=self.identity, salt=self.salt)


def ask_all(sitting: Sitting, items: Sequence[Item], told: Callable[[Asked], None]) -> None:
    """Ask every item and tell of each one, in the thread of the caller.

    Raises the first ``AnalystUnavailable`` once the questions on their way have ended; their
    answers are on record for the next time.
    """
    workers = sitting.asking.profile.max_concurrency
    if workers == 1:
        for item in items:
            told(sitting.ask(item))
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="eye-test") as pool:
        waiting = [pool.submit(_ask_in_thread, sitting, item) for item in items]
        try:
            for future in as_completed(waiting):
                told(future.result())
        except BaseException:
            for future in waiting:
                future.cancel()
            raise


def _ask_in_thread(sitting: Sitting, item: Item) -> Asked:
    try:
        return sitting.ask(item)
    finally:
        connection.close()
