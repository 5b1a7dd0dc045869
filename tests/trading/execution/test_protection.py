"""No position without its stop: read back, set again, or closed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.domain import AccountUpdate
from exchange.errors import OrderOutcomeUnknown, OrderRejected
from tests.trading.execution.floor import Floor
from trading.choices import EventLevel, ExitReason, TradeState
from trading.execution.protection import move_stop
from trading.models import Event, StopMove, Trade

D = Decimal


def events(kind: str) -> int:
    return Event.objects.filter(kind=kind).count()


def move(floor: Floor, trade: Trade, stop: str = "97", target: str = "110") -> bool:
    return move_stop(
        floor.desk,
        trade,
        StopMove(
            trade=trade,
            rule="tightening",
            old_stop=trade.stop_loss,
            new_stop=D(stop),
            old_target=trade.take_profit,
            new_target=D(target),
            market_time=floor.market.now(),
        ),
    )


class VenueDied(Exception):
    """The process ends inside a call."""


def test_a_stop_is_read_back_at_once_and_then_every_two_seconds(floor: Floor) -> None:
    trade = floor.opened()
    first = trade.protected_at
    floor.pass_seconds(1)
    trade.refresh_from_db()
    assert trade.protected_at == first
    floor.pass_seconds(1)
    trade.refresh_from_db()
    assert trade.protected_at is not None
    assert first is not None
    assert trade.protected_at > first


def test_a_missing_stop_is_set_again_and_the_time_without_it_kept(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.place_stop("BTCUSDT", None, None)
    floor.pass_seconds(4)
    trade.refresh_from_db()
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(95)
    assert floor.venue.stop_calls == [(D(95), D(110))]
    assert trade.naked_since is None
    assert 2000 <= trade.longest_naked_ms <= 5000
    assert events("stop_restored") == 1


def test_a_stop_removed_while_we_were_away_is_set_not_closed(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.place_stop("BTCUSDT", None, None)
    floor.clock.pass_seconds(600)
    floor.restart()
    floor.pass_seconds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.close_wanted) == (TradeState.OPEN, "")
    assert trade.longest_naked_ms >= 600_000


def test_a_stop_refused_twice_closes_the_position(floor: Floor) -> None:
    floor.venue.ignore_stops, floor.venue.stop_refusal = True, "price is past it"
    trade = floor.opened()
    assert trade.close_wanted == ""
    floor.pass_seconds(3)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.UNPROTECTED)
    assert len(floor.venue.stop_calls) == 2
    assert events("trade_unprotected") == 1


def test_a_stop_that_the_venue_ignores_closes_the_position_after_five_seconds(
    floor: Floor,
) -> None:
    floor.venue.ignore_stops = True
    trade = floor.opened()
    floor.pass_seconds(4)
    trade.refresh_from_db()
    assert trade.close_wanted == ""
    floor.pass_seconds(1)
    floor.rounds(2)
    trade.refresh_from_db()
    assert (trade.state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.UNPROTECTED)
    assert 4 <= len(floor.venue.stop_calls) <= 6


def test_an_alert_every_minute_while_the_emergency_close_fails(floor: Floor) -> None:
    floor.venue.ignore_stops = True
    trade = floor.opened()
    floor.venue.rejects = "venue_busy"
    floor.leap(*[1] * 8)
    assert events("trade_unprotected") == 1
    assert len(floor.venue.posts) - 1 == 2
    floor.leap(*[10] * 5)
    assert events("trade_not_closed") == 0
    # A venue that can't be read either is no reason to fall silent.
    floor.venue.down.add("positions")
    floor.leap(*[10] * 7)
    assert events("trade_not_closed") == 2
    newest = Event.objects.filter(kind="trade_not_closed").first()
    assert newest is not None
    assert newest.text == "BTCUSDT: could not be protected and is still not closed."
    assert newest.level == EventLevel.CRITICAL
    floor.venue.down.clear()
    floor.venue.rejects = ""
    floor.leap(10, 10)
    trade.refresh_from_db()
    assert trade.state == TradeState.CLOSED
    floor.leap(*[10] * 13)
    assert (events("trade_unprotected"), events("trade_not_closed")) == (1, 2)


def test_after_a_restart_an_unprotected_position_is_told_of_at_once(floor: Floor) -> None:
    floor.venue.ignore_stops = True
    floor.opened()
    floor.venue.rejects = "venue_busy"
    floor.leap(*[1] * 8)
    floor.restart()
    floor.rounds(1)
    assert events("trade_not_closed") == 1
    floor.leap(*[10] * 5)
    assert (events("trade_unprotected"), events("trade_not_closed")) == (1, 1)


def test_an_error_is_not_an_empty_position(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.down.add("positions")
    floor.leap(10, 10, 10)
    trade.refresh_from_db()
    assert (trade.state, trade.naked_since, trade.close_wanted) == (TradeState.OPEN, None, "")


def test_a_stop_call_without_answer_is_repeated(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.place_stop("BTCUSDT", None, None)
    floor.venue.down.add("set_trading_stop")
    floor.pass_seconds(3)
    floor.venue.down.clear()
    floor.pass_seconds(2)
    trade.refresh_from_db()
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(95)
    assert trade.state == TradeState.OPEN


def test_a_stop_moved_elsewhere_is_put_back_without_counting_as_naked(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.place_stop("BTCUSDT", D(90), D(110))
    floor.pass_seconds(4)
    trade.refresh_from_db()
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(95)
    assert trade.longest_naked_ms == 0


def test_a_stop_shown_late_is_not_set_in_every_round(floor: Floor) -> None:
    floor.opened()
    floor.venue.place_stop("BTCUSDT", D(90), D(110))
    floor.venue.ignore_stops = True
    floor.clock.pass_seconds(2)
    floor.rounds(20)
    assert len(floor.venue.stop_calls) == 1


def test_a_stop_moved_in_the_app_within_bounds_is_adopted(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.place_stop("BTCUSDT", D(96), D(112))
    floor.pass_seconds(6)
    trade.refresh_from_db()
    assert (trade.stop_loss, trade.take_profit, trade.stop_rule) == (D(96), D(112), "app")
    assert floor.venue.stop_calls == []
    adopted = StopMove.objects.get()
    assert (adopted.rule, adopted.accepted, adopted.old_stop) == ("app", True, D(95))
    assert events("stop_adopted") == 1
    floor.venue.place_stop("BTCUSDT", D(94), D(112))
    floor.restart()
    floor.pass_seconds(6)
    assert Trade.objects.get().stop_loss == D(94)


def test_an_old_stop_of_ours_that_shows_late_is_not_adopted(floor: Floor) -> None:
    trade = floor.opened()
    assert move(floor, trade, "97")
    floor.pass_seconds(3)
    floor.venue.place_stop("BTCUSDT", D(95), D(110))
    floor.pass_seconds(6)
    trade.refresh_from_db()
    assert trade.stop_loss == floor.venue.holdings["BTCUSDT"].stop_loss == D(97)
    assert events("stop_adopted") == 0


def test_a_stop_removed_by_hand_is_set_again_every_time(floor: Floor) -> None:
    trade = floor.opened()
    for count in range(1, 4):
        floor.venue.place_stop("BTCUSDT", None, None)
        floor.pass_seconds(4)
        assert floor.venue.holdings["BTCUSDT"].stop_loss == D(95)
        assert events("stop_restored") == count
    trade.refresh_from_db()
    assert (trade.state, trade.close_wanted) == (TradeState.OPEN, "")
    assert trade.longest_naked_ms <= 5000


def test_a_position_told_to_have_changed_is_read_back_at_once(floor: Floor) -> None:
    floor.opened()
    floor.pass_seconds(2)
    floor.venue.place_stop("BTCUSDT", None, None)
    for _ in range(2):
        floor.venue.news.append(AccountUpdate(positions=(floor.venue.holdings["BTCUSDT"],)))
        floor.rounds()
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(95)
    assert len(floor.venue.stop_calls) == 1


def test_a_throttled_stop_call_says_nothing_about_the_stop(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.place_stop("BTCUSDT", None, None)

    def throttle() -> None:
        raise OrderRejected("slow down", code="rate_limited")

    floor.venue.before_stop = throttle
    floor.pass_seconds(4)
    trade.refresh_from_db()
    assert trade.close_wanted == ""
    floor.venue.before_stop = None
    floor.pass_seconds(2)
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(95)


def test_a_move_is_stored_before_it_is_sent(floor: Floor) -> None:
    trade = floor.opened()
    seen: list[tuple[Decimal, str]] = []

    def look() -> None:
        stored = Trade.objects.get()
        seen.append((stored.stop_loss, StopMove.objects.get().answer))

    floor.venue.before_stop = look
    assert move(floor, trade)
    assert seen == [(D(97), "sent")]
    stored = StopMove.objects.get()
    assert (stored.accepted, stored.answer) == (True, "set")
    assert Trade.objects.get().stop_rule == "tightening"


def test_a_refused_move_leaves_the_old_levels(floor: Floor) -> None:
    trade = floor.opened()
    move(floor, trade, "96")
    floor.venue.stop_refusal = "wrong side"
    assert not move(floor, trade, "101")
    trade.refresh_from_db()
    assert (trade.stop_loss, trade.stop_rule) == (D(96), "tightening")
    assert list(StopMove.objects.values_list("accepted", flat=True)) == [True, False]
    assert events("stop_refused") == 1


def test_a_refused_first_move_leaves_the_initial_stop_without_a_rule(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.stop_refusal = "wrong side"
    move(floor, trade, "101")
    trade.refresh_from_db()
    assert (trade.stop_loss, trade.stop_rule) == (D(95), "")


def test_a_move_without_answer_is_set_by_the_next_read_back(floor: Floor) -> None:
    trade = floor.opened()
    floor.venue.down.add("set_trading_stop")
    assert not move(floor, trade)
    floor.venue.down.clear()
    floor.pass_seconds(4)
    stored = StopMove.objects.get()
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(97)
    assert (stored.accepted, stored.answer) == (True, "read back")


def test_an_unknown_outcome_of_a_move_counts_as_no_answer(floor: Floor) -> None:
    trade = floor.opened()

    def lose() -> None:
        raise OrderOutcomeUnknown("no answer in time")

    floor.venue.before_stop = lose
    assert not move(floor, trade)
    assert StopMove.objects.get().answer.startswith("no answer")


def test_a_crash_inside_a_move_sets_the_wish_after_the_restart(floor: Floor) -> None:
    trade = floor.opened()

    def die() -> None:
        raise VenueDied

    floor.venue.before_stop = die
    with pytest.raises(VenueDied):
        move(floor, trade)
    floor.venue.before_stop = None
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(95)
    floor.restart()
    floor.pass_seconds(3)
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D(97)
    assert StopMove.objects.get().accepted


def test_a_position_the_venue_does_not_show_is_left_to_the_reconciliation(floor: Floor) -> None:
    trade = floor.opened()
    held = floor.venue.holdings.pop("BTCUSDT")
    floor.pass_seconds(3)
    floor.venue.holdings["BTCUSDT"] = held
    trade.refresh_from_db()
    assert (trade.state, trade.naked_since) == (TradeState.OPEN, None)
