"""The watchdog mends what the trader does not, and touches nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import OperationalError

from exchange.choices import LinkState
from exchange.domain import OrderType, Side
from exchange.errors import (
    OrderNotSent,
)
from exchange.ports import ExchangeClient
from tests.trading.execution.floor import HandClock
from tests.trading.execution.kennel import LONG, SHORT, Kennel, Notebook, WatchedVenue
from trading.execution.protection_file import ProtectedTrade, ProtectionFile
from trading.execution.watchdog import Watchdog

D = Decimal


@pytest.fixture
def kennel(tmp_path: Path) -> Kennel:
    return Kennel(tmp_path)


@pytest.fixture(scope="module")
def dead_pid() -> int:
    """The id of a process that is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


def test_a_position_with_its_stop_is_left_alone(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), D(95))
    kennel.look(10)
    assert kennel.venue.lookups == 6
    assert (kennel.venue.stop_calls, kennel.venue.posts) == ([], [])
    assert kennel.state == (LinkState.OK, "")


def test_nothing_listed_asks_the_venue_nothing(kennel: Kennel) -> None:
    kennel.protect()
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.look(10)
    assert kennel.venue.lookups == 0
    assert kennel.state == (LinkState.OK, "")


def test_a_missing_stop_is_set_after_the_traders_three_seconds(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.look(2.9)
    assert kennel.venue.stop_calls == []
    assert kennel.state == (LinkState.DEGRADED, "without a stop: BTCUSDT")
    kennel.look(0.6)
    assert kennel.venue.stop_calls == [(D(95), D(110))]
    kennel.look(2)
    assert kennel.state == (LinkState.OK, "")
    assert kennel.notes.kinds == ["stop_restored"]
    assert kennel.venue.posts == []


def test_a_trader_that_mends_it_in_time_is_not_disturbed(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.look(2)
    kennel.venue.place_stop("BTCUSDT", D(95), D(110))
    kennel.look(10)
    kennel.venue.place_stop("BTCUSDT", None, None)
    # Its three seconds begin anew.
    kennel.look(2.9)
    assert kennel.venue.stop_calls == []


def test_nobody_waits_for_a_trader_that_is_gone(kennel: Kennel, dead_pid: int) -> None:
    kennel.protect(LONG, pid=dead_pid)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.look()
    assert kennel.venue.stop_calls == [(D(95), D(110))]


def test_a_stop_refused_twice_closes(kennel: Kennel) -> None:
    kennel.protect(SHORT)
    kennel.venue.hold("ETHUSDT", Side.SELL, D(4), None)
    kennel.venue.stop_refusal = "price has passed it"
    kennel.look(5)
    assert len(kennel.venue.stop_calls) == 2
    [post] = kennel.venue.posts
    assert (post.symbol, post.side, post.order_type) == ("ETHUSDT", Side.BUY, OrderType.MARKET)
    assert (post.close_all, post.reduce_only, post.qty) == (True, True, D(0))
    assert post.order_link_id.startswith("at1-")
    assert post.order_link_id.endswith("-p")
    assert kennel.venue.holdings == {}
    assert kennel.notes.kinds == ["stop_refused", "trade_unprotected"]
    kennel.look(10)
    assert len(kennel.venue.posts) == 1
    assert kennel.state == (LinkState.OK, "")


def test_a_stop_that_is_ignored_closes_after_five_seconds(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.venue.ignore_stops = True
    kennel.look(4.9)
    assert kennel.venue.posts == []
    kennel.look(0.6)
    assert kennel.venue.holdings == {}


def test_a_rejection_that_judges_nothing_is_no_refusal(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.venue.rejection = OrderNotSent("the circuit is open")
    kennel.look(20)
    assert len(kennel.venue.stop_calls) >= 10
    assert kennel.venue.posts == []
    kennel.venue.rejection = None
    kennel.look(1.5)
    assert kennel.venue.holdings["BTCUSDT"].stop_loss == D(95)


def test_an_unanswered_stop_is_read_again_not_assumed(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.venue.stops_unanswered = 1
    kennel.look(10)
    assert len(kennel.venue.stop_calls) == 1
    assert kennel.venue.posts == []
    assert kennel.state == (LinkState.OK, "")


def test_a_lost_close_is_repeated_until_the_position_is_gone(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.venue.stop_refusal = "no"
    kennel.venue.lose = "before"
    kennel.look(40)
    sent = len(kennel.venue.posts)
    assert 5 <= sent <= 8
    assert len({post.order_link_id for post in kennel.venue.posts}) == sent
    kennel.venue.lose = ""
    kennel.look(11)
    assert kennel.venue.holdings == {}
    assert len(kennel.venue.posts) == sent + 1
    # One alert at once, then one a minute.
    assert kennel.notes.kinds.count("trade_unprotected") == 1


def test_people_are_alerted_every_minute_while_it_cannot_be_closed(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.venue.stop_refusal, kennel.venue.rejects = "no", "refused"
    kennel.look(184)
    cries = [text for kind, _, text in kennel.notes.acts if kind == "trade_unprotected"]
    assert len(cries) == 3
    assert cries[0] == "BTCUSDT: watchdog: close failed, it is repeated: refused."
    kennel.venue.rejects = ""
    kennel.look(11)
    assert kennel.venue.holdings == {}


def test_a_close_whose_answer_was_lost_is_not_sent_twice(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.venue.stop_refusal, kennel.venue.lose = "no", "after"
    kennel.look(30)
    assert len(kennel.venue.posts) == 1


def test_only_our_part_of_a_larger_position_is_closed(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(25), None)
    kennel.venue.stop_refusal, kennel.venue.lose = "no", "after"
    kennel.look(60)
    [post] = kennel.venue.posts
    assert (post.qty, post.close_all, post.reduce_only) == (D(10), False, True)
    assert kennel.venue.holdings["BTCUSDT"].qty == D(15)
    assert kennel.state == (LinkState.OK, "")


def test_a_part_that_closed_is_not_sent_again(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(25), None)
    kennel.venue.stop_refusal, kennel.venue.fills = "no", False
    kennel.look(5)
    [first] = kennel.venue.posts
    kennel.venue.fill(first.order_link_id, D(4))
    kennel.venue.fills = True
    kennel.look(10)
    assert [post.qty for post in kennel.venue.posts] == [D(10), D(6)]
    assert kennel.venue.holdings["BTCUSDT"].qty == D(15)


def test_what_is_not_listed_is_never_touched(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.SELL, D(10), None)
    kennel.venue.hold("ETHUSDT", Side.BUY, D(1), None)
    kennel.look(30)
    assert (kennel.venue.stop_calls, kennel.venue.posts) == ([], [])
    assert kennel.state == (LinkState.OK, "")


def test_a_trade_that_stayed_flat_is_over_whoever_opens_next(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.look(62)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.look(20)
    assert kennel.venue.stop_calls == []


def test_a_position_shown_late_is_still_ours(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.look(20)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.look(6)
    assert kennel.venue.stop_calls == [(D(95), D(110))]


def test_an_error_is_not_a_flat_account(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.look(1)
    kennel.venue.down = {"positions"}
    kennel.look(70)
    assert kennel.state == (
        LinkState.DEGRADED,
        "positions can't be read: positions failed; without a stop: BTCUSDT",
    )
    kennel.venue.down = set()
    # The stop is tried before anything is closed, however long the venue was away.
    kennel.look()
    assert kennel.venue.stop_calls == [(D(95), D(110))]
    kennel.look(5)
    assert kennel.venue.posts == []
    assert kennel.state == (LinkState.OK, "")


def test_a_broken_file_keeps_the_last_good_list_and_alerts(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), D(95))
    kennel.look(2)
    kennel.file.path.write_text("{")
    kennel.venue.place_stop("BTCUSDT", None, None)
    kennel.look(6)
    assert kennel.venue.stop_calls == [(D(95), D(110))]
    assert kennel.state == (
        LinkState.DEGRADED,
        "protection-1.json is torn or not ours: JSONDecodeError",
    )
    kennel.file.path.unlink()
    kennel.look()
    assert kennel.state == (LinkState.DEGRADED, "there is no protection-1.json")


def test_a_broken_file_at_the_start_is_an_alert_and_none_at_all_is_not(kennel: Kennel) -> None:
    kennel.look()
    assert kennel.state == (LinkState.OK, "")
    kennel.file.path.write_text("[]")
    kennel.look()
    assert kennel.state[0] is LinkState.DEGRADED


def test_levels_that_somebody_moved_are_the_traders_business(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), D(95))
    kennel.look(2)
    for stop, target in ((D(97), D(110)), (D(80), D(110)), (D(95), None), (D(99), D(120))):
        kennel.venue.place_stop("BTCUSDT", stop, target)
        kennel.look(20)
        assert kennel.venue.holdings["BTCUSDT"].stop_loss == stop
    assert (kennel.venue.stop_calls, kennel.venue.posts) == ([], [])
    assert kennel.state == (LinkState.OK, "")


def test_new_levels_are_used_and_old_trades_forgotten(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.look(2)
    moved = ProtectedTrade(1, "BTCUSDT", Side.BUY, D(10), D(101), D(110))
    kennel.protect(moved)
    kennel.look(2)
    assert kennel.venue.stop_calls == [(D(101), D(110))]
    kennel.venue.place_stop("BTCUSDT", None, None)
    kennel.protect()
    kennel.look(20)
    assert len(kennel.venue.stop_calls) == 1


def test_a_revoked_key_is_tried_anew_now_and_then(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), D(95))
    kennel.look(2)
    kennel.venue.halted = True
    kennel.look(10)
    assert kennel.state == (
        LinkState.HALTED,
        "positions can't be read: the key was revoked",
    )
    kennel.look(60)
    assert 2 <= kennel.made <= 4
    assert kennel.venue.closed
    kennel.venue.halted = False
    kennel.look(2)
    assert kennel.state == (LinkState.OK, "")


def test_no_client_is_said_and_tried_again(tmp_path: Path) -> None:
    venue, clock, notes = WatchedVenue(), HandClock(), Notebook()
    file = ProtectionFile(tmp_path / "f.json", 1)
    answers: list[Callable[[], ExchangeClient]] = [_no_database, lambda: venue]
    watchdog = Watchdog(lambda: answers.pop(0)(), file, clock, notes)
    file.write([LONG], mode="DEMO", region="bybit.com", now=clock.now())
    venue.hold("BTCUSDT", Side.BUY, D(10), D(95))
    watchdog.round()
    assert notes.states == [
        (LinkState.DEGRADED, "no connection to the venue can be made: no database")
    ]
    watchdog.round()
    assert notes.states[-1] == (LinkState.DEGRADED, "not connected")
    clock.pass_seconds(2)
    watchdog.round()
    assert notes.states[-1] == (LinkState.OK, "")
    assert venue.lookups == 1


def _no_database() -> ExchangeClient:
    raise OperationalError("no database")


def test_a_replaced_key_gets_a_client_with_the_next_look(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), D(95))
    kennel.look(2)
    before, kennel.venue = kennel.venue, WatchedVenue()
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), None)
    kennel.watchdog.renew_client()
    kennel.look(4)
    assert kennel.made == 2
    assert before.closed
    assert kennel.venue.stop_calls == [(D(95), D(110))]


def test_a_replaced_key_that_gives_no_client_yet_is_tried_again(kennel: Kennel) -> None:
    kennel.protect(LONG)
    kennel.venue.hold("BTCUSDT", Side.BUY, D(10), D(95))
    kennel.look(2)
    kennel.broken = True
    kennel.watchdog.renew_client()
    kennel.look()
    assert kennel.state[1] == "no connection to the venue can be made: not now"
    kennel.look(28)
    assert kennel.made == 2
    kennel.broken = False
    kennel.look(4)
    assert kennel.made == 3
    assert kennel.state == (LinkState.OK, "")
