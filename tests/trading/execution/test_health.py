"""Doubts of venue and market stop entries within a round; what protects goes on."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from exchange.domain import AccountUpdate, Side, VenueHealth
from exchange.errors import CandlesUnavailable, ExchangeUnavailable
from tests.trading.execution.floor import Floor
from trading.choices import OrderState, SignalState, TradeState
from trading.domain.protocol import entry_gate
from trading.execution.executor import entry_facts
from trading.execution.protection_file import ProtectionFile, protection_path
from trading.models import Event, Lease, Order, Signal, Trade

D = Decimal


def kinds(*wanted: str) -> list[str]:
    rows = Event.objects.filter(kind__in=wanted).order_by("id")
    return list(rows.values_list("kind", flat=True))


def refused(floor: Floor) -> Signal:
    signal = floor.signal()
    floor.rounds()
    signal.refresh_from_db()
    return signal


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (VenueHealth(doubts=("the private stream is silent",)), "the private stream is silent"),
        (VenueHealth(halted="The key has expired."), "The key has expired."),
        (VenueHealth(clock_offset_ms=2000), "the clock is 2000 ms off the exchange's"),
    ],
)
def test_a_doubt_of_the_venue_stops_entries_within_the_round(
    floor: Floor, condition: VenueHealth, said: str
) -> None:
    floor.venue.condition = condition
    signal = refused(floor)
    assert (signal.state, signal.rule) == (SignalState.DROPPED, "health")
    assert Lease.objects.get().doubts == [said]
    assert floor.venue.posts == []
    floor.venue.condition = VenueHealth()
    floor.rounds()
    assert Lease.objects.get().doubts == []
    assert refused(floor).state == SignalState.EXECUTING


def test_a_doubt_of_the_market_stops_entries_too(floor: Floor) -> None:
    floor.market.doubted = ["no price for 7 s"]
    assert refused(floor).rule == "health"
    assert Lease.objects.get().doubts == ["no price for 7 s"]


def test_a_doubt_makes_one_event_when_it_begins_and_one_when_it_ends(floor: Floor) -> None:
    floor.venue.condition = VenueHealth(doubts=("the stream is silent",))
    floor.rounds(5)
    floor.venue.condition = VenueHealth(doubts=("the stream is silent", "the circuit is open"))
    floor.rounds(5)
    floor.venue.condition = VenueHealth()
    floor.rounds(5)
    assert kinds("engine_blind", "engine_sees") == ["engine_blind", "engine_sees"]


def test_a_halt_is_critical_even_after_a_doubt(floor: Floor) -> None:
    floor.venue.condition = VenueHealth(doubts=("the circuit is open",))
    floor.rounds()
    floor.venue.condition = VenueHealth(doubts=("the circuit is open",), halted="Key revoked.")
    floor.rounds(3)
    first, second = Event.objects.filter(kind="engine_blind").order_by("id")
    assert (first.level, second.level) == ("warning", "critical")
    assert "Key revoked" in second.text


def test_a_doubt_that_comes_after_the_admission_still_stops_the_post(floor: Floor) -> None:
    def doubt() -> None:
        floor.venue.condition = VenueHealth(doubts=("the stream broke just now",))

    floor.venue.before_leverage = doubt
    floor.signal()
    floor.rounds()
    order = floor.entry()
    assert order.state == OrderState.CANCELLED
    assert "the stream broke just now" in order.reject_reason
    assert floor.venue.posts == []


def test_a_reopened_stream_is_compared_before_the_next_entry(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stranger("BTCUSDT", Side.SELL, D(10), told=False)
    floor.venue.news.append(AccountUpdate(resync=True))
    floor.rounds()
    trade.refresh_from_db()
    assert trade.state == TradeState.CLOSED
    assert floor.desk.reconciled


def test_no_entry_leaves_while_a_reopened_stream_can_not_be_compared(floor: Floor) -> None:
    floor.venue.news.append(AccountUpdate(resync=True))
    floor.venue.down.add("ledger")
    signal = refused(floor)
    assert signal.rule == "health"
    assert "not reconciled" in signal.state_reason
    floor.venue.down.clear()
    floor.leap(1)
    assert refused(floor).state == SignalState.EXECUTING


def test_an_error_of_the_market_ends_a_part_of_the_round_only(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.place_stop("BTCUSDT", None, None)
    real = floor.market.monitor_interval

    def fail(symbol: str) -> object:
        raise CandlesUnavailable("gone")

    floor.market.monitor_interval = fail  # type: ignore[method-assign,assignment]
    floor.venue.down.add("balance")
    floor.play(101)
    floor.pass_seconds(4)
    assert floor.venue.holdings["BTCUSDT"].stop_loss == trade.stop_loss
    assert Lease.objects.get().reconciled
    floor.market.monitor_interval = real  # type: ignore[method-assign]


def test_a_closed_symbol_takes_no_entry(floor: Floor) -> None:
    floor.market.closed.add("BTCUSDT")
    signal = refused(floor)
    assert (signal.state, signal.rule) == (SignalState.DROPPED, "symbol_closed")
    assert not Order.objects.exists()


def test_the_pulse_tells_what_is_unsafe_in_each_round(floor: Floor) -> None:
    told: list[Sequence[str]] = []
    floor.desk.pulse = told.append
    floor.opened()
    assert told[-1] == []
    floor.venue.ignore_stops = True
    floor.venue.place_stop("BTCUSDT", None, None)
    floor.pass_seconds(3)
    assert "no stop since" in told[-1][0]


def test_a_real_venue_has_its_open_trades_in_the_watchdogs_file(floor: Floor) -> None:
    floor.on_bybit()
    trade = floor.opened()
    path = protection_path(floor.account.pk)
    (listed,) = ProtectionFile(path, floor.account.pk).read().trades
    assert (listed.trade, listed.stop_loss) == (trade.pk, D(95))
    Trade.objects.update(close_wanted="manual", target_qty=D(0))
    floor.pass_seconds(3)
    assert ProtectionFile(path, floor.account.pk).read().trades == ()


def test_a_watchdog_that_cannot_be_told_stops_entries(floor: Floor) -> None:
    floor.on_bybit()
    protection_path(floor.account.pk).with_suffix(".tmp").mkdir()
    floor.rounds()
    assert any("watchdog can't be told" in doubt for doubt in Lease.objects.get().doubts)
    assert entry_gate(entry_facts(floor.desk))


def test_the_loop_goes_on_when_the_venue_gives_no_balance(floor: Floor) -> None:
    floor.opened()
    floor.venue.down.add("balance")
    floor.play(*[100] * 16)
    with pytest.raises(ExchangeUnavailable):
        floor.venue.balance()
    assert Trade.objects.get().state == TradeState.OPEN
