"""A clock two seconds ahead: nothing new is opened, what is open is looked after as ever."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.scenarios.stand import QTY, Stand, examined, page
from trading.choices import CommandKind
from trading.models import Signal, Trade

pytestmark = pytest.mark.django_db(transaction=True)
AHEAD_MS = 2000
SENTENCE = "This machine&#x27;s clock is 2.0 s ahead of Bybit&#x27;s."
WHAT_TO_DO = "Switch time synchronisation on (`timedatectl set-ntp true`)."


def put_ahead(stand: Stand) -> None:
    """Ours runs ahead of the exchange's; the exchange's own must not seem to go back."""
    stand.server.clock.skew_ms -= AHEAD_MS
    stand.step(AHEAD_MS / 1000 + 0.2)
    stand.do_chores()


def test_no_entry_leaves_and_people_are_told_what_to_do(stand: Stand, console: Client) -> None:
    put_ahead(stand)
    began = len(stand.venue.ledger.rows)
    signal = stand.signal()
    stand.until(lambda: Signal.objects.get(pk=signal.pk).state != "approved")
    stand.step(0.3)
    assert stand.orders_since(began) == []
    stand.until(lambda: "synchronise it (NTP)" in stand.doubts())
    told = stand.told("engine_blind")[-1]
    assert told.startswith("No entries: ")
    assert "clock" in told
    assert "synchronise it (NTP)" in page(console, "overview")
    assert SENTENCE.replace("&#x27;", "'") in stand.doctor()
    assert WHAT_TO_DO in stand.doctor()
    wizard = examined(console)
    assert SENTENCE in wizard
    assert WHAT_TO_DO in wizard


def test_stops_and_exits_go_on(stand: Stand) -> None:
    trade = stand.opened()
    put_ahead(stand)
    stand.venue.user_stop(trade.symbol, None)
    stand.until(lambda: stand.stop_on_exchange() == trade.stop_loss)
    stand.command(CommandKind.CLOSE, trade)
    stand.until(lambda: Trade.objects.get().state == "closed")
    assert stand.position() == 0


def test_entries_go_on_once_the_clock_is_right(stand: Stand) -> None:
    put_ahead(stand)
    stand.until(lambda: stand.doubts() != "")
    stand.server.clock.skew_ms += AHEAD_MS
    stand.do_chores()
    stand.until(lambda: stand.doubts() == "")
    assert set(stand.told("engine_sees")) == {"Exchange and prices can be relied on again."}
    assert stand.opened().entry_qty == QTY
