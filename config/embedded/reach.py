"""After the start: whether Bybit can be reached for the accounts on its prices, in words."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from exchange.bybit.findings import Level
from exchange.choices import Mode, Region
from exchange.models import ExchangeAccount
from trading.accounts import LIVE_PRICE_MODES
from trading.connection import account_examine
from trading.errors import ActionRefused

Write = Callable[[str], None]

logger = structlog.get_logger(__name__)


class Reach(threading.Thread):
    """Examines each active account on Bybit's prices once and says what stands in its way.

    Beside the start and not before it: the console must come up where Bybit does not answer.
    """

    def __init__(self, write: Write) -> None:
        super().__init__(name="reach", daemon=True)
        self._write = write

    def run(self) -> None:
        try:
            accounts = ExchangeAccount.objects.filter(is_active=True, mode__in=LIVE_PRICE_MODES)
            for account in accounts.select_related("market_session"):
                for line in reach_lines(account):
                    self._write(f"  {timezone.now():%H:%M:%S}  {line}")
        except DatabaseError:
            # These lines are a courtesy; who needs the database says so.
            logger.debug("reach_unread", exc_info=True)
        finally:
            connection.close()


def reach_lines(account: ExchangeAccount) -> list[str]:
    """One line where all is well, else a line per problem with what to do."""
    try:
        looked = account_examine(account)
    except ActionRefused as error:
        return [f"{account}: {error}"]
    if not looked.problems:
        warnings = sum(finding.level is Level.WARNING for finding in looked.findings)
        more = f", {warnings} warnings on its connection page" if warnings else ""
        return [f"{account}: {looked.findings[0].text.rstrip('.')}{more}."]
    lines = [f"{account}: {finding.text} {finding.what_to_do}" for finding in looked.problems]
    unreached = looked.problems[0].check == "reachable"
    if unreached and account.mode == Mode.PAPER:
        other = Region.EUROPE if account.region == Region.GLOBAL else Region.GLOBAL
        again = f"make run MARKET=bybit BYBIT_REGION={other}"
        lines.append(f"To try another site stop with Ctrl-C, then for example {again}")
    return lines
