"""The stepped driver: the same trades every time, also when it is interrupted half way."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from analysis.services import profile_technical
from exchange.choices import Mode
from exchange.domain import AccountUpdate
from exchange.errors import CandlesUnavailable, ExchangeUnavailable
from exchange.market.session import session_move
from exchange.models import ExchangeAccount, MarketSession, PaperExecution
from trading.choices import Autonomy, BotState, RiskProfile, TradeState
from trading.errors import ActionRefused
from trading.execution.lease import AccountLease
from trading.models import Cycle, Lease, Order, Signal, StopMove, Trade
from trading.reports import run_report
from trading.services import account_create, bot_create
from trading.stepped import Progress, SteppedDriver
from trading.wiring import WALL

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 1, 5, tzinfo=UTC)
END = START + timedelta(hours=4)
SYMBOLS = ("BTCUSDT", "DOGEUSDT", "XRPUSDT")
TRADE = (
    "symbol",
    "side",
    "state",
    "entry_qty",
    "entry_value",
    "exit_value",
    "fees",
    "opened_market",
    "closed_market",
    "exit_reason",
    "stop_loss",
    "net_pnl",
)


def account_of(name: str) -> ExchangeAccount:
    account = account_create(
        name=name,
        mode=Mode.SIM,
        profile=RiskProfile.CLASSIC,
        symbols=SYMBOLS,
        market_start=START,
        speed=0,
        seed=3,
    )
    bot_create(
        account=account,
        name=f"{name} bot",
        timeframe="15m",
        symbols=SYMBOLS,
        analyst_profile=profile_technical(),
        autonomy=Autonomy.AUTO,
        state=BotState.RUNNING,
    )
    return account


def story(account: ExchangeAccount) -> list[list[tuple[object, ...]]]:
    """Everything about trading that must not depend on how the run went."""
    return [
        list(Trade.objects.filter(account=account).order_by("pk").values_list(*TRADE)),
        list(
            Order.objects.filter(account=account)
            .order_by("pk")
            .values_list("role", "qty", "price", "state", "filled_qty", "avg_price")
        ),
        list(
            StopMove.objects.filter(trade__account=account)
            .order_by("pk")
            .values_list("rule", "new_stop", "market_time")
        ),
        list(
            Signal.objects.filter(account=account)
            .order_by("pk")
            .values_list("symbol", "rule", "state", "rank", "confidence", "qty")
        ),
        list(
            PaperExecution.objects.filter(account=account)
            .order_by("pk")
            .values_list("exec_id", "price", "qty", "fee", "time")
        ),
        list(
            Cycle.objects.filter(bot__account=account)
            .order_by("pk")
            .values_list("boundary", "state")
        ),
    ]


class Interrupted(Exception):
    """What Ctrl-C or a full disk does to a run."""


def interrupt_at(moment: datetime) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        if progress.now >= moment:
            raise Interrupted

    return tell


def test_a_run_gives_identical_trades_twice_and_also_when_interrupted() -> None:
    first, second, broken = (account_of(name) for name in ("first", "second", "broken"))
    assert SteppedDriver(first, END).run() == []
    assert SteppedDriver(second, END).run() == []
    for hours in (1.12, 2.5, 3.3):
        with pytest.raises(Interrupted):
            SteppedDriver(_again(broken), END).run(interrupt_at(START + timedelta(hours=hours)))
    assert SteppedDriver(_again(broken), END).run() == []
    assert story(first) == story(second) == story(broken)
    assert Trade.objects.filter(account=first, state=TradeState.CLOSED).exists()
    assert not Trade.objects.exclude(state__in=(TradeState.CLOSED, TradeState.CANCELLED)).exists()
    report = run_report(first, 3)
    assert "first (SIM): 15 cycles in 3 s" in report
    assert "net P&L" in report
    assert "(95 % interval " in report
    assert re.search(r"average hold (\d+ h )?\d+ min$", report, re.MULTILINE)
    assert "no setup" in report
    assert "stop_loss" not in report
    assert "still open: 0" in report
    assert re.search(r"funnel: 15 cycles x 3 symbols = 45: .*[1-9]\d* traded", report)


def _again(account: ExchangeAccount) -> ExchangeAccount:
    return ExchangeAccount.objects.get(pk=account.pk)


def test_a_killed_run_goes_on_where_the_venue_stands() -> None:
    account = account_of("killed")
    with pytest.raises(Interrupted):
        SteppedDriver(account, END).run(interrupt_at(START + timedelta(hours=1)))
    # What a kill leaves: the session as it was before the run.
    session_move(session=account.market_session, moment=START)
    driver = SteppedDriver(_again(account), END)
    assert driver.start > START


def test_progress_is_told_from_start_to_end() -> None:
    account = account_of("told")
    shares: list[float] = []
    end = START + timedelta(minutes=10)
    SteppedDriver(account, end).run(lambda progress: shares.append(progress.share))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert MarketSession.objects.get().reserved_until == end
    assert "no closed trades" in run_report(account, 1)


def test_a_market_that_runs_by_itself_can_not_be_stepped() -> None:
    account = account_of("running")
    MarketSession.objects.update(speed=60)
    with pytest.raises(ActionRefused, match="runs by itself"):
        SteppedDriver(_again(account), END)


def test_an_account_that_somebody_trades_is_left_alone() -> None:
    account = account_of("held")
    holder = AccountLease(account, WALL)
    assert holder.acquire()
    rival = SteppedDriver(account, END)
    if rival.desk.lease.acquire():
        # One thread shares its session with itself where locks belong to sessions.
        rival.desk.lease.release()
        return
    with pytest.raises(ActionRefused, match="another trader holds"):
        rival.run()
    holder.release()


def test_a_market_without_prices_ends_the_run_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = SteppedDriver(account_of("gap"), END)

    def drain() -> AccountUpdate:
        raise ExchangeUnavailable("a hole in the archive")

    monkeypatch.setattr(driver.desk.client, "drain", drain)
    with pytest.raises(CandlesUnavailable, match="no prices"):
        driver.run()
    assert Lease.objects.get().holder == ""
