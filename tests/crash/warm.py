"""``python -m tests.crash.warm``: a warm parent that forks the product's processes.

Django and all modules are imported once; a start is then a fork and takes milliseconds, so hundreds
of kills are affordable. Orders come as JSON lines on standard input, answers and deaths go out as
JSON lines. A child is the leader of its own process group and dies with this parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

PR_SET_PDEATHSIG = 1
POLL_S = 0.005


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    _import_everything()
    _tell({"ready": os.getpid()})
    children: set[int] = set()
    unread = b""
    while True:
        readable, _, _ = select.select([0], [], [], POLL_S)
        if readable:
            read = os.read(0, 65536)
            if not read:
                return
            *lines, unread = (unread + read).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = _fork(order)
                children.add(pid)
                _tell({"started": pid, "number": order["number"]})
        for pid in list(children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                children.discard(pid)
                _tell({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _import_everything() -> None:
    import trading.tasks
    import trading.traders  # noqa: F401
    from config.celery import app
    from exchange.bybit import assembly  # noqa: F401

    app.finalize()


def _fork(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _become_child(Path(order["log"]))
        _arm(Path(order["faults"]))
        ROLES[order["role"]](order)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _become_child(log: Path) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _arm(folder: Path) -> None:
    from exchange import fault_points

    fault_points.arm(folder)


def _trader(order: dict[str, Any]) -> None:
    from trading.traders import TraderSupervisor

    supervisor = TraderSupervisor([order["account"]])
    supervisor.start()
    _wait_for_the_end()
    supervisor.stop(5)


def _worker(order: dict[str, Any]) -> None:
    """Worker and beat as threads, on whatever broker the settings name."""
    from config.embedded.tasks import TaskThreads

    TaskThreads().start()
    _wait_for_the_end()


def _everything(order: dict[str, Any]) -> None:
    from django.core.management import call_command

    call_command("serve")


def _wait_for_the_end() -> None:
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    signal.sigwait(ends)


ROLES: dict[str, Callable[[dict[str, Any]], None]] = {
    "trader": _trader,
    "worker": _worker,
    "everything": _everything,
}


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
