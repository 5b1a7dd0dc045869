"""What people ask for: done whole, or refused in words."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from analysis.services import profile_technical
from exchange.choices import Mode, Region
from exchange.models import ExchangeAccount, MarketSession
from tests.factories import ApprovalFactory, MarketSessionFactory, SignalFactory
from trading import services
from trading.choices import (
    ApprovalDecision,
    Autonomy,
    BotState,
    CommandKind,
    RiskProfile,
    SignalState,
    TradingStateName,
)
from trading.domain.exits import ExitSettings
from trading.errors import ActionRefused
from trading.models import (
    Approval,
    Bot,
    Command,
    Cycle,
    EquityPoint,
    Event,
    Lease,
    OperatorAction,
    RiskLimits,
    Signal,
    TradingState,
)
from trading.selectors import trading_state_effective

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 5, tzinfo=UTC)


def account_create(**changes: Any) -> ExchangeAccount:
    given: dict[str, Any] = {
        "name": "Demo",
        "mode": Mode.SIM,
        "profile": RiskProfile.CONSERVATIVE,
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "market_start": START,
        "speed": 60,
    }
    return services.account_create(**(given | changes))


def bot_create(account: ExchangeAccount, **changes: Any) -> Bot:
    given: dict[str, Any] = {
        "name": "Trend",
        "timeframe": "15m",
        "symbols": ["BTCUSDT"],
        "analyst_profile": profile_technical(),
        "autonomy": Autonomy.AUTO,
    }
    return services.bot_create(account=account, **(given | changes))


def test_an_account_comes_with_everything_it_needs() -> None:
    account = account_create()
    assert account.start_equity == 1000
    assert account.market_session.speed == 60
    assert RiskLimits.objects.get().version == 1
    assert Lease.objects.get().holder == ""
    assert trading_state_effective(account)[0] is TradingStateName.ACTIVE


def test_an_account_on_live_prices_starts_now() -> None:
    before = timezone.now()
    account = account_create(mode=Mode.PAPER, speed=1, region=Region.NETHERLANDS)
    session = account.market_session
    assert before <= session.start == session.anchor_market <= timezone.now()
    assert (session.speed, session.symbols) == (1, ["BTCUSDT", "ETHUSDT"])
    assert account.region == Region.NETHERLANDS
    assert account.connected_at is None
    assert EquityPoint.objects.get().time == session.start
    assert Lease.objects.filter(account=account).exists()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mode": Mode.LIVE}, "can't be made yet"),
        ({"mode": Mode.DEMO}, "need a key"),
        ({"mode": Mode.TESTNET}, "need a key"),
        ({"mode": Mode.PAPER}, "live prices run at speed 1, not 60"),
        ({"mode": Mode.PAPER, "speed": 1, "symbols": []}, "at least one symbol"),
        ({"market_start": None}, "needs a start"),
        ({"symbols": []}, "at least one symbol"),
        ({"symbols": ["BTCUSDT", "BTCUSDT"]}, "twice"),
        ({"symbols": ["NOCOINUSDT"]}, "NOCOINUSDT"),
        ({"speed": 7}, "speed 7 is not offered"),
        ({"market_start": datetime(2026, 1, 5)}, "time zone"),  # noqa: DTZ001
        ({"market_end": START - timedelta(days=1)}, "cannot end"),
        ({"name": ""}, "blank"),
        ({"start_equity": Decimal(-1)}, "account_start_equity_not_negative"),
        ({"start_equity": Decimal("0.000000001")}, "8 decimal places"),
        ({"mode": Mode.REPLAY, "symbols": ["BTCUSDT"]}, "BTCUSDT"),
    ],
)
def test_an_impossible_account_is_refused_and_leaves_nothing(
    changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ActionRefused, match=why):
        account_create(**changes)
    assert not ExchangeAccount.objects.exists()
    assert not MarketSession.objects.exists()


def test_a_name_that_is_taken_is_refused() -> None:
    account_create()
    with pytest.raises(ActionRefused, match=r"an account named '.+' exists already"):
        account_create()


def test_an_amount_that_the_database_can_not_keep_is_refused() -> None:
    if connection.vendor == "postgresql":
        assert account_create(start_equity=Decimal("12345678901.12345")).pk
        return
    with pytest.raises(ActionRefused, match="significant digits"):
        account_create(start_equity=Decimal("12345678901.12345"))
    assert not ExchangeAccount.objects.exists()


def test_an_account_may_start_with_nothing() -> None:
    assert account_create(start_equity=Decimal(0)).start_equity == 0


def test_a_bot_freezes_the_exits_of_its_profile() -> None:
    bot = bot_create(account_create())
    assert bot.state == BotState.PAUSED
    assert bot.exit_settings["max_holding_bars"] == 48


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"symbols": []}, "at least one symbol"),
        ({"symbols": ["BTCUSDT", "BTCUSDT"]}, "twice"),
        ({"symbols": ["SOLUSDT"]}, "has no SOLUSDT; it has BTCUSDT, ETHUSDT"),
        ({"timeframe": "7m"}, "timeframe '7m' is none of"),
        ({"capital_share": Decimal("1.5")}, "bot_capital_share"),
        ({"name": ""}, "blank"),
        (
            {"exit_settings": ExitSettings(Decimal(1), (), 0, 900)},
            "max_holding_bars must be above 0",
        ),
    ],
)
def test_an_impossible_bot_is_refused(changes: dict[str, Any], why: str) -> None:
    account = account_create()
    with pytest.raises(ActionRefused, match=why):
        bot_create(account, **changes)
    assert not Bot.objects.exists()


def test_two_bots_can_not_have_one_name() -> None:
    account = account_create()
    bot_create(account)
    with pytest.raises(ActionRefused, match="already exists"):
        bot_create(account)


def test_an_archived_bot_stays_archived() -> None:
    bot = bot_create(account_create())
    services.bot_set_state(bot=bot, state=BotState.RUNNING, actor=None)
    assert bot.state == BotState.RUNNING
    services.bot_set_state(bot=bot, state=BotState.ARCHIVED, actor=None)
    with pytest.raises(ActionRefused, match="archived"):
        services.bot_set_state(bot=bot, state=BotState.RUNNING, actor=None)
    assert Event.objects.filter(kind="bot_state").count() == 2


def halt(account: ExchangeAccount | None, state: TradingStateName, reason: str = "test") -> None:
    services.trading_state_set(account=account, state=state, actor=None, reason=reason)


def test_the_stricter_trading_state_wins() -> None:
    account = account_create()
    halt(None, TradingStateName.REDUCING, "everything slow")
    assert trading_state_effective(account) == (TradingStateName.REDUCING, "everything slow")
    halt(account, TradingStateName.HALTED, "this one off")
    assert trading_state_effective(account) == (TradingStateName.HALTED, "this one off")
    assert OperatorAction.objects.count() == 2


def test_a_halt_is_lifted_in_two_steps() -> None:
    account = account_create()
    halt(account, TradingStateName.HALTED)
    with pytest.raises(ActionRefused, match="two steps"):
        halt(account, TradingStateName.ACTIVE)
    halt(account, TradingStateName.REDUCING)
    halt(account, TradingStateName.ACTIVE)
    assert TradingState.objects.get(account=account).state == TradingStateName.ACTIVE


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_a_trading_state_needs_a_reason_of_reasonable_length(reason: str) -> None:
    with pytest.raises(ActionRefused, match="reason"):
        halt(None, TradingStateName.HALTED, reason)
    assert not TradingState.objects.exists()


@pytest.fixture
def approval() -> Approval:
    waiting: Approval = ApprovalFactory.create()
    return waiting


def decide(approval: Approval, approve: bool = True, **changes: Any) -> Approval:
    given: dict[str, Any] = {"actor": None, "channel": "console"}
    return services.approval_decide(approval=approval, approve=approve, **(given | changes))


def test_an_approved_signal_goes_to_the_trader(approval: Approval) -> None:
    assert decide(approval).decision == ApprovalDecision.APPROVED
    assert Signal.objects.get().state == SignalState.APPROVED
    assert OperatorAction.objects.get().action == "approved"


def test_a_refused_signal_is_over(approval: Approval) -> None:
    decide(approval, False, reason="news at noon")
    signal = Signal.objects.get()
    assert (signal.state, signal.state_reason) == (SignalState.REFUSED, "news at noon")


def test_the_second_answer_is_refused_whichever_way(approval: Approval) -> None:
    decide(approval, False)
    with pytest.raises(ActionRefused, match="already answered: refused"):
        decide(approval, True)
    assert Signal.objects.get().state == SignalState.REFUSED


def test_an_expired_request_can_not_be_answered(approval: Approval) -> None:
    Approval.objects.update(expires_at=timezone.now())
    with pytest.raises(ActionRefused, match="expired at"):
        decide(approval)
    assert Signal.objects.get().state == SignalState.WAITING


def test_an_answer_counts_for_the_payload_that_was_shown(approval: Approval) -> None:
    Signal.objects.update(payload_hash="0" * 64)
    with pytest.raises(ActionRefused, match="changed since"):
        decide(approval)
    Approval.objects.update(payload_hash="0" * 64)
    approval.payload_hash = "1" * 64
    with pytest.raises(ActionRefused, match="changed since"):
        decide(approval)
    assert Signal.objects.get().state == SignalState.WAITING


@pytest.mark.django_db(transaction=True)
def test_of_fifty_answers_at_once_the_first_wins() -> None:
    waiting: Approval = ApprovalFactory.create()
    start = threading.Barrier(50)
    wins: list[bool] = []
    broken: list[BaseException] = []

    def answer(number: int) -> None:
        mine = Approval.objects.get(pk=waiting.pk)
        start.wait(30)
        try:
            decide(mine, number % 2 == 0)
            wins.append(number % 2 == 0)
        except ActionRefused:
            pass
        except BaseException as exc:
            broken.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=answer, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert broken == []
    assert len(wins) == 1
    expected = SignalState.APPROVED if wins[0] else SignalState.REFUSED
    assert Signal.objects.get().state == expected
    assert OperatorAction.objects.count() == 1


def test_a_command_comes_once_however_often_it_is_sent() -> None:
    account = account_create()
    wish: dict[str, Any] = {
        "account": account,
        "kind": CommandKind.FLATTEN,
        "idempotency_key": "abc",
        "actor": None,
    }
    first = services.command_request(**wish)
    assert services.command_request(**wish) == first
    assert Command.objects.count() == OperatorAction.objects.count() == 1
    with pytest.raises(ActionRefused, match="another command"):
        services.command_request(**(wish | {"kind": CommandKind.RESYNC}))


@pytest.mark.parametrize("key", ["", "k" * 65])
def test_a_command_needs_a_key(key: str) -> None:
    with pytest.raises(ActionRefused, match="idempotency key"):
        services.command_request(
            account=account_create(), kind=CommandKind.FLATTEN, idempotency_key=key, actor=None
        )


def test_run_now_only_observes(django_capture_on_commit_callbacks: Any) -> None:
    bot = bot_create(account_create())
    with django_capture_on_commit_callbacks() as sent:
        cycle = services.cycle_request(bot=bot, actor=None)
    assert cycle.observe_only
    assert Cycle.objects.count() == 1
    assert len(sent) >= 1


def test_the_plug_is_for_simulated_venues() -> None:
    account = account_create()
    newest = services.plug_pull(account=account, actor=None)
    assert newest == 0
    assert Command.objects.get().kind == CommandKind.PLUG
    account.mode = Mode.DEMO
    with pytest.raises(ActionRefused, match="simulated"):
        services.plug_pull(account=account, actor=None)


def test_actions_name_who_did_them() -> None:
    person = User.objects.create_user("operator")
    session: MarketSession = MarketSessionFactory.create()
    SignalFactory.create()
    services.trading_state_set(
        account=session.account, state=TradingStateName.REDUCING, actor=person, reason="lunch"
    )
    assert OperatorAction.objects.get().actor == person
