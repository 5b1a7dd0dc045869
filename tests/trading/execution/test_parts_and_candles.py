"""Parts that are taken, candles that come late or must be kept, and how far price went."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchange.candles import CandleWindow
from exchange.domain import ExecutionKind, OrderType
from exchange.errors import CandlesUnavailable, ExchangeUnavailable
from tests.exchange.paper.scripted_market import MINUTE, START, bar
from tests.trading.execution.floor import Floor
from tests.trading.execution.test_exit_parity import Postman
from trading.candle_store import candles_kept
from trading.choices import CommandKind, CommandState, ExitReason, OrderRole, TradeState
from trading.models import Command, Event, MonitorCandle, Order, StopMove, Trade
from trading.services import command_request

D = Decimal
OFF: dict[str, Any] = {"breakeven_at_r": None, "tightening": []}


def opened(floor: Floor, target: int = 130, **rules: Any) -> Trade:
    """Ten units at 100, stop 95: R is 5. With only the rules that are named."""
    trade = floor.opened(take_profit=D(target))
    Trade.objects.filter(pk=trade.pk).update(exit_settings=trade.exit_settings | OFF | rules)
    trade.refresh_from_db()
    return trade


def now(trade: Trade) -> Trade:
    trade.refresh_from_db()
    return trade


def test_a_part_is_taken_at_market_and_the_rest_stays_covered(floor: Floor) -> None:
    trade = opened(floor, partials=[["1", "0.4"]])
    floor.play(105.1)
    floor.rounds(3)
    assert floor.venue.size("BTCUSDT") == 6
    order = Order.objects.get(role=OrderRole.EXIT)
    assert (order.order_type, order.reduce_only, order.close_all) == (OrderType.MARKET, True, False)
    assert order.exit_reason == ExitReason.PARTIAL_TAKE_PROFIT
    assert (now(trade).state, trade.close_wanted, trade.target_qty) == (TradeState.OPEN, "", None)
    held = floor.venue.holdings["BTCUSDT"]
    assert (held.stop_loss, held.take_profit) == (D(95), D(130))
    told = Event.objects.get(kind="exit_rule")
    assert told.data["numbers"]["kept"] == "6"


def test_a_part_is_taken_once_also_after_a_restart(floor: Floor) -> None:
    opened(floor, partials=[["1", "0.4"], ["2", "0.3"]])
    floor.play(105.1, 105.5)
    floor.restart()
    floor.play(105.6)
    floor.clock.pass_seconds(10)
    floor.rounds(3)
    assert floor.venue.size("BTCUSDT") == 6
    floor.play(110)
    floor.clock.pass_seconds(10)
    floor.rounds(3)
    assert floor.venue.size("BTCUSDT") == 3


def test_shares_are_of_what_was_left_by_the_trim(floor: Floor) -> None:
    trade = floor.opened(risk_amount=D(30), take_profit=D(130))
    floor.rounds(2)
    assert floor.venue.size("BTCUSDT") == D("5.816")
    rules = trade.exit_settings | OFF | {"partials": [["1", "0.5"]]}
    Trade.objects.filter(pk=trade.pk).update(exit_settings=rules)
    floor.play(105.1)
    floor.clock.pass_seconds(10)
    floor.rounds(3)
    assert floor.venue.size("BTCUSDT") == D("2.908")


def test_a_refused_part_is_repeated_and_the_close_of_it_all_goes_before(floor: Floor) -> None:
    trade = opened(floor, partials=[["1", "0.4"]])
    floor.venue.rejects = "venue_busy"
    floor.play(105.1)
    floor.rounds(2)
    assert now(trade).target_qty == 6
    command_request(
        account=floor.account,
        kind=CommandKind.CLOSE,
        idempotency_key="close",
        actor=None,
        target=trade.pk,
    )
    floor.venue.rejects = ""
    floor.clock.pass_seconds(10)
    floor.rounds(3)
    assert (now(trade).state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.MANUAL)


def test_the_rest_of_the_entry_is_taken_back_before_a_part(floor: Floor) -> None:
    floor.venue.fills = False
    floor.signal(take_profit=D(130))
    floor.rounds()
    entry = floor.entry()
    floor.venue.fill(entry.order_link_id, D(6))
    floor.rounds()
    trade = Trade.objects.get()
    rules = trade.exit_settings | OFF | {"partials": [["1", "0.5"]]}
    Trade.objects.filter(pk=trade.pk).update(exit_settings=rules)
    floor.venue.fills = True
    floor.play(105.1)
    floor.rounds(2)
    assert floor.venue.cancels[0] == entry.order_link_id
    assert floor.venue.size("BTCUSDT") == 3


@pytest.fixture
def late(floor: Floor) -> Floor:
    """The floor on a live market that may give candles late."""
    market = floor.market
    market.__class__ = Postman
    assert isinstance(market, Postman)
    market.kept_back, market.twice = set(), set()
    floor.desk.live, floor.desk.price_source = True, "test:prices"
    return floor


def keep_back(floor: Floor, *places: int) -> None:
    assert isinstance(floor.market, Postman)
    floor.market.kept_back = set(places)


def test_younger_candles_wait_for_a_missing_one(late: Floor) -> None:
    opened(late, breakeven_at_r="1")
    keep_back(late, 0)
    late.play(100, 105.5)
    assert not StopMove.objects.exists()
    keep_back(late)
    late.rounds()
    assert StopMove.objects.get().market_time == START + 2 * MINUTE


def test_after_two_minutes_they_wait_no_longer_and_a_late_one_is_swept_up(late: Floor) -> None:
    opened(late, tightening=[["1", "0.5"], ["2", "1.5"]])
    keep_back(late, 0)
    late.play(110.5, 105.5, 105, 105)
    assert [move.numbers["at_r"] for move in StopMove.objects.all()] == ["1"]
    keep_back(late)
    late.rounds(2)
    assert StopMove.objects.count() == 1
    # Its stop lies beyond price by now, so the venue refuses it.
    late.venue.stop_refusal = "wrong side"
    late.clock.pass_seconds(120)
    late.rounds()
    closed = Event.objects.get(kind="exit_rule")
    assert (closed.market_time, closed.data["reason"]) == (START + MINUTE, "tightened_stop")


class Strict(Postman):
    """Refuses whatever has a hole in it, as Bybit's candles do; ``answers`` not, for anything."""

    answers = True
    asked = 0

    def candles(
        self, symbol: str, interval: timedelta, *, end: datetime, limit: int
    ) -> CandleWindow:
        self.asked += 1
        if not self.answers:
            raise CandlesUnavailable("no candles") from ExchangeUnavailable("no answer")
        count = sum(one.end <= end for one in self._steps[symbol])
        if self.kept_back & set(range(max(0, count - limit), count)):
            raise CandlesUnavailable("a candle is missing")
        return super().candles(symbol, interval, end=end, limit=limit)


@pytest.fixture
def strict(late: Floor) -> Strict:
    market = late.market
    market.__class__ = Strict
    assert isinstance(market, Strict)
    return market


def test_a_market_that_refuses_a_hole_does_not_end_the_rules(late: Floor, strict: Strict) -> None:
    opened(late, breakeven_at_r="1")
    strict.kept_back = {0}
    late.play(100, 105.5)
    assert not StopMove.objects.exists()
    late.play(105.5, 105.5, 105.5)
    assert [move.rule for move in StopMove.objects.all()] == ["breakeven"]


def test_what_a_hole_kept_back_is_swept_up_from_behind_it(late: Floor, strict: Strict) -> None:
    opened(late, breakeven_at_r="1")
    strict.kept_back = {0}
    late.play(100, 105.5, 104, 104, 104, 104)
    late.clock.pass_seconds(120)
    late.rounds()
    assert StopMove.objects.get().market_time == START + 2 * MINUTE


def test_a_market_that_does_not_answer_is_asked_once_a_round(late: Floor, strict: Strict) -> None:
    opened(late, breakeven_at_r="1")
    strict.answers = False
    late.play(100, 100, 100, 100, 100)
    strict.asked = 0
    late.rounds()
    assert strict.asked == 1


def test_without_a_live_market_a_hole_is_passed_over_at_once(late: Floor) -> None:
    late.desk.live = False
    opened(late, breakeven_at_r="1")
    keep_back(late, 0)
    late.play(100, 105.5)
    assert StopMove.objects.count() == 1


def test_candles_are_kept_once_each_where_the_market_forgets_them(late: Floor) -> None:
    opened(late)
    late.play(101, 102, 103)
    late.restart()
    late.desk.price_source = "test:prices"
    late.play(104)
    kept = candles_kept("test:prices", "BTCUSDT", START, START + 4 * MINUTE)
    assert [one.close for one in kept] == [101, 102, 103, 104]
    assert MonitorCandle.objects.count() == 4
    assert candles_kept("test:other", "BTCUSDT", START, START + 4 * MINUTE) == []


def test_a_market_that_can_be_asked_for_ever_keeps_none(floor: Floor) -> None:
    opened(floor)
    floor.play(101, 102)
    assert not MonitorCandle.objects.exists()


def test_best_and_worst_price_come_from_fills_and_candles(floor: Floor) -> None:
    trade = opened(floor)
    assert (now(trade).best_price, trade.worst_price) == (100, 100)
    floor.market.play(bar(100, 103, 98, 101))
    floor.market.play(bar(101, 102, 99, 100))
    floor.rounds()
    assert (now(trade).best_price, trade.worst_price) == (103, 98)
    floor.market._last["BTCUSDT"] = D("104")
    floor.venue.trigger("BTCUSDT", ExecutionKind.STOP_LOSS, D("94.9"))
    floor.rounds(2)
    assert (now(trade).state, trade.best_price, trade.worst_price) == ("closed", 103, D("94.9"))


def test_what_price_did_before_the_entry_in_its_minute_does_not_count(floor: Floor) -> None:
    trade = opened(floor)
    Trade.objects.update(opened_market=START + timedelta(seconds=30))
    floor.market.play(bar(100, 109, 91, 101))
    floor.rounds()
    assert (now(trade).best_price, trade.worst_price) == (101, 100)


def test_candles_of_a_trade_that_closed_while_nobody_looked_are_taken_in(floor: Floor) -> None:
    trade = opened(floor)
    floor.market.play(bar(100, 107, 97, 101))
    floor.market.play(bar(101, 120, 90, 101))
    floor.market._now -= timedelta(seconds=30)
    floor.venue.trigger("BTCUSDT", ExecutionKind.STOP_LOSS, D(95))
    floor.market._now += timedelta(seconds=30)
    floor.restart()
    floor.rounds(2)
    assert (now(trade).state, trade.best_price, trade.worst_price) == ("closed", 107, 95)


def apply(floor: Floor, trade: Trade, version: int | None = None, **rules: Any) -> Command:
    return command_request(
        account=floor.account,
        kind=CommandKind.APPLY_EXITS,
        idempotency_key=f"apply-{Command.objects.count()}",
        actor=None,
        target=trade.pk,
        payload={"exit_settings": trade.exit_settings | rules},
        expected_version=now(trade).version if version is None else version,
    )


def test_other_rules_move_the_stop_of_an_open_trade_at_once(floor: Floor) -> None:
    trade = opened(floor)
    floor.play(106)
    command = apply(floor, trade, breakeven_at_r="1")
    floor.rounds()
    command.refresh_from_db()
    assert (command.state, command.answer) == (
        CommandState.DONE,
        "rules changed; stop 95 to 100.2",
    )
    move = StopMove.objects.get()
    assert (move.rule, move.accepted, move.new_stop) == ("breakeven", True, D("100.2"))
    assert floor.venue.holdings["BTCUSDT"].stop_loss == D("100.2")
    assert now(trade).exit_settings["breakeven_at_r"] == "1"


def test_candles_from_before_never_meet_other_rules(floor: Floor) -> None:
    trade = opened(floor)
    floor.play(106, 101)
    apply(floor, trade, partials=[["1", "0.4"]])
    floor.rounds()
    floor.restart()
    floor.rounds(3)
    assert floor.venue.size("BTCUSDT") == 10
    floor.play(106)
    floor.rounds(3)
    assert floor.venue.size("BTCUSDT") == 6


def test_other_rules_never_take_a_stop_back(floor: Floor) -> None:
    trade = opened(floor, breakeven_at_r="1")
    floor.play(106)
    assert now(trade).stop_loss == D("100.2")
    command = apply(floor, trade, breakeven_at_r=None)
    floor.rounds()
    command.refresh_from_db()
    assert command.answer == "rules changed; the stop stays"
    assert now(trade).stop_loss == D("100.2")


def test_rules_for_a_trade_that_has_changed_are_refused(floor: Floor) -> None:
    trade = opened(floor)
    floor.play(106)
    command = apply(floor, trade, version=now(trade).version - 1, breakeven_at_r="1")
    floor.rounds()
    command.refresh_from_db()
    assert command.state == CommandState.REFUSED
    assert now(trade).stop_loss == D(95)
    assert trade.exit_settings["breakeven_at_r"] is None


@pytest.mark.parametrize("wrong", [{"trailing": 1}, {"age_share": "0.5"}])
def test_rules_that_make_no_sense_are_refused(floor: Floor, wrong: dict[str, Any]) -> None:
    trade = opened(floor)
    floor.play(101)
    command = apply(floor, trade, **wrong)
    floor.rounds()
    command.refresh_from_db()
    assert command.state == CommandState.REFUSED
    assert next(iter(wrong)) in command.answer


def test_rules_that_end_the_trade_close_it(floor: Floor) -> None:
    trade = opened(floor)
    floor.play(*[101] * 16)
    apply(floor, trade, max_holding_bars=1)
    floor.rounds(3)
    assert (now(trade).state, trade.exit_reason) == (TradeState.CLOSED, ExitReason.MAX_HOLDING)
