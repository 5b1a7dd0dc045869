"""Where days begin, what a unit is worth, and the halt beyond the drawdown limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from exchange.domain import AccountUpdate, LedgerEntry, LedgerKind
from exchange.errors import ExchangeUnavailable
from tests.exchange.paper.scripted_market import MINUTE, START, candles
from tests.trading.execution.floor import Floor
from trading.choices import SignalState, TradingStateName
from trading.equity import day_start, point_save, starts_of, week_start
from trading.errors import ActionRefused
from trading.execution.booking import book
from trading.guards import guards_now
from trading.models import EquityPoint, Event, PeakBase, RiskLimits, Trade, TradingState
from trading.peak import peak_rebase, standing_now
from trading.portfolio import closed_trades, portfolio_get
from trading.services import trading_state_set
from trading.settings_of import bot_settings, limits_current

D = Decimal
DAY = timedelta(days=1)
MIDNIGHT = day_start(START) + DAY


def leap(floor: Floor, moment: datetime) -> None:
    """Time goes by without a price and without a round."""
    floor.market._now = moment


def transfer(floor: Floor, amount: str, at: datetime, entry_id: str = "t1") -> None:
    """What the venue's log tells of money that was moved."""
    entry = LedgerEntry(entry_id, LedgerKind.TRANSFER, "", D(amount), at)
    book(floor.account, AccountUpdate(ledger=(entry,)))


def test_days_begin_at_midnight_and_weeks_on_monday() -> None:
    sunday = datetime(2024, 1, 7, 23, 59, tzinfo=UTC)
    assert day_start(sunday) == datetime(2024, 1, 7, tzinfo=UTC)
    assert week_start(sunday) == datetime(2024, 1, 1, tzinfo=UTC)
    assert week_start(sunday + MINUTE) == datetime(2024, 1, 8, tzinfo=UTC)


def test_the_start_of_a_day_is_worked_out_exactly_however_late(paper_floor: Floor) -> None:
    """A position over midnight, closed before the trader's first round of the new day."""
    floor = paper_floor
    floor.opened()
    floor.play(100)
    leap(floor, MIDNIGHT - 2 * MINUTE)
    floor.play(99)
    floor.market.play(*candles(99, 98))
    leap(floor, MIDNIGHT + 30 * MINUTE)
    floor.market.play(*candles(98, 94))
    floor.rounds(2)
    point = EquityPoint.objects.get(account=floor.account, time=MIDNIGHT)
    execution = floor.account.executions.order_by("id").first()
    assert execution is not None
    # The entry's fee is paid, and ten units stand at 98: the stop at 95 came later.
    assert point.wallet == 10_000 - execution.fee
    assert point.equity == point.wallet + (98 - execution.price) * execution.qty
    assert starts_of(floor.account, floor.market.now())[0].equity == point.equity
    newest = EquityPoint.objects.order_by("-time").first()
    assert newest is not None
    assert newest.wallet < point.wallet


def test_what_a_part_left_open_counts_in_the_start_of_the_day(paper_floor: Floor) -> None:
    floor = paper_floor
    trade = floor.opened(take_profit=D(130))
    rules = {"breakeven_at_r": None, "tightening": [], "partials": [["1", "0.4"]]}
    Trade.objects.update(exit_settings=trade.exit_settings | rules)
    floor.play(100, 106, 106, 106)
    floor.rounds(2)
    leap(floor, MIDNIGHT + 30 * MINUTE)
    floor.rounds()
    trade.refresh_from_db()
    assert (trade.state, trade.exit_qty) == ("open", 4)
    point = EquityPoint.objects.get(account=floor.account, time=MIDNIGHT)
    assert point.equity == point.wallet + (106 - trade.entry_value / trade.entry_qty) * 6


def test_no_entry_leaves_while_the_start_of_the_day_is_not_known(paper_floor: Floor) -> None:
    floor = paper_floor
    leap(floor, MIDNIGHT + MINUTE)
    ledger = floor.client.ledger

    asked: list[datetime] = []
    floor.desk.live = True

    def broken(*, since: datetime) -> object:
        asked.append(since)
        raise ExchangeUnavailable("the log does not answer")

    floor.client.ledger = broken  # type: ignore[method-assign, assignment]
    signal = floor.signal()
    floor.rounds(5)
    signal.refresh_from_db()
    assert signal.state == SignalState.APPROVED
    assert len(asked) == 1
    floor.pass_seconds(2)
    assert len(asked) == 2
    assert Event.objects.filter(kind="day_start_unknown").count() == 1
    floor.client.ledger = ledger  # type: ignore[method-assign]
    floor.pass_seconds(2)
    signal.refresh_from_db()
    assert signal.state == SignalState.EXECUTING


def test_a_point_at_midnight_is_kept_as_it_was(floor: Floor) -> None:
    point_save(floor.account, time=MIDNIGHT, wallet=D(100), equity=D(100))
    point_save(floor.account, time=MIDNIGHT, wallet=D(1), equity=D(1))
    assert EquityPoint.objects.get(time=MIDNIGHT).equity == 100


@pytest.mark.parametrize(("amount", "equity"), [("-2000", "8000"), ("5000", "15000")])
@pytest.mark.parametrize("late", [False, True])
def test_a_transfer_moves_no_guard_and_no_return(
    floor: Floor, amount: str, equity: str, late: bool
) -> None:
    """Also where the wallet shows it long before the log tells of it."""
    moved = START + 10 * MINUTE
    if not late:
        transfer(floor, amount, moved)
    for n in (10, 11, 12):
        point_save(floor.account, time=START + n * MINUTE, wallet=D(equity), equity=D(equity))
    if late:
        transfer(floor, amount, moved)
    assert set(EquityPoint.objects.values_list("unit_value", flat=True)) == {D(1)}
    leap(floor, START + 13 * MINUTE)
    held = portfolio_get(
        account=floor.account,
        market=floor.market,
        settings=bot_settings(floor.bot, limits_current(floor.account)),
        wall_now=floor.clock.now(),
    )
    assert held.drawdown == 0
    assert held.worst_day_result(D(0)) == held.worst_week_result(D(0)) == 0


def test_a_gain_on_more_money_counts_in_proportion(floor: Floor) -> None:
    transfer(floor, "10000", START + MINUTE)
    point_save(floor.account, time=START + MINUTE, wallet=D(20_000), equity=D(20_000))
    point_save(floor.account, time=START + 2 * MINUTE, wallet=D(19_000), equity=D(19_000))
    values = list(EquityPoint.objects.order_by("time").values_list("unit_value", flat=True))
    assert values == [D(1), D(1), D("0.95")]


def lose(floor: Floor, equity: str) -> None:
    leap(floor, floor.market.now() + MINUTE)
    point_save(floor.account, time=floor.market.now(), wallet=D(equity), equity=D(equity))
    floor.trader._peak.watch([], wallet_changed=True)


def state_of(floor: Floor) -> str:
    return str(TradingState.objects.get(account=floor.account).state)


def test_a_drawdown_beyond_its_limit_halts_until_the_peak_is_re_based(floor: Floor) -> None:
    lose(floor, "12000")
    lose(floor, "10200")
    assert state_of(floor) == TradingStateName.ACTIVE
    lose(floor, "10199")
    assert state_of(floor) == TradingStateName.HALTED
    assert "re-base the peak first" in TradingState.objects.get(account=floor.account).reason
    row = next(r for r in guards_now(floor.account, floor.market).rows if r.rule == "drawdown")
    assert row.tripped
    assert (row.value, row.limit) == ("15.01 %", "15.00 %")
    with pytest.raises(ActionRefused, match=r"15.01 % is beyond 15.00 %: re-base the peak first"):
        trading_state_set(
            account=floor.account, state=TradingStateName.REDUCING, actor=None, reason="again"
        )
    with pytest.raises(ActionRefused, match="give a reason"):
        peak_rebase(account=floor.account, market=floor.market, actor=None, reason=" ")
    peak_rebase(account=floor.account, market=floor.market, actor=None, reason="looked into it")
    assert state_of(floor) == TradingStateName.HALTED
    assert standing_now(floor.account, floor.market).drawdown == 0
    for state in (TradingStateName.REDUCING, TradingStateName.ACTIVE):
        trading_state_set(account=floor.account, state=state, actor=None, reason="armed")
    lose(floor, "10000")
    assert state_of(floor) == TradingStateName.ACTIVE
    assert PeakBase.objects.get().unit_value == D("1.0199")


def test_a_withdrawal_that_the_log_tells_late_does_not_halt(floor: Floor) -> None:
    """The wallet fell by a quarter; the log, read before any halt, says why."""
    floor.desk.live = True
    at = floor.market.now() + MINUTE
    floor.venue.entries.append(LedgerEntry("late", LedgerKind.TRANSFER, "", D(-2500), at))
    lose(floor, "7500")
    floor.clock.pass_seconds(16)
    floor.trader._peak.watch([], wallet_changed=False)
    assert state_of(floor) == TradingStateName.ACTIVE
    assert standing_now(floor.account, floor.market).drawdown == 0


def test_a_press_at_the_moment_of_the_halt_fells_no_trader(floor: Floor) -> None:
    """Somebody changes the state between the look and the write; the next look halts."""

    def pressed_first(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "trading_tradingstate"') and not pressed:
            pressed.append(sql)
            later = timezone.now() + timedelta(seconds=1)
            TradingState.objects.filter(account=floor.account).update(changed_at=later)
        return execute(sql, *rest)

    pressed: list[str] = []
    lose(floor, "12000")
    with connection.execute_wrapper(pressed_first):
        lose(floor, "10000")
    assert pressed
    assert state_of(floor) == TradingStateName.ACTIVE
    floor.rounds()
    assert state_of(floor) == TradingStateName.HALTED


@pytest.mark.parametrize("amount", ["5000", "-5000"])
def test_what_was_moved_before_the_account_began_counts_for_no_limit(
    floor: Floor, amount: str
) -> None:
    """A log that is read for the first time tells of the whole week."""
    first = floor.market.now() + MINUTE
    EquityPoint.objects.all().delete()
    point_save(floor.account, time=first, wallet=D(10000), equity=D(10000))
    transfer(floor, amount, first - 5 * MINUTE)
    leap(floor, first + MINUTE)
    assert worst(floor) == (D(0), D(0))
    transfer(floor, "100", first + MINUTE, "t2")
    assert worst(floor) == (D(-100), D(-100))


def worst(floor: Floor) -> tuple[Decimal, Decimal | None]:
    """Results of day and week at a wallet of 10,000."""
    held = portfolio_get(
        account=floor.account,
        market=floor.market,
        settings=bot_settings(floor.bot, limits_current(floor.account)),
        wall_now=floor.clock.now(),
        wallet=D(10000),
    )
    return held.worst_day_result(D(0)), held.worst_week_result(D(0))


def test_losses_of_another_run_of_the_market_are_no_row(floor: Floor) -> None:
    trade = floor.opened()
    now = floor.market.now()
    Trade.objects.update(state="closed", net_pnl=D(-1), closed_market=now + timedelta(seconds=30))
    assert [one.pk for one in closed_trades(floor.account, now - DAY, now)] == [trade.pk]
    Trade.objects.update(closed_market=now + DAY)
    assert closed_trades(floor.account, now - DAY, now) == []


def test_a_lowered_limit_shows_over_limit_and_closes_nothing(paper_floor: Floor) -> None:
    trade = paper_floor.opened()
    paper_floor.play(100)
    RiskLimits.objects.update(max_open_risk=D("0.001"), max_gross_exposure=D("0.01"))
    paper_floor.rounds(2)
    trade.refresh_from_db()
    assert trade.state == "open"
    rows = guards_now(paper_floor.account, paper_floor.market).rows
    over = {row.rule for row in rows if "over limit" in row.value}
    assert {"open_risk", "gross_exposure"} <= over
    assert all(row.name and row.value and row.limit and row.lifts for row in rows)


def test_a_gap_of_a_fifth_is_told(paper_floor: Floor) -> None:
    paper_floor.opened()
    paper_floor.play(100)
    now = guards_now(paper_floor.account, paper_floor.market)
    assert now.gap_loss == now.portfolio.gross_notional / 5
