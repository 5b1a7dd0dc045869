"""A Hypothesis state machine over the pure core: anything may happen, the invariants hold.

The numbers of the invariants are those of ``docs/safety.md``.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange.domain import ZERO, Execution, OrderReport
from tests.crash.model_checks import Switchboard
from tests.crash.model_rows import Signal
from tests.crash.model_trader import APPROVAL_TTL_S, ModelTrader
from tests.crash.model_venue import ModelVenue
from trading.choices import ExitReason, KillLevel, OrderRole, OrderState, TradeState
from trading.domain.order import TRANSITIONS

ROUND_S = 0.5
# Read back within 2 s and set at once; where stops are refused, closed.
PROTECTED_WITHIN_S = 4.0
CLOSED_WITHIN_S = 8.0
HEAL_S = 120.0
# Where a kill may strike: at once, or in the middle of an entry.
STRIKES = ("once", "claimed", "stored", "submitted", "sent")
# Rules that fired in this process, each with the fault it was called with.
FIRED: set[str] = set()
_KINDS = {
    "next_post": ("ack", "reject", "lost before", "lost after", "late"),
    "reads_down": ("True", "False"),
    "stream_down": ("True", "False"),
    "news": ("as sent", "twice", "backwards"),
    "entries_fill": ("0", "0.4", "1"),
    "resting_fill": ("0.5", "1"),
    "stops_refused": ("True", "False"),
    "stop_moved_by_hand": ("None", "97", "94.5", "80"),
    "traded_by_hand": ("-6", "-2", "3"),
    "crash": ("", "claimed", "stored", "submitted", "sent", "reconciling"),
    "surroundings": ("none", "clock", "quote", "kill"),
    "kill": ("1", "2", "3", "4"),
    "kill at": STRIKES,
    "day_rolls": ("0", "1"),
    "refused by": ("trading_state", "bot_state", "daily_loss"),
}
_PLAIN = (
    *("propose", "approve", "price_moves", "want_exit", "time_passes"),
    *("late_by", "reads_lag", "stop_hit", "liquidated", "restart", "rearm"),
    *("kill_a_working_entry", "ends_at stop", "ends_at target"),
)
RULES_TO_FIRE = frozenset(_PLAIN) | {
    f"{rule} {kind}" for rule, kinds in _KINDS.items() for kind in kinds
}


class TradingMachine(RuleBasedStateMachine):
    """One account, one symbol, one trade at a time, and everything that can go wrong with them."""

    @initialize()
    def begin(self) -> None:
        self.venue = ModelVenue()
        self.order_of_news = "as sent"
        self.trader = ModelTrader(self.venue, self._deliver)
        self.trader.start()
        self.able_since = 0.0
        self.switches = Switchboard(self.venue)
        self._rounds(1)

    # People and prices.

    @rule(qty=st.sampled_from((1, 4, 10)), wait_s=st.sampled_from((0, 1, 70)))
    def propose_and_approve(self, qty: int, wait_s: int) -> None:
        self.propose(qty)
        self._rounds(int(wait_s / ROUND_S))
        self.approve(1)

    @rule(qty=st.sampled_from((1, 4, 10)))
    def propose(self, qty: int) -> None:
        FIRED.add("propose")
        number = len(self.trader.signals) + 1
        price = self.venue.price
        self.trader.signals.append(
            Signal(number, Decimal(qty), price, price - 5, price + 10, self.venue.now)
        )

    @rule(clicks=st.integers(1, 3))
    def approve(self, clicks: int) -> None:
        FIRED.add("approve")
        for signal in self.trader.signals[-1:]:
            for _ in range(clicks):
                alive = self.venue.now - signal.created <= APPROVAL_TTL_S
                if signal.state == "waiting" and alive:
                    signal.state, signal.approvals = "approved", signal.approvals + 1
        self._rounds(1)

    @rule(change=st.sampled_from((-3, -1, 1, 3)))
    def price_moves(self, change: int) -> None:
        FIRED.add("price_moves")
        self.venue.price = max(Decimal(20), self.venue.price + change)

    @rule(keep=st.sampled_from((0, 1, 2)))
    def want_exit(self, keep: int) -> None:
        FIRED.add("want_exit")
        for trade in self.trader.trades:
            if trade.state is TradeState.OPEN and trade.close_wanted is None:
                trade.close_wanted = ExitReason.KILL_SWITCH
                trade.target_qty = min(Decimal(keep), trade.book.open_qty)
                trade.wished = min(trade.wished, trade.target_qty)

    @rule(seconds=st.sampled_from((1, 3, 10, 40)))
    def time_passes(self, seconds: int) -> None:
        FIRED.add("time_passes")
        self._rounds(int(seconds / ROUND_S))

    # The venue.

    @rule(fault=st.sampled_from(("ack", "reject", "lost before", "lost after", "late")))
    def next_post(self, fault: str) -> None:
        FIRED.add(f"next_post {fault}")
        self.venue.post = fault

    @rule(seconds=st.sampled_from((0.3, 2, 5)))
    def late_by(self, seconds: float) -> None:
        FIRED.add("late_by")
        self.venue.late_s = seconds

    @rule(seconds=st.sampled_from((0.5, 5, 15)))
    def reads_lag(self, seconds: float) -> None:
        FIRED.add("reads_lag")
        self.venue.hidden_until = self.venue.now + seconds

    @rule(down=st.booleans())
    def reads_down(self, down: bool) -> None:
        FIRED.add(f"reads_down {down}")
        self.venue.reads_down = down
        self.able_since = self.venue.now

    @rule(down=st.booleans())
    def stream_down(self, down: bool) -> None:
        FIRED.add(f"stream_down {down}")
        self.venue.stream_down = down

    @rule(order=st.sampled_from(("as sent", "twice", "backwards")))
    def news_order(self, order: str) -> None:
        FIRED.add(f"news {order}")
        self.order_of_news = order

    @rule(share=st.sampled_from(("0", "0.4", "1")))
    def entries_fill(self, share: str) -> None:
        FIRED.add(f"entries_fill {share}")
        self.venue.fill_share = Decimal(share)

    @rule(share=st.sampled_from(("0.5", "1")))
    def resting_fill(self, share: str) -> None:
        FIRED.add(f"resting_fill {share}")
        self.venue.fill_working(Decimal(share))

    @rule()
    def stop_hit(self) -> None:
        FIRED.add("stop_hit")
        self.venue.hit_stop()

    @rule()
    def liquidated(self) -> None:
        FIRED.add("liquidated")
        self.venue.liquidate()

    @rule(refused=st.booleans())
    def stops_refused(self, refused: bool) -> None:
        FIRED.add(f"stops_refused {refused}")
        self.venue.stops_refused = refused

    # Somebody in the app.

    @rule(stop=st.sampled_from((None, "97", "94.5", "80")))
    def stop_moved_by_hand(self, stop: str | None) -> None:
        FIRED.add(f"stop_moved_by_hand {stop}")
        self.venue.move_stop_by_hand(None if stop is None else Decimal(stop))

    @rule(change=st.sampled_from((-6, -2, 3)))
    def traded_by_hand(self, change: int) -> None:
        FIRED.add(f"traded_by_hand {change}")
        self.venue.by_hand(Decimal(change))

    # Our side.

    @rule(where=st.sampled_from(("", "claimed", "stored", "submitted", "sent", "reconciling")))
    def crash(self, where: str) -> None:
        FIRED.add(f"crash {where}")
        if where:
            self.trader.crash_at = where
        else:
            self.trader.crash()

    @rule()
    def restart(self) -> None:
        FIRED.add("restart")
        if not self.trader.alive:
            self.trader.start()
            self.able_since = self.venue.now
        self._rounds(2)

    @rule(worry=st.sampled_from(("none", "none", "none", "clock", "quote", "kill")))
    def surroundings(self, worry: str) -> None:
        FIRED.add(f"surroundings {worry}")
        self.trader.clock_offset_ms = 2000 if worry == "clock" else -400
        self.trader.quote_age_s = 5.0 if worry == "quote" else 0.2
        self.trader.kill = worry == "kill"

    @rule(level=st.sampled_from(list(KillLevel)), where=st.sampled_from(STRIKES))
    def kill(self, level: KillLevel, where: str) -> None:
        FIRED.update((f"kill {int(level)}", f"kill at {where}"))
        if where == "once":
            self._press(level)
        else:
            self.trader.strikes[where] = partial(self._press, level)

    @rule(steps=st.integers(1, 3))
    def rearm(self, steps: int) -> None:
        FIRED.add("rearm")
        for _ in range(steps):
            if self.trader.rearm():
                self.switches.armed_a_step()
        self.propose(1)
        self.approve(1)

    @rule(share=st.sampled_from(("0", "0.4")), level=st.sampled_from(list(KillLevel)))
    def kill_a_working_entry(self, share: str, level: KillLevel) -> None:
        FIRED.add("kill_a_working_entry")
        self.venue.fill_share = Decimal(share)
        self.propose(4)
        self.approve(1)
        self._press(level)
        self._rounds(2)

    @rule(times=st.integers(1, 3), at=st.sampled_from(("stop", "target")))
    def ends_at(self, times: int, at: str) -> None:
        FIRED.add(f"ends_at {at}")
        for _ in range(times):
            self.propose(10)
            self.approve(1)
            self.venue.hit_stop() if at == "stop" else self.venue.hit_target()
            self._rounds(2)

    @rule(before_s=st.integers(0, 1))
    def day_rolls(self, before_s: int) -> None:
        FIRED.add(f"day_rolls {before_s}")
        self.venue.near_midnight(timedelta(seconds=before_s))

    # What always holds.

    @invariant()
    def i1_protected(self) -> None:
        naked = self.venue.naked_since
        if naked is None or not self.trader.alive or self.venue.reads_down:
            return
        able = max(naked, self.able_since)
        ours = sum((trade.book.open_qty for trade in self.trader.trades), ZERO)
        if ours > 0 and self.venue.size > 0:
            limit = CLOSED_WITHIN_S if self.venue.stops_refused else PROTECTED_WITHIN_S
            assert self.venue.now - able <= limit, "a position stands without a stop"

    @invariant()
    def i2_at_most_one_entry(self) -> None:
        entries = [row for row in self.trader.rows.values() if row.role is OrderRole.ENTRY]
        signals = [row.signal for row in entries if row.link_id in self.venue.accepted]
        assert len(signals) == len(set(signals)), "a signal entered twice"
        for row in entries:
            report = self.venue.reports.get(row.link_id)
            approved = next(s.qty for s in self.trader.signals if s.number == row.signal)
            assert report is None or report.filled_qty <= approved, "filled more than approved"

    @invariant()
    def i4_no_entry_after_a_kill(self) -> None:
        FIRED.update(f"refused by {name}" for name in self.trader.refusals)
        assert not self.switches.left_while_off(), "an entry left while entries were off"

    @invariant()
    def i4_what_was_in_flight_is_settled(self) -> None:
        able = self.trader.alive and not self.venue.reads_down
        late = self.switches.out_too_long(self.trader.rows, able=able)
        assert not late, "an entry stood too long after a kill"

    @invariant()
    def i5_daily_loss(self) -> None:
        assert not self.switches.over_the_limit(), "an entry left that the day could not bear"

    @invariant()
    def i6_unknown_fails_closed(self) -> None:
        for row, worries in self.trader.posted:
            assert not worries, f"{row.link_id} left with {worries}"

    @invariant()
    def i7_absence_is_proved(self) -> None:
        for row in self.trader.rows.values():
            given_up = row.state is OrderState.NOT_PLACED and row.role is OrderRole.ENTRY
            if given_up:
                answers = self.venue.not_found_answers.get(row.link_id, [])
                assert len(answers) >= 3, "given up on too few answers"
                assert answers[-1] - row.sent >= 30, "given up too soon"

    @invariant()
    def i7_rejected_means_rejected(self) -> None:
        for row in self.trader.rows.values():
            refused = row.state is OrderState.REJECTED
            assert not refused or row.link_id not in self.venue.accepted, "rejected, yet accepted"

    @invariant()
    def i12_exits_stop_at_their_target(self) -> None:
        """Unless somebody else traded: then reduce-only is the bound."""
        if self.venue.interfered:
            return
        for trade in self.trader.trades:
            number = trade.signal.number
            rows = [row for row in self.trader.rows.values() if row.signal == number]
            filled = dict.fromkeys(OrderRole, ZERO)
            for row in rows:
                report = self.venue.reports.get(row.link_id)
                filled[row.role] += report.filled_qty if report else ZERO
            entered = filled[OrderRole.ENTRY]
            if filled[OrderRole.EXIT]:
                kept = min(trade.wished, entered)
                assert entered - filled[OrderRole.EXIT] >= kept, "an exit sold too much"

    @invariant()
    def i8_entries_are_what_was_approved(self) -> None:
        for row in self.trader.rows.values():
            request = self.venue.requests.get(row.link_id)
            if request is None or row.role is not OrderRole.ENTRY:
                continue
            signal = next(s for s in self.trader.signals if s.number == row.signal)
            sent = (request.qty, request.price, request.stop_loss, request.take_profit)
            assert sent == (signal.qty, signal.entry, signal.stop, signal.target)
            assert signal.approvals == 1, "an entry without exactly one approval"

    @invariant()
    def i9_fresh(self) -> None:
        for row, _ in self.trader.posted:
            signal = next(s for s in self.trader.signals if s.number == row.signal)
            assert row.sent - signal.created <= APPROVAL_TTL_S + ROUND_S, "a stale entry"

    @invariant()
    def i12_exits_only_reduce(self) -> None:
        assert self.venue.flips == 0, "an order of ours flipped the position"
        for link_id, request in self.venue.requests.items():
            assert request.reduce_only or link_id.endswith("-e")

    @invariant()
    def i13_orders_only_move_on(self) -> None:
        for row in self.trader.rows.values():
            for (old, filled), (new, more) in zip(row.history, row.history[1:], strict=False):
                assert new in TRANSITIONS[old], f"{row.link_id} went from {old} to {new}"
                assert more >= filled, "filled quantity fell"

    def teardown(self) -> None:
        """I3: when everything works again, the books agree without anybody's help."""
        venue, trader = self.venue, self.trader
        venue.reads_down = venue.stream_down = venue.stops_refused = False
        venue.post, self.order_of_news = "ack", "as sent"
        venue.hidden_until = venue.now
        trader.crash_at = ""
        if not trader.alive:
            trader.start()
        trader.reconciled_at = -1e9
        self.able_since = venue.now
        self._rounds(int(HEAL_S / ROUND_S))
        # What somebody else's trades ate of ours can't be closed by us, and is told.
        waits = trader.waits_for - ({KillLevel.FLATTEN} if venue.interfered else set())
        assert not waits, "a kill was never seen done"
        self.i4_no_entry_after_a_kill()
        self.i4_what_was_in_flight_is_settled()
        assert trader.booked == {one.exec_id for one in venue.executions}, "executions are missing"
        unknown = [row for row in trader.rows.values() if row.state is OrderState.UNKNOWN]
        assert not unknown, "an order stayed unknown"
        ours = sum((trade.book.open_qty for trade in trader.trades), ZERO)
        assert ours + trader.foreign == venue.size, "positions differ"
        for trade in trader.trades:
            still = trade.close_wanted is not None and trade.state is TradeState.OPEN
            # What somebody else's trades ate of ours is told to the operator, not sold again.
            hangs = still and trade.book.open_qty > trade.target_qty
            assert not hangs or venue.interfered, "an exit hangs"
        self.i1_protected()

    def _press(self, level: KillLevel) -> None:
        self.trader.press(level)
        self.switches.pressed(level)

    def _rounds(self, count: int) -> None:
        for _ in range(count):
            self.venue.pass_to(self.venue.now + ROUND_S)
            self.trader.round()

    def _deliver(self, told: list[OrderReport | Execution]) -> list[OrderReport | Execution]:
        if self.order_of_news == "twice":
            return [*told, *told]
        return told[::-1] if self.order_of_news == "backwards" else told
