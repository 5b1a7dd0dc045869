"""The watchdog mends what the trader does not, and touches nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from exchange.choices import LinkState, Mode
from exchange.domain import OrderAck, OrderRequest, OrderType, PositionReport, Side
from exchange.errors import (
    ExchangeHalted,
    ExchangeUnavailable,
    OrderNotSent,
    OrderOutcomeUnknown,
    OrderRejected,
)
from exchange.market.clock import WallClock
from exchange.models import ExchangeAccount, VenueLink
from exchange.ports import ExchangeClient
from tests.exchange.paper.scripted_market import ScriptedMarket
from tests.factories import AccountFactory
from tests.trading.execution.fake_venue import FakeVenue
from tests.trading.execution.floor import HandClock
from trading.choices import EventLevel
from trading.execution import watchdog_threads
from trading.execution.protection_file import ProtectedTrade, ProtectionFile, protection_path
from trading.execution.watchdog import Watchdog
from trading.execution.watchdog_threads import AccountNotes, WatchdogSupervisor, watched_accounts
from trading.models import Event

D = Decimal
LONG = ProtectedTrade(1, "BTCUSDT", Side.BUY, D(10), D(95), D(110))
SHORT = ProtectedTrade(2, "ETHUSDT", Side.SELL, D(4), D(105), D(90))


class WatchedVenue(FakeVenue):
    """A venue whose orders come from the watchdog; ``lose`` and ``rejects`` as for the trader."""

    def __init__(self) -> None:
        super().__init__(ScriptedMarket("BTCUSDT", "ETHUSDT"))
        self.halted = False
        self.rejection: OrderRejected | None = None
        self.stops_unanswered = 0

    def hold(self, symbol: str, side: Side, qty: Decimal, stop: Decimal | None) -> None:
        self.holdings[symbol] = PositionReport(
            symbol, side, qty, D(100), stop, None, D(2), None, self.market.now()
        )

    def positions(self) -> list[PositionReport]:
        self.lookups += 1
        if self.halted:
            raise ExchangeHalted("the key was revoked")
        return list(super().positions())

    def set_trading_stop(
        self, *, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        if self.rejection is not None:
            self.stop_calls.append((stop_loss, take_profit))
            raise self.rejection
        super().set_trading_stop(symbol=symbol, stop_loss=stop_loss, take_profit=take_profit)
        if self.stops_unanswered:
            self.stops_unanswered -= 1
            raise OrderOutcomeUnknown("no answer in time")

    def place_order(self, request: OrderRequest) -> OrderAck:
        self.posts.append(request)
        if self.rejects:
            raise OrderRejected("refused", code=self.rejects)
        if self.lose == "before":
            raise OrderOutcomeUnknown("the connection broke")
        report = self.take(request)
        if self.lose == "after":
            raise OrderOutcomeUnknown("no answer in time")
        return OrderAck(request.order_link_id, report.order_id)


class Notebook:
    """Keeps what a watchdog says."""

    def __init__(self) -> None:
        self.states: list[tuple[LinkState, str]] = []
        self.acts: list[tuple[str, EventLevel, str]] = []

    def state(self, state: LinkState, reason: str) -> None:
        self.states.append((state, reason))

    def act(self, kind: str, level: EventLevel, text: str, trade: int) -> None:
        self.acts.append((kind, level, text))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.acts]


class Kennel:
    """A watchdog with its venue, file and clock in a test's hands."""

    def __init__(self, folder: Path) -> None:
        self.venue = WatchedVenue()
        self.clock = HandClock()
        self.file = ProtectionFile(folder / "protection-1.json", 1)
        self.notes = Notebook()
        self.made = 0
        self.watchdog = Watchdog(self._client, self.file, self.clock, self.notes)

    def _client(self) -> ExchangeClient:
        self.made += 1
        return self.venue

    def protect(self, *trades: ProtectedTrade, pid: int = 0) -> None:
        self.file.write(trades, mode="DEMO", region="bybit.com", now=self.clock.now())
        if pid:
            text = self.file.path.read_text()
            self.file.path.write_text(text.replace(f'"pid": {os.getpid()}', f'"pid": {pid}'))

    def look(self, seconds: float = 0.0) -> None:
        """Rounds at the watchdog's own pace until ``seconds`` have passed; one at least."""
        until = self.clock.monotonic() + seconds
        while True:
            pause = self.watchdog.round()
            if self.clock.monotonic() + pause > until:
                self.clock.pass_seconds(until - self.clock.monotonic())
                return
            self.clock.pass_seconds(pause)

    @property
    def state(self) -> tuple[LinkState, str]:
        return self.notes.states[-1]


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


def test_a_round_that_breaks_does_not_end_the_watchdog(
    kennel: Kennel, short_pauses: None, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    calls = []

    def state(state: LinkState, reason: str) -> None:
        calls.append(reason)
        if len(calls) == 1:
            raise RuntimeError("broken")
        stop.set()

    kennel.notes.state = state  # type: ignore[method-assign]
    thread = threading.Thread(target=kennel.watchdog.run, args=(stop,))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert "watchdog's round failed" in caplog.text
    assert kennel.venue.closed


# Notes and threads


@pytest.fixture
def demo(transactional_db: None, settings: Settings, tmp_path: Path) -> ExchangeAccount:
    settings.DATA_DIR = tmp_path
    account: ExchangeAccount = AccountFactory.create(name="Demo", mode=Mode.DEMO, api_key="key")
    return account


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog_threads, "TELL_EVERY_S", 0.02)
    monkeypatch.setattr(watchdog_threads, "SCAN_EVERY_S", 0.05)
    monkeypatch.setattr("trading.execution.watchdog.POLL_S", 0.02)


def test_notes_reach_the_database_and_are_refreshed(demo: ExchangeAccount) -> None:
    clock = HandClock()
    notes = AccountNotes(demo, clock)
    notes.state(LinkState.DEGRADED, "x" * 400)
    notes.act("stop_restored", EventLevel.WARNING, "BTCUSDT: watchdog: stop set again.", 5)
    notes.tell()
    link = VenueLink.objects.get()
    assert (link.name, link.account, link.state) == (f"watchdog-{demo.pk}", demo, "degraded")
    assert link.reason == "x" * 300
    event = Event.objects.get(kind="stop_restored")
    assert event.data == {"trade": 5, "by": "watchdog"}
    VenueLink.objects.update(reason="untouched")
    clock.pass_seconds(29)
    notes.tell()
    assert VenueLink.objects.get().reason == "untouched"
    clock.pass_seconds(2)
    notes.tell()
    assert VenueLink.objects.get().reason == "x" * 300
    assert Event.objects.count() == 1


def test_what_the_database_did_not_take_waits(
    demo: ExchangeAccount, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = WatchdogSupervisor(lambda account: WatchedVenue(), WallClock())
    supervisor.round()
    try:
        notes = supervisor._notes[demo.pk]
        notes.act("trade_unprotected", EventLevel.CRITICAL, "closed", 5)
        # The database is away: every connection fails as a refused one does.
        with monkeypatch.context() as patch:
            patch.setattr("django.db.models.query.QuerySet._fetch_all", _refuse)
            patch.setattr("django.db.models.query.QuerySet.create", _refuse)
            supervisor.round()
        assert "watchdogs can't reach the database" in caplog.text
        assert not Event.objects.exists()
        supervisor.round()
        assert Event.objects.get().kind == "trade_unprotected"
    finally:
        supervisor.stop(5)


def _refuse(*args: object, **options: object) -> None:
    raise OperationalError("connection refused")


def test_every_account_with_a_key_on_bybit_is_watched(
    demo: ExchangeAccount, short_pauses: None
) -> None:
    AccountFactory.create(name="Paper", mode=Mode.PAPER)
    AccountFactory.create(name="No key", mode=Mode.DEMO)
    venue = WatchedVenue()
    venue.hold("BTCUSDT", Side.BUY, D(10), None)
    file = ProtectionFile(protection_path(demo.pk), demo.pk)
    file.write([LONG], mode="DEMO", region="bybit.com", now=demo.created_at + timedelta(0))
    seen: list[ExchangeAccount] = []

    def client(account: ExchangeAccount) -> ExchangeClient:
        seen.append(account)
        if account != demo:
            raise ExchangeUnavailable("not this one")
        return venue

    supervisor = WatchdogSupervisor(client, WallClock())
    supervisor.start()
    try:
        _until(lambda: VenueLink.objects.filter(name=f"watchdog-{demo.pk}").exists())
        assert supervisor.accounts == [demo]
        later = AccountFactory.create(name="Later", mode=Mode.TESTNET, api_key="k")
        _until(lambda: later in supervisor.accounts and later in seen)
        _until(
            lambda: VenueLink.objects.filter(
                name=f"watchdog-{demo.pk}", reason="without a stop: BTCUSDT"
            ).exists()
        )
    finally:
        supervisor.stop(10)
    assert not supervisor.is_alive()
    assert venue.closed
    assert watched_accounts([later.pk]) == [later]


def _until(what: Callable[[], bool]) -> None:
    pause, tries = threading.Event(), 0
    while not what():
        tries += 1
        assert tries < 1000, list(VenueLink.objects.values_list("name", "reason"))
        pause.wait(0.01)
