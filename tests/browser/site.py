"""The whole system with the scene in it, served by real processes on a private port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tests.crash.installation import Installation, NeverCame, kill

WAIT_S = 20.0
POLL_S = 0.05


@dataclass
class Site(Installation):
    """An installation that is served; ``process`` is None while it is down."""

    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def draw(self) -> None:
        """Fill the empty data folder with the scene."""
        self._finished([sys.executable, "-m", "tests.browser.scene"])

    def up(self) -> None:
        """Serve; returns when the trader holds the account."""
        self.process = self.start("serve")
        self.until_healthy(self.process)
        self.until_reconciled(self.process)

    def down(self) -> None:
        """End everything at once, as a power cut would."""
        if self.process is not None:
            kill(self.process)
            self.process = None

    def freeze(self) -> None:
        """Halt the process; its sockets stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue a halted process."""
        self._signal(signal.SIGCONT)

    def recover(self) -> None:
        """Serve again, whatever state a failed test left behind."""
        if self.process is None or self.process.poll() is not None:
            self.up()
        else:
            self.thaw()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, number)

    def value(self, query: str, *parameters: object) -> Any:
        """The one value that ``query`` reads from the database."""
        with closing(self.connect()) as database:
            return database.execute(query, parameters).fetchone()[0]

    def trade_of(self, symbol: str) -> int:
        """Id of the open trade in ``symbol``, waited for."""
        query = "SELECT max(id) FROM trading_trade WHERE symbol = ? AND state = 'open'"
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = self.value(query, symbol)
            if found is not None:
                return int(found)
            time.sleep(POLL_S)
        raise NeverCame(f"no open trade in {symbol}:\n{self.output()}")
