"""Mend what a comparison with the exchange has proved, on an operator's wish."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import transaction

from exchange.errors import ExchangeError, OrderRejected
from trading.choices import EventLevel
from trading.events import record
from trading.execution.desk import Desk
from trading.execution.differences import Difference
from trading.execution.executor import protect
from trading.execution.settling import hand_over
from trading.models import Trade


def mend(desk: Desk, differences: Sequence[Difference]) -> tuple[str, ...]:
    """Mend each difference that is proved and can be mended. Returns what was done, in
    sentences; one that the exchange did not answer is left for the next time."""
    done = []
    for difference in differences:
        if not difference.proved or not difference.mend:
            continue
        try:
            _MENDERS[difference.kind](desk, difference)
        except ExchangeError as exc:
            done.append(f"{difference.text}: not mended, {exc}")
            continue
        done.append(f"{difference.text}: {difference.mend}")
    if done:
        record(
            "engine_mended",
            "Mended on request: " + "; ".join(done),
            account=desk.account,
            level=EventLevel.WARNING,
            data={"mended": done},
            market_time=desk.market.now(),
        )
    return tuple(done)


def _hand_over(desk: Desk, difference: Difference) -> None:
    with transaction.atomic():
        trade = Trade.objects.select_related("account").get(pk=difference.trade)
        hand_over(trade, difference.qty, desk.market.now())


def _set_stop(desk: Desk, difference: Difference) -> None:
    refusal = protect(desk, Trade.objects.get(pk=difference.trade))
    if refusal:
        raise OrderRejected(refusal, code="refused")


def _cancel(desk: Desk, difference: Difference) -> None:
    desk.client.cancel_order(symbol=difference.symbol, order_link_id=difference.order_link_id)


_MENDERS: dict[str, Callable[[Desk, Difference], None]] = {
    "position": _hand_over,
    "stop": _set_stop,
    "order": _cancel,
}
