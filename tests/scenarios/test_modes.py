"""Cross margin and hedge mode: no entry, and a button that sets them right while flat."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests.scenarios.stand import SYMBOL, Stand, examined, page
from trading.choices import CommandKind
from trading.models import Signal, Trade

pytestmark = pytest.mark.django_db(transaction=True)

MODES = [
    pytest.param(
        lambda stand: stand.venue.user_margin_mode("REGULAR_MARGIN"),
        "The account uses cross margin.",
        "Press “Set isolated margin” while nothing is open",
        "The account is in cross margin; isolated margin is needed.",
        "isolated",
        id="cross margin",
    ),
    pytest.param(
        lambda stand: stand.venue.user_hedge_mode(True, SYMBOL),
        f"Hedge mode is on: {SYMBOL}.",
        "Press “Set one-way mode” while nothing is open",
        f"Hedge mode is on for {SYMBOL}; one-way mode is needed.",
        "one_way",
        id="hedge mode",
    ),
]


@pytest.mark.parametrize(("put", "finding", "button", "doubt", "fix"), MODES)
def test_a_wrong_mode_is_told_keeps_entries_off_and_is_mended_by_a_button(
    stand: Stand,
    console: Client,
    put: Callable[[Stand], None],
    finding: str,
    button: str,
    doubt: str,
    fix: str,
) -> None:
    put(stand)
    stand.do_chores()
    began = len(stand.venue.ledger.rows)
    signal = stand.signal()
    stand.until(lambda: Signal.objects.get(pk=signal.pk).state != "approved")
    stand.step(0.3)
    assert stand.orders_since(began) == []
    stand.until(lambda: doubt in stand.doubts())
    assert doubt.rstrip(".") in page(console, "overview")
    told = stand.doctor()
    assert finding in told
    assert button in told
    wizard = examined(console)
    assert finding in wizard
    assert reverse("connect_fix", args=[fix]) in wizard
    answer = console.post(reverse("connection_fix", args=[fix]), follow=True)
    assert finding not in answer.content.decode()
    stand.do_chores()
    stand.until(lambda: stand.doubts() == "")
    assert stand.opened().symbol == SYMBOL


def test_cross_margin_set_while_a_trade_is_open_leaves_the_trade_managed(stand: Stand) -> None:
    trade = stand.opened()
    stand.venue.user_margin_mode("REGULAR_MARGIN")
    stand.do_chores()
    stand.until(lambda: "cross margin" in stand.doubts())
    assert stand.stop_on_exchange() == trade.stop_loss
    stand.command(CommandKind.CLOSE, trade)
    stand.until(lambda: Trade.objects.get().state == "closed")
    assert stand.position() == 0
