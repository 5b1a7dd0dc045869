"""Named moments at which a crash test may strike; nothing happens unless a test armed them.

``arm`` is called at start only where ``FAULTS_DIR`` is set and every endpoint is on this machine. A
file of that folder named after a point says what happens when it is reached, and is taken away
first, so that it happens once: ``kill`` (SIGKILL to this process), ``stop`` (SIGSTOP), ``raise``
(``FaultRaised``), ``exit`` or ``sleep:SECONDS``. ``kill:3`` strikes the third time. Where each
point stands is listed in ``POINTS``.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

POINTS = {
    "K1": "a cycle was claimed, no symbol read yet",
    "K2": "the analyst has answered, nothing is stored",
    "K3": "a call is stored as sent, its question has not left",
    "K4": "the model has answered, the answer is not stored",
    "K5": "signals are committed, nobody told",
    "K8": "a signal is claimed for sending, its order not stored",
    "K9": "an entry is stored and marked submitted, not sent",
    "K10": "the venue has the entry, its answer is not read",
    "K11": "the answer is read, not stored",
    "K12": "a fill is heard of, not stored",
    "K13": "a trade opened, its stop not read back",
    "K14": "a stop was sent, its answer not stored",
    "K15": "an exit was sent, its answer not stored",
    "K16": "in the middle of a reconciliation",
    "K17": "trading is halted, working entries not cancelled",
}

_folder: Path | None = None
_reached: dict[str, int] = {}
_lock = threading.Lock()


class FaultRaised(Exception):
    """A crash test asked for an error here."""


def arm(folder: Path | None) -> None:
    """Look into ``folder`` from now on; None makes every point inert again."""
    global _folder
    _folder = folder
    _reached.clear()


def fault_point(name: str) -> None:
    """Do what a test asked for at this moment; normally nothing."""
    if _folder is None:
        return
    action = _due(_folder / name)
    if action is not None:
        _strike(name, action)


def _due(order: Path) -> str | None:
    """The action, if the file asks for it at this visit."""
    with _lock, suppress(FileNotFoundError):
        action, _, number = order.read_text(encoding="ascii").strip().partition(":")
        if action == "sleep":
            order.unlink()
            return f"sleep:{number}"
        _reached[order.name] = _reached.get(order.name, 0) + 1
        if _reached[order.name] >= int(number or 1):
            _reached[order.name] = 0
            order.unlink()
            return action
    return None


def _strike(name: str, action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "exit":
        os._exit(1)
    elif action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
    else:
        raise FaultRaised(f"asked for at {name}")
