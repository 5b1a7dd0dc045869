"""What tests of commands share."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture
def stopped_soon() -> Iterator[None]:
    """The signal that ends a command comes every half a second until it did."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.5):
            os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    # Until the command listens, the signal must not end the test run.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sender.start()
    yield
    ended.set()
    sender.join()
    for number, handler in before.items():
        signal.signal(number, handler)
