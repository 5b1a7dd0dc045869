"""``manage.py reconcile --repair`` on a venue that may lag: nothing is mended at first sight."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from exchange.choices import Mode
from exchange.models import ExchangeAccount
from tests.factories import BotFactory, CycleFactory, SignalFactory, TradeFactory
from tests.scenarios.stand import calm_exchange
from tests.simulators.bybit.server import SimServer
from trading.choices import ExitReason, TradeState
from trading.connection import Application, account_connect
from trading.management.commands import reconcile as module
from trading.models import Event, Trade

pytestmark = pytest.mark.django_db(transaction=True)

UID = "1001"
LINK_ID = "at1-0123456789abcdefghijklmnop-e"


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[SimServer]:
    with calm_exchange(settings, tmp_path) as running:
        yield running


@pytest.fixture
def account(server: SimServer, monkeypatch: pytest.MonkeyPatch) -> ExchangeAccount:
    # Just above the two seconds that a proof takes.
    monkeypatch.setattr(module, "PROOF_PAUSE_S", 2.1)
    return account_connect(
        Application(
            name="Demo",
            mode=Mode.DEMO,
            symbols=("BTCUSDT",),
            api_key="sim-key",
            api_secret="sim-secret",
        ),
        actor=None,
    )


@pytest.fixture
def stray(server: SimServer, account: ExchangeAccount) -> Callable[[], bool]:
    """An order with an id of ours that our tables don't have; whether it still works."""
    price = server.exchange.prices.last("BTCUSDT", int(time.time() * 1000)) / 2
    order = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.01",
        "price": f"{price.quantize(Decimal(1)):f}",
        "timeInForce": "GTC",
        "orderLinkId": LINK_ID,
    }
    placed = server.exchange.handle("POST", "/v5/order/create", order, UID)
    assert placed.ret_code == 0, placed

    def works() -> bool:
        query = {"category": "linear", "symbol": "BTCUSDT"}
        answer = server.exchange.handle("GET", "/v5/order/realtime", query, UID)
        return any(one["orderLinkId"] == LINK_ID for one in answer.result["list"])

    assert works()
    return works


@pytest.fixture
def vanished(account: ExchangeAccount) -> Trade:
    """An open trade of which the exchange knows nothing."""
    cycle = CycleFactory.create(bot=BotFactory.create(account=account, symbols=["BTCUSDT"]))
    return TradeFactory.create(signal=SignalFactory.create(cycle=cycle))


def run(*arguments: str) -> tuple[list[str], str]:
    """The lines it printed, and why its exit code is not 0."""
    out = io.StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out)
    except CommandError as exc:
        return out.getvalue().splitlines(), str(exc)
    return out.getvalue().splitlines(), ""


def test_a_repair_waits_for_the_proof_and_shows_what_it_did(
    account: ExchangeAccount, stray: Callable[[], bool], vanished: Trade
) -> None:
    began = time.monotonic()
    lines, refusal = run("--repair")
    assert time.monotonic() - began >= 4
    assert refusal == ""
    assert lines[0] == "Demo (DEMO): agrees with the exchange"
    assert f"repair: BTCUSDT: order {LINK_ID} works on the exchange" in lines[1]
    assert lines[2].startswith("  repair: BTCUSDT: we hold 0.06")
    assert lines[2].endswith("the trade is closed as external")
    assert len(lines) == 3
    assert not stray()
    vanished.refresh_from_db()
    assert (vanished.state, vanished.exit_reason) == (TradeState.CLOSED, ExitReason.EXTERNAL)
    assert Event.objects.filter(kind="engine_mended").count() == 1


def test_without_a_wish_to_repair_nothing_is_touched(
    account: ExchangeAccount, stray: Callable[[], bool], vanished: Trade
) -> None:
    lines, refusal = run()
    assert "1 of 1 accounts differ" in refusal
    assert lines[0] == "Demo (DEMO): differs"
    assert lines[2].endswith("--repair: the order is cancelled")
    assert lines[3].endswith("--repair: the trade is closed as external")
    assert stray()
    vanished.refresh_from_db()
    assert vanished.state == TradeState.OPEN


def test_what_a_repair_could_not_mend_is_shown_with_what_to_do(
    account: ExchangeAccount, server: SimServer, stray: Callable[[], bool]
) -> None:
    server.knobs.add("/v5/order/cancel", "retcode", times=-1, code=10016, applied=False)
    lines, refusal = run("--repair")
    assert "1 of 1 accounts differ" in refusal
    assert any("not mended" in line for line in lines if line.startswith("  repair: "))
    assert lines[-1].endswith(module.UNMENDED_REMEDY)
    assert stray()
